package backup

import (
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/readiness"
)

// check is when Docker next checks a container's health, and how long it then waits for the answer.
type check struct {
	at      time.Time
	timeout time.Duration
}

// checksOf are the checks of the containers that have one.
func checksOf(containers []moby.InspectResponse) []check {
	var out []check
	for _, c := range containers {
		if at, timeout, ok := readiness.NextCheck(c); ok {
			out = append(out, check{at, timeout})
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

// most is the longest room that there can be: what the shortest timeout leaves.
func most(checks []check, longest time.Duration) time.Duration {
	for _, c := range checks {
		longest = min(longest, c.timeout*3/4)
	}
	return longest
}
