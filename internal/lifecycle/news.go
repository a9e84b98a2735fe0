package lifecycle

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// news tells those who wait for a container that something has happened to it: it died, was killed for its memory, started again,
// or Docker's own check has passed or failed for good. What has happened they see by themselves; who hears nothing asks now and then.
type news struct {
	mu      sync.Mutex
	waiters map[string]chan struct{}
}

// eventer is what listening needs of the engine.
type eventer interface {
	Events(ctx context.Context, o client.EventsListOptions) client.EventsResult
}

func newNews() *news { return &news{waiters: map[string]chan struct{}{}} }

// of gives the channel that hears of one container.
func (n *news) of(id string) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiters[id] == nil {
		n.waiters[id] = make(chan struct{}, 1)
	}
	return n.waiters[id]
}

// follow listens to the engine until ctx ends; a stream that breaks, as when the engine restarts, is opened again.
func (n *news) follow(ctx context.Context, e eventer, project string) {
	for ctx.Err() == nil {
		stream := e.Events(ctx, client.EventsListOptions{
			Filters: client.Filters{}.Add("type", string(events.ContainerEventType)).Add("label", api.ProjectLabel+"="+project),
		})
		n.listen(stream)
		_ = sleep(ctx, 500*time.Millisecond)
	}
}

func (n *news) listen(stream client.EventsResult) {
	for {
		select {
		case m := <-stream.Messages:
			if strings.HasPrefix(string(m.Action), "exec_") {
				continue // our own probes
			}
			n.mu.Lock()
			waiter := n.waiters[m.Actor.ID]
			n.mu.Unlock()
			select {
			case waiter <- struct{}{}:
			default: // nobody waits for it, or is told already
			}
		case err := <-stream.Err:
			_ = err // whatever it is, the stream is opened again
			return
		}
	}
}
