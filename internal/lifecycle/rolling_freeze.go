package lifecycle

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/freezer"
	"github.com/25eloquence/compose-mage/internal/readiness"
)

// A freeze is shorter than the timeout of the container's own check: one that is under way must not fail for it. longestFreeze is for
// those who wait for an answer meanwhile.
const longestFreeze = 2 * time.Second

// patienceWithChecks bounds the wait for the end of one that takes long.
const patienceWithChecks = 5 * time.Second

// freeze stops the container's processes where they are until the function that it returns is called. Where this machine's freezer
// can't be had the engine pauses the container: that ends its health monitor, and Docker calls the container unhealthy until its next
// check has passed. Where there are no cgroups to freeze (rootless) it does without.
func (r *restarter) freeze(ctx context.Context, c moby.InspectResponse) func() error {
	if r.engine.Local() {
		if f, err := freezer.Begin(c.ID, freezeLimit(c)); err == nil {
			return f.End
		}
	}
	if _, err := r.engine.ContainerPause(ctx, c.ID, client.ContainerPauseOptions{}); err != nil {
		return func() error { return nil }
	}
	return func() error {
		if _, err := r.engine.ContainerUnpause(ctx, c.ID, client.ContainerUnpauseOptions{}); err != nil {
			return fmt.Errorf("waking the container: %w", err)
		}
		return nil
	}
}

// freezeLimit is how long the container may be frozen.
func freezeLimit(c moby.InspectResponse) time.Duration {
	if _, timeout, ok := readiness.NextCheck(c); ok {
		return min(timeout*3/4, longestFreeze)
	}
	return longestFreeze
}

// betweenChecks waits until Docker's own check of the container is neither under way nor due within a freeze: runc refuses to run one
// in a frozen container, which counts as a failure. Where checks come more often than that, right after one has to do.
func (r *restarter) betweenChecks(ctx context.Context, id string) {
	var last time.Time
	for began := time.Now(); time.Since(began) < patienceWithChecks; _ = sleep(ctx, 20*time.Millisecond) {
		found, err := r.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return // ctx has ended, or who freezes the container sees the error too
		}
		c := found.Container
		at, timeout, ok := readiness.NextCheck(c)
		if !ok || !last.IsZero() && !at.Equal(last) || !checkNear(at, time.Now(), timeout, freezeLimit(c)) {
			return
		}
		last = at
	}
}

// checkNear says whether a check that comes at a time is due within the limit or under way.
func checkNear(at, now time.Time, timeout, limit time.Duration) bool {
	return at.Before(now.Add(limit)) && now.Before(at.Add(timeout+limit))
}
