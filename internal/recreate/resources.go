package recreate

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// ours finds what is the project's.
func (c Comparison) ours() client.Filters {
	return client.Filters{}.Add("label", container.ProjectLabel+"="+c.Project.Name)
}

// divergedNetworks gives the keys of the networks that Compose will make anew, as their settings or name changed.
func (c Comparison) divergedNetworks(ctx context.Context) (map[string]bool, error) {
	if len(c.Project.Networks) == 0 {
		return map[string]bool{}, nil
	}
	list, err := c.Engine.NetworkList(ctx, client.NetworkListOptions{Filters: c.ours()})
	if err != nil {
		return nil, fmt.Errorf("listing the networks of %q: %w", c.Project.Name, err)
	}
	return diverged(c.Project, list.Items)
}

// diverged is divergedNetworks for the project's networks that the engine has.
func diverged(project *types.Project, has []network.Summary) (map[string]bool, error) {
	out := map[string]bool{}
	for key, desired := range project.Networks {
		same := slices.DeleteFunc(
			slices.Clone(has),
			func(n network.Summary) bool { return n.Labels[container.NetworkLabel] != key },
		)
		if desired.External || len(same) == 0 {
			continue
		}
		// Of several, Compose takes the one of the right name.
		is := same[0]
		if i := slices.IndexFunc(same, func(n network.Summary) bool { return n.Name == desired.Name }); i >= 0 {
			is = same[i]
		}
		hash, err := compose.NetworkHash(&desired)
		if err != nil {
			return nil, fmt.Errorf("hashing the configuration of network %q: %w", key, err)
		}
		if was := is.Labels[container.ConfigHashLabel]; was != "" && was != hash {
			out[key] = true
		}
	}
	return out, nil
}

// KeptVolumes has a sentence for each volume that was made with other settings than the Compose file's. docker
// compose asks whether it shall be made anew, losing what is in it; here it never is.
func (c Comparison) KeptVolumes(ctx context.Context) ([]string, error) {
	if len(c.Project.Volumes) == 0 {
		return nil, nil
	}
	list, err := c.Engine.VolumeList(ctx, client.VolumeListOptions{Filters: c.ours()})
	if err != nil {
		return nil, fmt.Errorf("listing the volumes of %q: %w", c.Project.Name, err)
	}
	return kept(c.Project, list.Items)
}

// kept is KeptVolumes for the project's volumes that the engine has.
func kept(project *types.Project, has []volume.Volume) ([]string, error) {
	var out []string
	for _, key := range project.VolumeNames() {
		desired := project.Volumes[key]
		hash, err := compose.VolumeHash(desired)
		if err != nil {
			return nil, fmt.Errorf("hashing the configuration of volume %q: %w", key, err)
		}
		for _, v := range has {
			was := v.Labels[container.ConfigHashLabel]
			if v.Name != desired.Name || v.Labels[container.VolumeLabel] != key || bool(desired.External) ||
				was == "" ||
				was == hash {
				continue
			}
			out = append(
				out,
				fmt.Sprintf("the volume %s has other settings than the Compose file's: it stays as it is, "+
					"with its data; without its containers, docker volume rm %s removes it and its data, "+
					"and the next start makes it anew", v.Name, v.Name),
			)
		}
	}
	return out, nil
}

// NetworksAreFree is an error where one of the networks that are made anew has a container in it that is none of
// the services that are started. starts are those. The engine does not remove such a network, and Compose has
// stopped the others by then.
func (c Comparison) NetworksAreFree(
	ctx context.Context, networks map[string]bool, starts *types.Project, found map[string][]container.Replica,
) error {
	for _, key := range slices.Sorted(maps.Keys(networks)) {
		name := starts.Networks[key].Name
		if name == "" {
			continue // none of theirs
		}
		inspected, err := c.Engine.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
		if cerrdefs.IsNotFound(err) {
			continue // it gets another name, and the old one may stay
		}
		if err != nil {
			return fmt.Errorf("inspecting the network %q: %w", name, err)
		}
		if err := occupied(inspected.Network, starts, found); err != nil {
			return err
		}
	}
	return nil
}

// occupied is an error where a container is in the network that is none of the services that are started.
func occupied(n network.Inspect, starts *types.Project, found map[string][]container.Replica) error {
	service := map[string]string{}
	for name, replicas := range found {
		for _, r := range replicas {
			service[r.ID] = name
		}
	}
	for _, id := range slices.Sorted(maps.Keys(n.Containers)) {
		name, known := service[id]
		if _, mine := starts.Services[name]; known && mine {
			continue
		}
		endpoint := n.Containers[id]
		next := fmt.Sprintf("docker network disconnect %s %s", fault.Quote(n.Name), fault.Quote(endpoint.Name))
		if starts.AllServices()[name].Name != "" {
			next = "go tool mage start " + fault.Quote(append(starts.ServiceNames(), name)...)
		}
		return fault.New(
			fault.Config,
			next,
			"the settings of the network %s changed, and it can't be made anew while %s, "+
				"which is not to be started here, is in it; nothing was touched",
			n.Name,
			endpoint.Name,
		)
	}
	return nil
}
