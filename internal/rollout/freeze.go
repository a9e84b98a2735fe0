package rollout

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/freezer"
	"github.com/25eloquence/compose-mage/internal/readiness"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// longestFreeze is for those who wait for an answer meanwhile. What is done in a freeze takes a third of a second,
// and on a busy machine three times as long: what is thawed before it is done fails the requests that it is
// answering.
const longestFreeze = 3 * time.Second

// patienceWithChecks bounds the wait for the end of one that takes long.
const patienceWithChecks = 5 * time.Second

// freeze stops the container's processes where they are until the function that it returns is called. Where this
// machine's freezer can't be had the engine pauses the container: that ends its health monitor, and Docker calls
// the container unhealthy until its next check has passed. Where there are no cgroups to freeze (rootless) it does
// without.
func (r *Rollout) freeze(ctx context.Context, c moby.InspectResponse) func() error {
	if r.Engine.Local() {
		if f, err := freezer.Begin(c.ID, freezeLimit(c, time.Now())); err == nil {
			return f.End
		}
	}
	if _, err := r.Engine.ContainerPause(ctx, c.ID, client.ContainerPauseOptions{}); err != nil {
		return func() error { return nil }
	}
	return func() error {
		if _, err := r.Engine.ContainerUnpause(ctx, c.ID, client.ContainerUnpauseOptions{}); err != nil {
			return fmt.Errorf("waking the container: %w", err)
		}
		return nil
	}
}

// freezeLimit is how long the container may be frozen: until Docker's next check of it, which runc would refuse to
// run in a frozen container. One that is under way must get its answer within its timeout.
func freezeLimit(c moby.InspectResponse, now time.Time) time.Duration {
	at, timeout, ok := readiness.NextCheck(c)
	if !ok {
		return longestFreeze
	}
	return min(max(at.Sub(now), timeout*3/4), longestFreeze)
}

// betweenChecks waits until Docker's own check of the container is neither under way nor due within a freeze: its
// failure would count. Where checks come more often than that, right after one has to do.
func (r *Rollout) betweenChecks(ctx context.Context, id string) {
	var last time.Time
	for began := time.Now(); time.Since(began) < patienceWithChecks; _ = wait.For(ctx, 20*time.Millisecond) {
		found, err := r.Engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return // ctx has ended, or who freezes the container sees the error too
		}
		at, timeout, ok := readiness.NextCheck(found.Container)
		if !ok || !last.IsZero() && !at.Equal(last) || !checkDue(at, time.Now(), timeout) {
			return
		}
		last = at
	}
}

// checkDue says whether a check that comes at a time is due within the longest freeze or under way.
func checkDue(at, now time.Time, timeout time.Duration) bool {
	return at.Before(now.Add(longestFreeze)) && now.Before(at.Add(timeout+longestFreeze))
}
