package drill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// label is on all that a drill makes: its value is the project whose backup is tried.
const label = "com.25eloquence.drill"

// refuseOthers is an error where somebody has containers of the project's name that no drill has made.
func (d *drill) refuseOthers(ctx context.Context) error {
	found, err := d.Engine.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", container.ProjectLabel+"="+d.name),
	})
	if err != nil {
		return fmt.Errorf("looking for containers of %q: %w", d.name, err)
	}
	for _, c := range found.Items {
		return fault.New(fault.Config, "docker compose -p "+fault.Quote(d.name)+" down, if nobody needs it",
			"a drill starts the project as %q, and somebody has a project of that name: container %s", d.name,
			strings.TrimPrefix(c.Names[0], "/"))
	}
	return nil
}

// sweep removes what drills of a project have made: containers, networks and volumes, by their label alone.
func sweep(ctx context.Context, e *engine.Engine, project string) error {
	mine := make(client.Filters).Add("label", label+"="+project)
	containers, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: mine})
	if err != nil {
		return fmt.Errorf("looking for what a drill has made: %w", err)
	}
	var all []error
	failed := func(what, name string, err error) {
		if err != nil && !cerrdefs.IsNotFound(err) {
			all = append(all, fmt.Errorf("removing the drill's %s %q: %w", what, name, err))
		}
	}
	var group sync.WaitGroup
	ended := make([]error, len(containers.Items))
	for i, c := range containers.Items {
		group.Go(func() {
			_, ended[i] = e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		})
	}
	group.Wait()
	for i, c := range containers.Items {
		failed("container", strings.Join(c.Names, " "), ended[i])
	}
	networks, err := e.NetworkList(ctx, client.NetworkListOptions{Filters: mine})
	all = append(all, err)
	for _, n := range networks.Items {
		_, err := e.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		failed("network", n.Name, err)
	}
	volumes, err := e.VolumeList(ctx, client.VolumeListOptions{Filters: mine})
	all = append(all, err)
	for _, v := range volumes.Items {
		_, err := e.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{})
		failed("volume", v.Name, err)
	}
	return errors.Join(all...)
}
