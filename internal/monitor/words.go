package monitor

import (
	"fmt"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
)

// Judgement is how a replica's state is shown: as good, as bad, as something that is still to become either, or as
// neither.
type Judgement int

// The judgements.
const (
	Neither Judgement = iota
	Good
	Wait // it is starting
	Bad
)

// StateText is the word for what the container does: its health where it has a health check, else the engine's state;
// a few are ours.
func (r Replica) StateText() string {
	switch {
	case r.Verdict.Condition == container.Looping:
		return "restarting"
	case r.Verdict.Condition == container.Done && r.Judgement() != Bad:
		return "done"
	case r.Running() && r.Health != "":
		return r.Health
	case r.State == "exited":
		return fmt.Sprintf("exited (%d)", r.ExitCode)
	}
	return r.State
}

// Judgement says whether that is as it should be.
func (r Replica) Judgement() Judgement {
	switch v := r.Verdict; {
	case r.Error != "" || !v.Fine &&
		r.Expected, v.Condition == container.Unhealthy, v.Condition == container.Looping, r.State == StateSurplus:
		return Bad
	case v.Condition == container.Healthy:
		return Good
	case v.Condition == container.Starting:
		return Wait
	}
	return Neither
}

// HighMemory says whether its memory is so near to the limit that it is a finding.
func (r Replica) HighMemory() bool { return r.MemoryPercent >= memoryHigh }

// HighCPU says whether its CPU limit holds it back, or it saturates the machine, so that it is a finding.
func (r Replica) HighCPU() bool {
	return r.CPULimitPercent >= cpuHigh || r.CPULimit > 0 && r.ThrottledPercent >= throttledHigh
}

// Age is a duration at the precision a person wants: "42s", "17m", "5h", "3d".
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 100*time.Second:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
