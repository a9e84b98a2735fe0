package image

import (
	"context"
	"sync"
)

// changedFirst lets the images whose inputs changed go first: the others most likely only have to be confirmed, which
// fits into the time of the changed ones' steps instead of delaying them.
type changedFirst struct {
	mu      sync.Mutex
	open    int             // images not decided yet
	changed map[string]bool // those that have neither begun a step nor ended
	decided map[string]bool
	clear   chan struct{} // closed when nothing is open and nothing changed is waited for
}

func newChangedFirst(images int) *changedFirst {
	return &changedFirst{
		open: images, changed: map[string]bool{}, decided: map[string]bool{},
		clear: make(chan struct{}),
	}
}

// setChanged says of an image, once, whether its inputs changed.
func (o *changedFirst) setChanged(service string, changed bool) {
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
	o.closeIfClear()
}

// setStarted says that a step of an image runs, or that the image's build ended.
func (o *changedFirst) setStarted(service string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.changed, service)
	o.closeIfClear()
}

func (o *changedFirst) closeIfClear() {
	if o.open > 0 || len(o.changed) > 0 {
		return
	}
	select {
	case <-o.clear:
	default:
		close(o.clear)
	}
}

// wait returns when a step of every changed image runs, or ctx ends.
func (o *changedFirst) wait(ctx context.Context) {
	select {
	case <-o.clear:
	case <-ctx.Done():
	}
}
