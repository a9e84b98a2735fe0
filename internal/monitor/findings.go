package monitor

import (
	"fmt"
	"strings"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// From where on a snapshot says something. Disk is nearly full where either holds.
const (
	memoryHigh      = 90 // percent of the limit
	cpuHigh         = 90 // percent of the limit
	throttledHigh   = 50 // percent of the scheduler's periods
	diskFreePercent = 10
	diskFreeBytes   = 10 << 30
)

// findings says what is wrong, worst first within each service, and what to run next.
func findings(s Snapshot) []finding.Finding {
	var all []finding.Finding
	for _, r := range s.Services {
		all = append(all, stateFindings(r)...)
		all = append(all, loadFindings(r)...)
	}
	all = append(all, answerFindings(s.Services)...)
	all = append(all, logFindings(s.Services)...)
	return append(all, diskFindings(s.Disk)...)
}

func stateFindings(r Replica) []finding.Finding {
	var all []finding.Finding
	say := func(id, next, format string, args ...any) {
		all = append(all, finding.Warn(id, next, r.Service+" "+format, args...).Of(r.Service))
	}
	if r.OOMKills > 0 {
		say("memory.killed", "raise deploy.resources.limits.memory of "+fault.Quote(r.Service)+
			", then go tool mage start", "%s", r.memoryKills())
	}
	v := r.Verdict
	switch {
	case r.Error != "":
		say("service.unseen", "go tool mage logs "+fault.Quote(r.Service), "could not be looked at: %s", r.Error)
	case r.OOMKills > 0 && v.End != nil: // the end is said already
	case !v.Fine && v.Why != "" &&
		(r.Expected || r.State == StateSurplus || v.Condition == container.Unhealthy ||
			v.Condition == container.Looping):
		say(conditionID(v.Condition), v.Next, "%s", v.Why)
	case r.Running() && r.Restarts > 0 && r.OOMKills == 0:
		say("service.restarted", "go tool mage logs "+fault.Quote(r.Service), "was restarted %s%s",
			times(r.Restarts), lastEnd(v.Last))
	}
	if r.Orphan && r.Running() {
		say("service.orphan", "go tool mage start -remove-orphans", "runs, but the project no longer has this service")
	}
	return all
}

// memoryKills gives a finding for each memory kill: of the container, or of a process in a container that went on.
func (r Replica) memoryKills() string {
	limit := "without a memory limit"
	if r.MemoryLimit > 0 {
		limit = "at its limit of " + ui.Bytes(r.MemoryLimit)
	}
	end := r.Verdict.End
	switch {
	case end != nil && end.ChildKilled, end == nil && r.Running() && r.Restarts == 0:
		state := "runs"
		if end != nil {
			state = "ended (" + container.ExitText(end.Code) + ")"
		}
		return fmt.Sprintf("%s, and processes in it were killed for want of memory %s, %s", state, times(r.OOMKills),
			limit)
	}
	return fmt.Sprintf("was killed for want of memory %s, %s", times(r.OOMKills), limit)
}

// conditionID names the rule by the condition that it found: service.unhealthy.
func conditionID(c container.Condition) string {
	return "service." + strings.ReplaceAll(string(c), " ", "-")
}

func loadFindings(r Replica) []finding.Finding {
	if !r.Running() {
		return nil
	}
	var all []finding.Finding
	say := func(id, setting, format string, args ...any) {
		all = append(all,
			finding.Warn(id, setting+", then go tool mage start", r.Service+" "+format, args...).Of(r.Service))
	}
	if r.MemoryPercent >= memoryHigh {
		of, next := "the machine's memory", "set deploy.resources.limits.memory of "
		if r.MemoryLimit > 0 {
			of, next = "its limit of "+ui.Bytes(r.MemoryLimit), "raise deploy.resources.limits.memory of "
		}
		say("memory.high", next+fault.Quote(r.Service), "uses %.0f %% of %s", r.MemoryPercent, of)
	}
	switch {
	case r.CPULimit > 0 && (r.CPULimitPercent >= cpuHigh || r.ThrottledPercent >= throttledHigh):
		say("cpu.limited", "raise deploy.resources.limits.cpus of "+fault.Quote(r.Service),
			"is held back by its CPU limit of %s (%.0f %% of it used, throttled in %.0f %% of periods)",
			cores(r.CPULimit), r.CPULimitPercent, r.ThrottledPercent)
	case r.CPULimit == 0 && r.CPULimitPercent >= cpuHigh:
		say("cpu.saturated", "set deploy.resources.limits.cpus of "+fault.Quote(r.Service),
			"saturates the machine's CPUs (%.0f %%)", r.CPULimitPercent)
	}
	return all
}

func diskFindings(d Disk) []finding.Finding {
	if d.Space == nil || (d.Space.FreePercent() >= diskFreePercent && d.Space.Free >= diskFreeBytes) {
		return nil
	}
	return []finding.Finding{finding.Warn("disk.low", "go tool mage cleanup",
		"the disk of %s is nearly full: %s of %s free (%.0f %%), %s could be reclaimed",
		d.Root, ui.Bytes(d.Space.Free), ui.Bytes(d.Space.Total), d.Space.FreePercent(), ui.Bytes(d.Reclaimable()))}
}

// needsFinding says that less is free than the Compose file says the stack needs, where that is not near full anyway.
func needsFinding(d Disk, needs int64) []finding.Finding {
	if d.Space == nil || d.Space.Free >= needs || len(diskFindings(d)) > 0 {
		return nil
	}
	return []finding.Finding{finding.Warn("disk.needs", "go tool mage cleanup",
		"%s free on the disk of %s, and the Compose file says that the stack needs %s", ui.Bytes(d.Space.Free), d.Root,
		ui.Bytes(needs))}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func cores(n float64) string {
	text := strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0")
	if text == "1" {
		return "1 core"
	}
	return text + " cores"
}
