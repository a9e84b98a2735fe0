package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// mounted gives the services that mount each of the project's volumes, by its key.
func mounted(project *types.Project) map[string][]string {
	out := map[string][]string{}
	for _, name := range project.ServiceNames() {
		for _, v := range project.Services[name].Volumes {
			if v.Type == types.VolumeTypeVolume && v.Source != "" && !slices.Contains(out[v.Source], name) {
				out[v.Source] = append(out[v.Source], name)
			}
		}
	}
	return out
}

// externalVolumes names the external volumes that are not there.
func externalVolumes(ctx context.Context, in Input) ([]finding.Finding, error) {
	users := mounted(in.Project)
	var out []finding.Finding
	for _, key := range slices.Sorted(maps.Keys(users)) {
		v, declared := in.Project.Volumes[key]
		if !declared || !bool(v.External) {
			continue
		}
		switch _, err := in.API.VolumeInspect(ctx, v.Name, client.VolumeInspectOptions{}); {
		case cerrdefs.IsNotFound(err):
			out = append(out,
				finding.Fail(fault.Config, "volume.external", "docker volume create "+fault.Quote(v.Name),
					"external volume %q is not there", v.Name).Of(users[key]...))
		case err != nil:
			return nil, fmt.Errorf("looking for volume %q: %w", v.Name, err)
		}
	}
	return out, nil
}

// ownVolumes names the volumes whose driver the engine does not have. Plugins of the old kind are in no list until
// somebody uses them.
func ownVolumes(ctx context.Context, in Input) ([]finding.Finding, error) {
	users := mounted(in.Project)
	var out []finding.Finding
	var plugins []string
	for _, key := range slices.Sorted(maps.Keys(users)) {
		v, declared := in.Project.Volumes[key]
		if !declared || bool(v.External) || v.Driver == "" || v.Driver == "local" {
			continue
		}
		if plugins == nil {
			list, err := in.API.PluginList(ctx, client.PluginListOptions{})
			if err != nil {
				return nil, fmt.Errorf("listing plugins: %w", err)
			}
			plugins = slices.Clone(in.Info.Plugins.Volume)
			for _, p := range list.Items {
				if p.Enabled {
					plugins = append(plugins, p.Name, strings.TrimSuffix(p.Name, ":latest"))
				}
			}
		}
		if !slices.Contains(plugins, v.Driver) {
			out = append(out,
				finding.Fail(fault.Config, "volume.driver", "docker plugin install "+fault.Quote(v.Driver),
					"volume %q: the engine has no driver %q", key, v.Driver).Of(users[key]...))
		}
	}
	return out, nil
}
