package readiness

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/container"
)

// stayFor is how long a container that can't be asked whether it is ready must have stayed up: many that are to fail do so at once.
const stayFor = time.Second

// Ended is how the container completed; nil where it runs.
func (r *Waiter) Ended() *container.End { return r.ended }

// Stays waits until a container that is ready has stayed up as long as it takes to tell that it will: a moment where it could not
// be asked whether it is ready, and longer where its policy has started it again. The time counts from its own start, so that
// for most it is over.
func (r *Waiter) Stays(ctx context.Context) error {
	for r.ended == nil {
		c, err := r.inspect(ctx)
		if err != nil {
			return err
		}
		if over, err := r.over(c); over || err != nil {
			return err
		}
		rest, least := 200*time.Millisecond, c.Settling()
		if least == 0 && !r.answered && checkOf(c.InspectResponse) == nil {
			least = stayFor
		}
		if c.Runs() {
			if rest = least - c.Up(r.now(c)); rest <= 0 {
				return nil
			}
			if r.Tell != nil && c.RestartCount > 0 {
				r.Tell(fmt.Sprintf("its policy restarted it (%d): it has been up for %s of %s", c.RestartCount, c.Up(r.now(c)).Round(time.Second), least))
			}
		}
		if _, err := r.hear(ctx, rest); err != nil {
			return err
		}
	}
	return nil
}

// over says whether the container has completed; an error where it has ended otherwise, or does so again and again.
func (r *Waiter) over(c container.Replica) (bool, error) {
	if r.first == 0 {
		r.first = c.RestartCount + 1
	}
	o := container.Look(r.Service, c, r.now(c))
	failed := false
	switch o.Condition { //nolint:exhaustive // all others may still get ready
	case container.Done:
		r.ended = o.End
		if r.Warn != nil && o.Why != "" {
			r.Warn("%s %s", c.Name(), o.Why)
		}
		return true, nil
	case container.Broken, container.Halted, container.Dead, container.Removing:
		failed = true
	case container.Looping: // one that runs at the moment may have found its feet: Stays waits for that
		failed = c.RestartCount >= container.LoopRestarts && (c.State.Restarting || c.RestartCount >= r.first)
	}
	if !failed {
		return false, nil
	}
	if r.Service == "" {
		o.Next = ""
	}
	return true, &NotReady{Why: o.Why, Next: o.Next}
}

// now is the time by the engine's clock, as far as it can be told: the container has run for as long as we have seen it run, even
// where the clocks differ.
func (r *Waiter) now(c container.Replica) time.Time {
	if c.State.StartedAt != r.run {
		r.run, r.seen = c.State.StartedAt, time.Now()
	}
	now, seen := time.Now(), c.Started().Add(time.Since(r.seen))
	if seen.After(now) {
		return seen
	}
	return now
}

// Completed waits for a one-shot container to exit with 0. One whose policy starts it again after a failure is waited for; one
// whose policy does so in any case never completes.
func (r *Waiter) Completed(ctx context.Context) error {
	r.began = time.Now()
	for {
		c, err := r.inspect(ctx)
		if err != nil {
			return err
		}
		if c.Restarts() && (c.RestartCount > 0 || c.State.Restarting) {
			return &NotReady{
				Why:  fmt.Sprintf("never completes: its restart policy, %s, starts it again whenever it exits", c.HostConfig.RestartPolicy.Name),
				Next: "give it restart: on-failure or none in its Compose file, then go tool mage start",
			}
		}
		if s := c.State; s.Status == moby.StateExited || s.Status == moby.StateDead {
			_, err := r.over(c)
			return err
		}
		pause := longestPause // news come first
		if r.News == nil {
			pause = 200 * time.Millisecond
		}
		if _, err := r.hear(ctx, pause); err != nil {
			return err
		}
	}
}
