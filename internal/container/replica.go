package container

import (
	"fmt"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

// Replica is one of a service's containers, looked into.
type Replica struct {
	moby.InspectResponse
	Stopped bool // it ended because a stop of ours asked it to
	Last    *End // how it ended last, by all evidence; nil where nobody has looked for that, or it never ended
}

// end is how the container ended, by all that is known; false where it runs or was never started.
func (c Replica) end() (End, bool) {
	if e, ok := EndOf(c.InspectResponse); !ok || c.Last == nil {
		return e, ok
	}
	return *c.Last, true
}

// before is how it ended before it was started again; nil where that is not known, or was somebody's wish.
func (c Replica) before() *End {
	if !c.State.Running || c.Last == nil || c.Last.Cause == Stopped || c.Last.Cause == Completed {
		return nil
	}
	return c.Last
}

// Name is the container's name, as the docker command prints it.
func (c Replica) Name() string { return strings.TrimPrefix(c.InspectResponse.Name, "/") }

// Number is the replica's number, from 1; 0 where the container has none.
func (c Replica) Number() int { return Number(c.Config.Labels) }

// Runs says that the container serves, or is about to; a paused one does not.
func (c Replica) Runs() bool { return c.State.Status == moby.StateRunning }

// Unhealthy says that the engine's own health check has failed as often as it may.
func (c Replica) Unhealthy() bool {
	return c.State.Health != nil && c.State.Health.Status == moby.Unhealthy
}

// Checked says whether the container has a health check, from the service or the image.
func (c Replica) Checked() bool {
	return c.Config != nil && c.Config.Healthcheck != nil && len(c.Config.Healthcheck.Test) > 1 &&
		c.Config.Healthcheck.Test[0] != "NONE"
}

// Restarts says whether the restart policy starts the container again however it ends, so that it can't complete.
func (c Replica) Restarts() bool {
	return c.HostConfig != nil &&
		(c.HostConfig.RestartPolicy.IsAlways() || c.HostConfig.RestartPolicy.IsUnlessStopped())
}

// Started is when the container was started last, by the engine's clock; zero where it never was.
func (c Replica) Started() time.Time { return parseTime(c.State.StartedAt) }

// Up is how long ago the container was started last; now is the time by the engine's clock.
func (c Replica) Up(now time.Time) time.Duration { return max(0, now.Sub(c.Started())) }

// Settling is how long the container must have stayed up since its restart policy started it again; 0 where the
// policy never did.
func (c Replica) Settling() time.Duration {
	switch {
	case c.RestartCount == 0:
		return 0
	case c.RestartCount < LoopRestarts:
		return onceMore
	}
	return manyTimes
}

// Looping says that the restart policy is about to start the container again, or has done so not long ago.
func (c Replica) Looping(now time.Time) bool {
	return c.State.Restarting || c.State.Running && c.Up(now) < c.Settling()
}

// firstLine is the first line of what a check printed.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return bounded.Line(line)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
