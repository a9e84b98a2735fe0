package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// lister is what finding containers needs of the engine, and inspector what looking into them does.
type lister interface {
	ContainerList(ctx context.Context, o client.ContainerListOptions) (client.ContainerListResult, error)
}

type inspector interface {
	lister
	ContainerInspect(ctx context.Context, id string, o client.ContainerInspectOptions) (client.ContainerInspectResult, error)
}

// inspections is how many containers are inspected at a time.
const inspections = 4

// find lists a project's containers by service, in whatever state, by number; those of compose run and of hooks are none. Of
// services it lists only these; of all where none is named.
func find(ctx context.Context, e lister, project string, services ...string) (map[string][]container.Summary, error) {
	f := client.Filters{}.Add("label", api.ProjectLabel+"="+project, api.OneoffLabel+"=False", api.ConfigHashLabel)
	if len(services) == 1 { // the engine knows no "or" for labels
		f = f.Add("label", api.ServiceLabel+"="+services[0])
	}
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %q: %w", project, err)
	}
	out := map[string][]container.Summary{}
	for _, c := range list.Items {
		service := c.Labels[api.ServiceLabel]
		if len(services) == 0 || slices.Contains(services, service) {
			out[service] = append(out[service], c)
		}
	}
	for _, group := range out {
		slices.SortFunc(group, func(a, b container.Summary) int {
			return cmp.Or(numberOf(a.Labels)-numberOf(b.Labels), cmp.Compare(a.Created, b.Created))
		})
	}
	return out, nil
}

// numberOf is the replica's number, from 1; 0 where it has none.
func numberOf(labels map[string]string) int {
	n, _ := strconv.Atoi(labels[api.ContainerNumberLabel])
	return n
}

// replica is one of a service's containers, looked into.
type replica struct{ container.InspectResponse }

func (c replica) name() string { return strings.TrimPrefix(c.Name, "/") }
func (c replica) number() int  { return numberOf(c.Config.Labels) }

// runs says that it serves, or is about to; a paused one does not.
func (c replica) runs() bool { return c.State.Status == container.StateRunning }

func (c replica) unhealthy() bool {
	return c.State.Health != nil && c.State.Health.Status == container.Unhealthy
}

// inspect is find, with all that the engine knows of each container.
func inspect(ctx context.Context, e inspector, project string, services ...string) (map[string][]replica, error) {
	listed, err := find(ctx, e, project, services...)
	if err != nil {
		return nil, err
	}
	out := map[string][]replica{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspections)
	for service, group := range listed {
		replicas := make([]replica, len(group))
		out[service] = replicas
		for i, c := range group {
			g.Go(func() error {
				found, err := e.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
				if err != nil && !cerrdefs.IsNotFound(err) {
					return fmt.Errorf("inspecting a container of %q: %w", service, err)
				}
				replicas[i] = replica{found.Container} // the zero value where it went meanwhile
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for service := range out {
		out[service] = slices.DeleteFunc(out[service], func(c replica) bool { return c.ID == "" })
	}
	return out, nil
}
