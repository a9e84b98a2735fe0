package lifecycle

import (
	"context"
	"slices"
	"sync"
)

// room is a counting semaphore that serves the waiter of the highest rank first, and of two equal ones the first that came.
// Nobody is served past the first in line, so that a large one is not kept waiting by small ones.
type room struct {
	mu    sync.Mutex
	free  int64
	queue []*claim // highest rank first
}

// claim is one waiter's.
type claim struct {
	n    int64
	rank int
	got  chan struct{} // closed when it is served
}

func newRoom(size int64) *room { return &room{free: size} }

// take waits until there is room for n (never more than the size) and takes it; give returns it.
func (r *room) take(ctx context.Context, n int64, rank int) error {
	if n == 0 {
		return ctx.Err()
	}
	c := &claim{n: n, rank: rank, got: make(chan struct{})}
	r.mu.Lock()
	at := slices.IndexFunc(r.queue, func(other *claim) bool { return other.rank < rank })
	if at < 0 {
		at = len(r.queue)
	}
	r.queue = slices.Insert(r.queue, at, c)
	r.serve()
	r.mu.Unlock()
	select {
	case <-c.got:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.queue, c); i >= 0 {
		r.queue = slices.Delete(r.queue, i, i+1)
	} else {
		r.free += n // served in the same moment
	}
	r.serve()
	return ctx.Err()
}

// crowded says whether somebody waits.
func (r *room) crowded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) > 0
}

func (r *room) give(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free += n
	r.serve()
}

// serve gives room to the first in line as long as there is some; the caller holds the lock.
func (r *room) serve() {
	for len(r.queue) > 0 && r.queue[0].n <= r.free {
		r.free -= r.queue[0].n
		close(r.queue[0].got)
		r.queue = r.queue[1:]
	}
}
