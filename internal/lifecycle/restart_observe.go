package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"

	"github.com/25eloquence/compose-mage/internal/container"
)

// changes says of each service that is not as its file and its image say, why.
func (r *restarter) changes(ctx context.Context, found map[string][]container.Replica) (map[string]change, error) {
	out := map[string]change{}
	for _, name := range r.project.ServiceNames() {
		s := r.project.Services[name]
		if s.Provider != nil {
			continue
		}
		image, err := r.engine.ImageInspect(ctx, api.GetImageNameOrDefault(s, r.project.Name))
		if err != nil && !cerrdefs.IsNotFound(err) {
			return nil, fmt.Errorf("looking for the image of %q: %w", name, err)
		}
		hash, err := compose.ServiceHash(r.withGiven(resolved(s, found), found[name]))
		if err != nil {
			return nil, fmt.Errorf("hashing the configuration of %q: %w", name, err)
		}
		c := changeOf(s, found[name], image.ID, hash, r.engine.Now())
		if !c.recreate && sharesFiles(r.engine) && slices.ContainsFunc(found[name], func(c container.Replica) bool {
			return outdated(r.project, name, c.Mounts, c.Runs())
		}) {
			c = change{why: "it mounts " + outdatedFile, recreate: true}
		}
		if c.why != "" {
			out[name] = c
		}
	}
	return out, nil
}

// changeOf compares a service's containers with its image (an ID; "" where there is none yet) and configuration, and judges them;
// now is the time by the engine's clock.
func changeOf(s types.ServiceConfig, replicas []container.Replica, image, hash string, now time.Time) change {
	for _, c := range replicas {
		switch {
		case c.Image != image:
			return change{why: "its image changed", recreate: true}
		case c.Config.Labels[api.ConfigHashLabel] != hash:
			return change{why: "its configuration changed", recreate: true}
		}
	}
	v := container.Judge(s, replicas, now)
	switch v.Condition {
	case container.Paused, container.Unhealthy, container.Looping: // it runs, in a way
		return change{why: v.Says()}
	}
	if !v.Fine {
		return change{why: v.Says(), start: true}
	}
	return change{}
}

// resolved gives the service as Compose hashes it: what it shares with another service is a container's ID by then, that of the
// first by name.
func resolved(s types.ServiceConfig, found map[string][]container.Replica) types.ServiceConfig {
	first := func(service string) (string, bool) {
		if len(found[service]) == 0 {
			return "", false
		}
		return slices.MinFunc(found[service], func(a, b container.Replica) int { return strings.Compare(a.Name(), b.Name()) }).ID, true
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
