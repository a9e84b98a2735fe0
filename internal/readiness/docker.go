package readiness

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

// verdictPause is between two looks at what Docker says.
const verdictPause = 200 * time.Millisecond

// Docker waits for the verdict of Docker's own check of a container that runs: nil when it is healthy, or has no check; NotReady
// when the check has failed as often as it may, or the container has ended. tell is told once, where there is something to wait
// for, how often Docker looks.
func Docker(ctx context.Context, api Prober, id string, tell func(every time.Duration)) error {
	r := &Waiter{API: api, ID: id, began: time.Now()}
	for {
		found, err := r.inspect(ctx)
		if err != nil {
			return err
		}
		if over, err := r.over(found); err != nil {
			return err
		} else if over {
			return &NotReady{Why: r.ended.String()}
		}
		c := found.InspectResponse
		check := checkOf(c)
		if check == nil || c.State.Health == nil || healthy(c) {
			return nil
		}
		if failedForGood(c, check) {
			at, said := lastOfDocker(c)
			return &NotReady{Why: fmt.Sprintf("unhealthy after %s (%s)", at.Round(time.Second), said)}
		}
		// Docker's checks may each take their whole timeout, which patience has once.
		if limit := patience(check) + intervalOf(check) + time.Duration(retriesOf(check))*timeoutOf(check); time.Since(r.began) > limit {
			return &NotReady{Why: fmt.Sprintf("%s for Docker after %s", c.State.Health.Status, limit.Round(time.Second))}
		}
		if tell != nil {
			tell(intervalOf(check))
			tell = nil
		}
		if _, err := r.hear(ctx, verdictPause); err != nil {
			return err
		}
	}
}

// failedForGood says whether Docker's own check has failed as often as it may. That Docker says "unhealthy" is not enough: it says so
// too from a pause on, until the next check after it.
func failedForGood(c moby.InspectResponse, check *moby.HealthConfig) bool {
	return c.State.Health.Status == moby.Unhealthy && c.State.Health.FailingStreak >= retriesOf(check)
}

// lastOfDocker is what Docker's own last check said, and how long after the container's start.
func lastOfDocker(c moby.InspectResponse) (time.Duration, verdict) {
	log := c.State.Health.Log
	started, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if len(log) == 0 || err != nil {
		return 0, verdict{code: hung, output: "no check yet"}
	}
	last := log[len(log)-1]
	return last.End.Sub(started), verdict{code: last.ExitCode, output: bounded.LastLine(last.Output)}
}

// NextCheck says when Docker looks at the container next by itself, and how long that may take; ok is false where it does not.
func NextCheck(c moby.InspectResponse) (at time.Time, timeout time.Duration, ok bool) {
	check := checkOf(c)
	if check == nil || c.State.Health == nil {
		return time.Time{}, 0, false
	}
	last, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if log := c.State.Health.Log; len(log) > 0 {
		last, err = log[len(log)-1].End, nil
	}
	every := intervalOf(check)
	if c.State.Health.Status == moby.Starting && check.StartInterval > 0 && check.StartPeriod > 0 {
		every = check.StartInterval
	}
	return last.Add(every), timeoutOf(check), err == nil
}
