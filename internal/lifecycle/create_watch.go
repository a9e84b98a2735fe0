package lifecycle

import (
	"context"
	"sync"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
)

// watched is the engine for a creation: by the library's own calls it tells when a container is as it should be. A
// new one is when the library has attached it to all its networks and looks at it; one that replaces another is
// when it has got the other's name.
type watched struct {
	client.APIClient
	creation *creation

	mu     *sync.Mutex
	making map[string]making // by container ID
}

func newWatched(e client.APIClient, c *creation) watched {
	return watched{APIClient: e, creation: c, mu: &sync.Mutex{}, making: map[string]making{}}
}

// making is a container that is not yet as it should be.
type making struct {
	service  string
	replaces bool
}

// ContainerCreate makes the container.
func (w watched) ContainerCreate(
	ctx context.Context,
	o client.ContainerCreateOptions,
) (client.ContainerCreateResult, error) {
	made, err := w.APIClient.ContainerCreate(ctx, o)
	if err == nil && o.Config.Labels[container.HookLabel] == "" {
		w.mu.Lock()
		w.making[made.ID] = making{
			o.Config.Labels[container.ServiceLabel], o.Config.Labels[container.ReplaceLabel] != "",
		}
		w.mu.Unlock()
	}
	return made, err
}

// ContainerInspect looks at the container.
func (w watched) ContainerInspect(
	ctx context.Context, id string, o client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	found, err := w.APIClient.ContainerInspect(ctx, id, o)
	if err == nil {
		w.made(id, false)
	}
	return found, err
}

// ContainerRename gives the container its name.
func (w watched) ContainerRename(
	ctx context.Context, id string, o client.ContainerRenameOptions,
) (client.ContainerRenameResult, error) {
	done, err := w.APIClient.ContainerRename(ctx, id, o)
	if err == nil {
		w.made(id, true)
	}
	return done, err
}

// made counts the container once, where it is one that was made as said.
func (w watched) made(id string, replaces bool) {
	w.mu.Lock()
	c, known := w.making[id]
	known = known && c.replaces == replaces
	if known {
		delete(w.making, id)
	}
	w.mu.Unlock()
	if known {
		w.creation.makes(c.service)
	}
}
