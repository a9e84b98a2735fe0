package readiness

import (
	"fmt"
	"slices"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
)

// Docker's defaults for what a health check leaves out.
const (
	defaultTimeout  = 30 * time.Second
	defaultInterval = 30 * time.Second
	defaultRetries  = 3
)

// result is what one run of a health check came to: its exit code and the last line that it printed.
type result struct {
	code   int
	output string
}

// noAnswer is the code of a check that did not answer in time; the output says so then.
const noAnswer = -1

// String is "exit 1: connection refused", or why there was no answer.
func (v result) String() string {
	switch {
	case v.code == noAnswer:
		return v.output
	case v.output == "":
		return fmt.Sprintf("exit %d", v.code)
	}
	return fmt.Sprintf("exit %d: %s", v.code, v.output)
}

// checkOf gives the container's health check, the service's own or the image's; nil where it has none, or NONE.
func checkOf(c container.Replica) *moby.HealthConfig {
	if !c.Checked() {
		return nil
	}
	return c.Config.Healthcheck
}

// commandOf is the command and the arguments that the check runs. CMD-SHELL uses the image's shell, as Docker does.
func commandOf(c container.Replica, check *moby.HealthConfig) []string {
	if check.Test[0] != "CMD-SHELL" {
		return check.Test[1:]
	}
	shell := c.Config.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	return slices.Concat(shell, check.Test[1:])
}

// patience is how long a check may fail: its start period, then as many intervals as it has retries, then one
// timeout. A container without a check gets one interval.
func patience(check *moby.HealthConfig) time.Duration {
	if check == nil {
		return defaultInterval
	}
	return check.StartPeriod + time.Duration(retriesOf(check))*intervalOf(check) + timeoutOf(check)
}

func intervalOf(check *moby.HealthConfig) time.Duration {
	if check.Interval == 0 {
		return defaultInterval
	}
	return check.Interval
}

func retriesOf(check *moby.HealthConfig) int {
	if check.Retries == 0 {
		return defaultRetries
	}
	return check.Retries
}

func timeoutOf(check *moby.HealthConfig) time.Duration {
	if check.Timeout == 0 {
		return defaultTimeout
	}
	return check.Timeout
}

// dockerHealthy says whether Docker's own check has passed.
func dockerHealthy(c container.Replica) bool {
	return c.State.Health != nil && c.State.Health.Status == moby.Healthy
}

// dockerGaveUp says whether Docker's own check has failed as often as it may. The status "unhealthy" alone is not
// enough: Docker also gives it to a container that was paused, until the next check after that.
func dockerGaveUp(c container.Replica, check *moby.HealthConfig) bool {
	return c.Unhealthy() && c.State.Health.FailingStreak >= retriesOf(check)
}

// dockerPatience is how long Docker's own checks may take until they have failed for good: each may take its whole
// timeout, of which patience counts one.
func dockerPatience(check *moby.HealthConfig) time.Duration {
	return patience(check) + intervalOf(check) + time.Duration(retriesOf(check))*timeoutOf(check)
}

// dockersLastCheck is what Docker's own last check came to, and how long after the container's start it ended.
func dockersLastCheck(c container.Replica) (time.Duration, result) {
	log := c.State.Health.Log
	if len(log) == 0 || c.Started().IsZero() {
		return 0, result{code: noAnswer, output: "no check yet"}
	}
	last := log[len(log)-1]
	return last.End.Sub(c.Started()), result{code: last.ExitCode, output: bounded.LastLine(last.Output)}
}

// NextCheck says when Docker runs the container's check next by itself, and how long that may take; ok is false
// where Docker runs none.
func NextCheck(inspected moby.InspectResponse) (at time.Time, timeout time.Duration, ok bool) {
	c := container.Replica{InspectResponse: inspected}
	check := checkOf(c)
	if check == nil || c.State.Health == nil {
		return time.Time{}, 0, false
	}
	last := c.Started()
	if log := c.State.Health.Log; len(log) > 0 {
		last = log[len(log)-1].End
	}
	every := intervalOf(check)
	if c.State.Health.Status == moby.Starting && check.StartInterval > 0 && check.StartPeriod > 0 {
		every = check.StartInterval
	}
	return last.Add(every), timeoutOf(check), !last.IsZero()
}
