package lifecycle

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// removeDuplicateNetworks removes those of the project's networks that have the name of another and no container,
// and says whether there were any. Older engines make a second network when the same one is asked for twice at a
// time, as by a run that was killed and the next one, and then start nothing in either.
func removeDuplicateNetworks(ctx context.Context, e *engine.Engine, project string) (bool, error) {
	list, err := e.NetworkList(
		ctx,
		client.NetworkListOptions{Filters: client.Filters{}.Add("label", container.ProjectLabel+"="+project)},
	)
	if err != nil {
		return false, fmt.Errorf("listing the networks of %q: %w", project, err)
	}
	byName := map[string][]network.Summary{}
	for _, n := range list.Items {
		byName[n.Name] = append(byName[n.Name], n)
	}
	removed := false
	for name, same := range byName {
		remaining := len(same)
		for _, n := range same {
			if remaining == 1 {
				break
			}
			found, err := e.NetworkInspect(ctx, n.ID, client.NetworkInspectOptions{})
			if err != nil || len(found.Network.Containers) > 0 {
				continue // it went meanwhile, or it is the one in use
			}
			if _, err := e.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil {
				return removed, fmt.Errorf("removing one of two networks %q: %w", name, err)
			}
			removed = true
			remaining--
		}
	}
	return removed, nil
}
