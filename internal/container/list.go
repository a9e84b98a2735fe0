// Package container owns what is true of a project's containers: their labels, how they are listed, which are jobs
// that are done, how each ended, and the one rule for whether a service is as it should be. The package starts and
// stops none.
package container

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// Lister is what listing containers needs of the engine.
type Lister interface {
	ContainerList(ctx context.Context, o client.ContainerListOptions) (client.ContainerListResult, error)
}

// Inspector is what looking into containers needs of the engine.
type Inspector interface {
	Lister
	ContainerInspect(ctx context.Context, id string, o client.ContainerInspectOptions) (client.ContainerInspectResult,
		error)
}

// inspections is how many containers are inspected at a time.
const inspections = 4

// All gives all containers of a project, in whatever state, including those of services that its files no longer
// have, of compose run and of hooks.
func All(ctx context.Context, e Lister, project string) ([]moby.Summary, error) {
	return list(ctx, e, project, client.Filters{}.Add("label", ProjectLabel+"="+project))
}

func list(ctx context.Context, e Lister, project string, f client.Filters) ([]moby.Summary, error) {
	list, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: f})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %q: %w", project, err)
	}
	return list.Items, nil
}

// List gives a project's containers by service, in whatever state, ordered by number, without those of compose run
// and of hooks. Where services are named, only theirs are given.
func List(ctx context.Context, e Lister, project string, services ...string) (map[string][]moby.Summary, error) {
	f := client.Filters{}.Add("label", ProjectLabel+"="+project, OneOffLabel+"=False", ConfigHashLabel)
	if len(services) == 1 { // the engine knows no "or" for labels
		f = f.Add("label", ServiceLabel+"="+services[0])
	}
	all, err := list(ctx, e, project, f)
	if err != nil {
		return nil, err
	}
	return group(all, services), nil
}

// ByService gives the containers among all, as All gave them, that List would give.
func ByService(all []moby.Summary) map[string][]moby.Summary {
	return group(slices.DeleteFunc(slices.Clone(all), func(c moby.Summary) bool {
		_, hashed := c.Labels[ConfigHashLabel]
		return !hashed || c.Labels[OneOffLabel] != "False"
	}), nil)
}

func group(all []moby.Summary, services []string) map[string][]moby.Summary {
	out := map[string][]moby.Summary{}
	for _, c := range all {
		service := c.Labels[ServiceLabel]
		if len(services) == 0 || slices.Contains(services, service) {
			out[service] = append(out[service], c)
		}
	}
	for _, replicas := range out {
		slices.SortFunc(replicas, func(a, b moby.Summary) int {
			return cmp.Or(Number(a.Labels)-Number(b.Labels), cmp.Compare(a.Created, b.Created))
		})
	}
	return out
}

// Number is the replica's number, from 1; 0 where the container has none.
func Number(labels map[string]string) int {
	n, _ := strconv.Atoi(labels[NumberLabel])
	return n
}

// Inspect is List, with all that the engine knows of each container.
func Inspect(ctx context.Context, e Inspector, project string, services ...string) (map[string][]Replica, error) {
	listed, err := List(ctx, e, project, services...)
	if err != nil {
		return nil, err
	}
	out := map[string][]Replica{}
	byStop := EndedByStop(project)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspections)
	for service, group := range listed {
		replicas := make([]Replica, len(group))
		out[service] = replicas
		for i, c := range group {
			g.Go(func() error {
				found, err := e.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
				if err != nil && !cerrdefs.IsNotFound(err) {
					return fmt.Errorf("inspecting a container of %q: %w", service, err)
				}
				// The zero value where it went meanwhile.
				replicas[i] = Replica{InspectResponse: found.Container, Stopped: byStop(found.Container)}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for service := range out {
		out[service] = slices.DeleteFunc(out[service], func(c Replica) bool { return c.ID == "" })
	}
	return out, nil
}
