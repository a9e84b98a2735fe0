package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// replica is one of a service's containers.
type replica struct{ container.InspectResponse }

func (c replica) name() string { return strings.TrimPrefix(c.Name, "/") }

// number is the replica's, from 1.
func (c replica) number() int {
	n, _ := strconv.Atoi(c.Config.Labels[api.ContainerNumberLabel])
	return n
}

// runs says that it serves, or is about to; a paused one does not.
func (c replica) runs() bool { return c.State.Status == container.StateRunning }

func (c replica) unhealthy() bool {
	return c.State.Health != nil && c.State.Health.Status == container.Unhealthy
}

// observe gives the project's containers by service, by number; those of docker compose run do not count.
func (r *restarter) observe(ctx context.Context) (map[string][]replica, error) {
	list, err := r.engine.ContainerList(ctx, client.ContainerListOptions{
		All:     true,
		Filters: client.Filters{}.Add("label", api.ProjectLabel+"="+r.project.Name, api.OneoffLabel+"=False", api.ContainerNumberLabel),
	})
	if err != nil {
		return nil, fmt.Errorf("listing the containers of %q: %w", r.project.Name, err)
	}
	out := map[string][]replica{}
	for _, one := range list.Items {
		found, err := r.engine.ContainerInspect(ctx, one.ID, client.ContainerInspectOptions{})
		if cerrdefs.IsNotFound(err) {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("inspecting a container of %q: %w", r.project.Name, err)
		}
		service := one.Labels[api.ServiceLabel]
		out[service] = append(out[service], replica{found.Container})
	}
	for _, group := range out {
		slices.SortFunc(group, func(a, b replica) int { return cmp.Or(a.number()-b.number(), strings.Compare(a.Created, b.Created)) })
	}
	return out, nil
}

// changes says of each service that is not as its file and its image say, why.
func (r *restarter) changes(ctx context.Context, found map[string][]replica) (map[string]change, error) {
	out, jobs := map[string]change{}, MakePlan(r.project, 1).jobs()
	for _, name := range r.project.ServiceNames() {
		s := r.project.Services[name]
		if s.Provider != nil {
			continue
		}
		image, err := r.engine.ImageInspect(ctx, api.GetImageNameOrDefault(s, r.project.Name))
		if err != nil && !cerrdefs.IsNotFound(err) {
			return nil, fmt.Errorf("looking for the image of %q: %w", name, err)
		}
		hash, err := compose.ServiceHash(resolved(s, found))
		if err != nil {
			return nil, fmt.Errorf("hashing the configuration of %q: %w", name, err)
		}
		if c := changeOf(s, found[name], image.ID, hash, jobs[name]); c.why != "" {
			out[name] = c
		}
	}
	return out, nil
}

// changeOf compares a service's containers with its image (an ID; "" where there is none yet) and configuration. A one-shot
// service is done when it exited with 0.
func changeOf(s types.ServiceConfig, replicas []replica, image, hash string, oneShot bool) change {
	for _, c := range replicas {
		switch {
		case c.Image != image:
			return change{why: "its image changed", recreate: true}
		case c.Config.Labels[api.ConfigHashLabel] != hash:
			return change{why: "its configuration changed", recreate: true}
		}
	}
	for _, c := range replicas {
		switch {
		case oneShot && c.State.Status == container.StateExited && c.State.ExitCode == 0:
		case c.State.Status == container.StateExited || c.State.Status == container.StateDead:
			return change{why: fmt.Sprintf("%s does not run (exit %d)", c.name(), c.State.ExitCode), start: true}
		case c.State.Status == container.StatePaused:
			return change{why: c.name() + " is paused"}
		case !c.runs() && !c.State.Restarting:
			return change{why: c.name() + " does not run", start: true}
		case c.unhealthy():
			return change{why: c.name() + " is unhealthy"}
		}
	}
	if want := s.GetScale(); len(replicas) != want {
		return change{why: fmt.Sprintf("%d of %d containers are there", len(replicas), want), start: true}
	}
	return change{}
}

// resolved gives the service as Compose hashes it: what it shares with another service is a container's ID by then, that of the
// first by name.
func resolved(s types.ServiceConfig, found map[string][]replica) types.ServiceConfig {
	first := func(service string) (string, bool) {
		if len(found[service]) == 0 {
			return "", false
		}
		return slices.MinFunc(found[service], func(a, b replica) int { return strings.Compare(a.Name, b.Name) }).ID, true
	}
	for _, mode := range []*string{&s.NetworkMode, &s.Ipc, &s.Pid} {
		if other, ok := strings.CutPrefix(*mode, types.ServicePrefix); ok {
			if id, ok := first(other); ok {
				*mode = types.ContainerPrefix + id
			}
		}
	}
	s.VolumesFrom = slices.Clone(s.VolumesFrom)
	for i, from := range s.VolumesFrom {
		if id, ok := strings.CutPrefix(from, types.ContainerPrefix); ok {
			s.VolumesFrom[i], _, _ = strings.Cut(id, ":")
			continue
		}
		other, _, _ := strings.Cut(from, ":")
		if id, ok := first(other); ok {
			s.VolumesFrom[i] = id
		}
	}
	return s
}
