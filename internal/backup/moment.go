package backup

import (
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/readiness"
)

// check is when Docker next checks a container's health, how long it then waits for the answer, and how long after that
// the one after comes.
type check struct {
	at             time.Time
	timeout, every time.Duration
}

// defaultEvery is Docker's interval between two checks where a health check names none.
const defaultEvery = 30 * time.Second

// checksOf are the checks of the containers that have one.
func checksOf(containers []moby.InspectResponse) []check {
	var out []check
	for _, c := range containers {
		if at, timeout, ok := readiness.NextCheck(c); ok {
			every := defaultEvery
			if c.Config != nil && c.Config.Healthcheck != nil && c.Config.Healthcheck.Interval > 0 {
				every = c.Config.Healthcheck.Interval
			}
			out = append(out, check{at, timeout, every})
		}
	}
	return out
}

// beforeCheck is left between the end of a freeze and a check.
const beforeCheck = 200 * time.Millisecond

// room is how long containers with these checks may stand still from now on without failing one of them, at most for
// longest: until the next of them, since the engine can't begin a check in a frozen container, and never as long as
// the shortest timeout. It is 0 while a check may be under way.
func room(checks []check, now time.Time, longest time.Duration) time.Duration {
	out := longest
	for _, c := range checks {
		until := c.at.Sub(now) - beforeCheck
		if now.After(c.at) && now.After(c.at.Add(c.timeout)) {
			continue // Docker has given up on it, or does not check at all
		}
		out = min(out, max(until, 0), c.timeout*3/4)
	}
	return out
}

// most is the longest room that is worth waiting for: what the shortest timeout leaves, and the shortest interval.
func most(checks []check, longest time.Duration) time.Duration {
	for _, c := range checks {
		longest = min(longest, c.timeout*3/4, (c.every-beforeCheck)*3/4)
	}
	return longest
}
