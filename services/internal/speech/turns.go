package speech

import (
	"context"
	"errors"
	"time"
)

// ErrBusy says that no turn came free in time; asking again later may succeed.
var ErrBusy = errors.New("busy: too many requests at once, try again")

// Turns limits how many requests are worked on at once: its capacity.
type Turns chan struct{}

// Take waits for a turn, at most the given time (then ErrBusy) and until ctx ends (then its
// error). The caller must call release when done.
func (t Turns) Take(ctx context.Context, wait time.Duration) (release func(), err error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, ErrBusy
	}
}
