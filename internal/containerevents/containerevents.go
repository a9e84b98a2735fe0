// Package containerevents owns what the engine tells of a project's containers while they start: that one of them
// has had an event. It does not say which, as who waits looks at the container.
package containerevents

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// Feed tells those who wait for a container that something has happened to that container: its program died, was
// killed for its memory or started again, or Docker's own health check passed or failed for good. Who hears nothing
// asks the engine now and then.
type Feed struct {
	mu      sync.Mutex
	waiters map[string]chan struct{} // by container ID
}

// API is what a feed asks of the engine.
type API interface {
	Events(ctx context.Context, o client.EventsListOptions) client.EventsResult
}

// New gives a feed that hears nothing yet.
func New() *Feed { return &Feed{waiters: map[string]chan struct{}{}} }

// Of gives the channel that hears of one container.
func (f *Feed) Of(id string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiters[id] == nil {
		f.waiters[id] = make(chan struct{}, 1)
	}
	return f.waiters[id]
}

// reopen is how long after a stream of events broke, as when the engine restarts, the next one is opened.
const reopen = 500 * time.Millisecond

// Follow listens to the engine until ctx ends; a stream that breaks is opened again.
func (f *Feed) Follow(ctx context.Context, e API, project string) {
	for ctx.Err() == nil {
		f.listen(e.Events(ctx, client.EventsListOptions{
			Filters: client.Filters{}.Add("type", string(events.ContainerEventType)).
				Add("label", container.ProjectLabel+"="+project),
		}))
		_ = wait.For(ctx, reopen)
	}
}

// listen passes on the events of one stream until the stream ends.
func (f *Feed) listen(stream client.EventsResult) {
	for {
		select {
		case m := <-stream.Messages:
			f.tell(m)
		case err := <-stream.Err:
			_ = err // whatever the error is, the stream is opened again
			return
		}
	}
}

// tell passes on an event, but for those of commands that are run in the container: these are our own probes.
func (f *Feed) tell(m events.Message) {
	if strings.HasPrefix(string(m.Action), "exec_") {
		return
	}
	f.mu.Lock()
	waiter := f.waiters[m.Actor.ID]
	f.mu.Unlock()
	select {
	case waiter <- struct{}{}:
	default: // nobody waits for the container, or has been told already
	}
}
