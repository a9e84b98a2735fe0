package image

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/trace"
)

// outcome is what became of an image that others may need, once done is closed.
type outcome struct {
	once sync.Once
	done chan struct{}
	err  error
}

func outcomes(targets []buildplan.Target) map[string]*outcome {
	out := map[string]*outcome{}
	for _, t := range targets {
		out[t.Service] = &outcome{done: make(chan struct{})}
	}
	return out
}

// set says, once, that the builder has made the image (nil), or why not.
func (o *outcome) set(err error) {
	o.once.Do(func() {
		o.err = err
		close(o.done)
	})
}

// waitForNeeds returns when what the target needs has been made, with an error where that failed.
func (r *run) waitForNeeds(ctx context.Context, t buildplan.Target) error {
	if len(t.Needs) > 0 {
		r.order.setChanged(t.Service, false) // what is needed may wait for the others to be decided
	}
	for _, name := range slices.Sorted(maps.Keys(t.Needs)) {
		service, began := t.Needs[name].Service, time.Now()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.outcomes[service].done:
			trace.Of(ctx).Waited(t.Service, service, began)
		}
		if r.outcomes[service].err != nil {
			return fault.New(fault.Failed, "go tool mage build "+fault.Quote(service),
				"building %q: not begun, since its additional context %q is the image of %q, which failed", t.Service,
				name, service)
		}
	}
	return nil
}

// placeWithNeeds moves each image to the builder of an image that it needs, since that builder has the steps of the
// needed image.
func placeWithNeeds(targets []buildplan.Target, members map[string]*member) {
	var place func(t buildplan.Target) *member
	place = func(t buildplan.Target) *member {
		if names := slices.Sorted(maps.Keys(t.Needs)); len(names) > 0 {
			members[t.Key] = place(t.Needs[names[0]])
		}
		return members[t.Key]
	}
	for _, t := range targets {
		place(t)
	}
}
