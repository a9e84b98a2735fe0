package image

import (
	"context"
	"sync"
)

// quick is the solves of a run that read no registry's cache, since nothing changed. If the builder lacks a result all the same,
// they end together before any of them starts again: BuildKit joins equal steps of solves that run at a time, and a step that
// goes on for another image is not looked for in the registry.
type quick struct {
	mu      sync.Mutex
	over    context.Context // cancelled where a result is lacking
	end     context.CancelCauseFunc
	running sync.WaitGroup
}

func newQuick() *quick {
	q := &quick{}
	q.over, q.end = context.WithCancelCause(context.Background())
	return q
}

// begin lets a solve take part, unless it is over; the caller calls done after it.
func (q *quick) begin() (done func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over.Err() != nil {
		return nil, false
	}
	q.running.Add(1)
	return q.running.Done, true
}

// lacking ends them all.
func (q *quick) lacking() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end(errRan)
}
