// Package semaphore owns who of those that wait for a share of the machine gets it first. What is shared it does
// not know.
package semaphore

import (
	"context"
	"slices"
	"sync"
)

// Ranked is a counting semaphore that serves the waiter of the highest rank first, and of two equal ones the first
// that came. Nobody is served past the first in line, so that a waiter for many units is not kept waiting by
// waiters for few.
type Ranked struct {
	mu    sync.Mutex
	free  int64
	queue []*waiter // highest rank first
}

// waiter is one call of Acquire that is not served yet.
type waiter struct {
	n    int64
	rank int
	got  chan struct{} // closed when the waiter is served
}

// New gives a semaphore with that many units.
func New(size int64) *Ranked { return &Ranked{free: size} }

// Acquire waits until n units are free (n is never more than the size) and takes them; Release returns them.
func (r *Ranked) Acquire(ctx context.Context, n int64, rank int) error {
	if n == 0 {
		return ctx.Err()
	}
	w := &waiter{n: n, rank: rank, got: make(chan struct{})}
	r.mu.Lock()
	at := slices.IndexFunc(r.queue, func(other *waiter) bool { return other.rank < rank })
	if at < 0 {
		at = len(r.queue)
	}
	r.queue = slices.Insert(r.queue, at, w)
	r.serve()
	r.mu.Unlock()
	select {
	case <-w.got:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.queue, w); i >= 0 {
		r.queue = slices.Delete(r.queue, i, i+1)
	} else {
		r.free += n // the waiter was served in the same moment
	}
	r.serve()
	return ctx.Err()
}

// Release returns n units.
func (r *Ranked) Release(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free += n
	r.serve()
}

// serve serves the first in line as long as enough units are free; the caller holds the lock.
func (r *Ranked) serve() {
	for len(r.queue) > 0 && r.queue[0].n <= r.free {
		r.free -= r.queue[0].n
		close(r.queue[0].got)
		r.queue = r.queue[1:]
	}
}
