package readiness

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/container"
)

const (
	// stayFor is how long a container that can't be asked whether it is ready must have stayed up: many that fail
	// do so at once.
	stayFor = time.Second
	// stablePause is between two looks at a container that is about to be started again by its policy.
	stablePause = 200 * time.Millisecond
	// endedPause is between two looks at whether a job has ended, where no events tell.
	endedPause = 200 * time.Millisecond
)

// Ended is how the container completed; nil where it runs.
func (w *Waiter) Ended() *container.End { return w.ended }

// WaitStable waits until a container that is ready has stayed up for as long as it takes to tell that it will: for
// stayFor where it could not be asked whether it is ready, and for longer where its policy has started it again.
// The time counts from the container's own start, so that for most it is over.
func (w *Waiter) WaitStable(ctx context.Context) error {
	for w.ended == nil {
		c, err := w.inspect(ctx)
		if err != nil {
			return err
		}
		if ended, err := w.hasEnded(c); ended || err != nil {
			return err
		}
		left := w.untilStable(c, w.now(c))
		if left <= 0 {
			return nil
		}
		if _, err := w.rest(ctx, left); err != nil {
			return err
		}
	}
	return nil
}

// untilStable is how long to wait until the container is looked at again; 0 where it has stayed up for long enough.
// now is the time by the engine's clock.
func (w *Waiter) untilStable(c container.Replica, now time.Time) time.Duration {
	if !c.Runs() {
		return stablePause
	}
	least := c.Settling()
	if least == 0 && !w.answered && checkOf(c) == nil {
		least = stayFor
	}
	left := max(0, least-c.Up(now))
	if left > 0 && c.RestartCount > 0 && w.Progress != nil {
		up := c.Up(now).Round(time.Second)
		w.Progress(fmt.Sprintf("its policy restarted it (%d): it has been up for %s of %s", c.RestartCount, up, least))
	}
	return left
}

// hasEnded says whether the container has completed; an error where it has ended otherwise, or does so again and
// again.
func (w *Waiter) hasEnded(c container.Replica) (bool, error) {
	if w.restarts == 0 {
		w.restarts = c.RestartCount + 1
	}
	o := container.Look(w.Service, c, w.now(c))
	failed := false
	switch o.Condition { //nolint:exhaustive // all others may still get ready
	case container.Done:
		w.ended = o.End
		if w.Warn != nil && o.Why != "" {
			w.Warn("%s %s", c.Name(), o.Why)
		}
		return true, nil
	case container.Broken, container.Halted, container.Dead, container.Removing:
		failed = true
	case container.Looping: // a container that runs at the moment may go on to run: WaitStable waits for that
		again := c.State.Restarting || c.RestartCount >= w.restarts
		failed = c.RestartCount >= container.LoopRestarts && again
	}
	if !failed {
		return false, nil
	}
	if w.Service == "" {
		o.Next = ""
	}
	return true, &NotReady{Why: o.Why, Next: o.Next, Ended: true}
}

// now is the time by the engine's clock, as far as it can be told: the container has run for as long as we have
// seen it run, even where the clocks differ.
func (w *Waiter) now(c container.Replica) time.Time {
	if c.State.StartedAt != w.startedAt {
		w.startedAt, w.startSeen = c.State.StartedAt, time.Now()
	}
	now, least := time.Now(), c.Started().Add(time.Since(w.startSeen))
	if least.After(now) {
		return least
	}
	return now
}

// WaitCompleted waits for a one-shot container to exit with 0. One whose policy starts it again after a failure is
// waited for; one whose policy does so in any case never completes.
func (w *Waiter) WaitCompleted(ctx context.Context) error {
	w.began = time.Now()
	pause := longestPause
	if w.Events == nil {
		pause = endedPause
	}
	for {
		c, err := w.inspect(ctx)
		if err != nil {
			return err
		}
		if completed, err := w.hasCompleted(c); completed || err != nil {
			return err
		}
		if _, err := w.rest(ctx, pause); err != nil {
			return err
		}
	}
}

// hasCompleted says whether a one-shot container has exited with 0; an error where it never will.
func (w *Waiter) hasCompleted(c container.Replica) (bool, error) {
	if c.Restarts() && (c.RestartCount > 0 || c.State.Restarting) {
		policy := c.HostConfig.RestartPolicy.Name
		return false, &NotReady{
			Why:  fmt.Sprintf("never completes: its restart policy, %s, starts it again whenever it exits", policy),
			Next: "give it restart: on-failure or none in its Compose file, then go tool mage start",
		}
	}
	if s := c.State.Status; s != moby.StateExited && s != moby.StateDead {
		return false, nil
	}
	_, err := w.hasEnded(c)
	return true, err
}
