package image

import (
	"context"
	"sync"
)

// order lets the images whose inputs changed go first: the others most likely only have to be confirmed, which fits into the
// time of the changed ones' steps instead of delaying them.
type order struct {
	mu      sync.Mutex
	open    int             // images not decided yet
	changed map[string]bool // those that have neither begun a step nor ended
	decided map[string]bool
	clear   chan struct{} // closed when nothing is open and nothing changed is waited for
}

func newOrder(images int) *order {
	return &order{open: images, changed: map[string]bool{}, decided: map[string]bool{}, clear: make(chan struct{})}
}

// decide says of an image, once, whether its inputs changed.
func (o *order) decide(service string, changed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.decided[service] {
		return
	}
	o.decided[service] = true
	o.open--
	if changed {
		o.changed[service] = true
	}
	o.check()
}

// underway says that a step of an image runs, or that it ended.
func (o *order) underway(service string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.changed, service)
	o.check()
}

func (o *order) check() {
	if o.open > 0 || len(o.changed) > 0 {
		return
	}
	select {
	case <-o.clear:
	default:
		close(o.clear)
	}
}

// wait returns when every changed image is underway, or ctx ends.
func (o *order) wait(ctx context.Context) {
	select {
	case <-o.clear:
	case <-ctx.Done():
	}
}

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
