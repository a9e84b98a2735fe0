package composelib

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Only gives the project with the named services alone, and with what they use: Compose makes every network anew
// whose settings changed, and can't where others are in it.
func Only(project *types.Project, services ...string) (*types.Project, error) {
	picked, err := project.WithSelectedServices(services, types.IgnoreDependencies)
	if err != nil {
		return nil, err
	}
	return picked.WithoutUnnecessaryResources(), nil
}

// OnlyWithProviders gives the project with the named services, and the providers that their new containers need:
// Compose runs a provider before it makes a container that depends on it, and puts what the provider says into that
// container's environment.
func OnlyWithProviders(project *types.Project, services ...string) (*types.Project, error) {
	names := slices.Clone(services)
	for _, name := range services {
		names = append(names, ProvidersOf(project, project.Services[name])...)
	}
	slices.Sort(names)
	return Only(project, slices.Compact(names)...)
}

// ProvidersOf names the services on which this one depends and that a provider gives, by name: what they say goes
// into its environment.
func ProvidersOf(project *types.Project, s types.ServiceConfig) []string {
	var names []string
	for name := range s.DependsOn {
		if project.Services[name].Provider != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Shares says what of the other service's container this service's uses: network, ipc, pid or volumes; "" for nothing.
func Shares(s types.ServiceConfig, other string) string {
	for _, m := range []struct{ kind, mode string }{{"network", s.NetworkMode}, {"ipc", s.Ipc}, {"pid", s.Pid}} {
		if m.mode == types.ServicePrefix+other {
			return m.kind
		}
	}
	for _, from := range s.VolumesFrom {
		if name, _, _ := strings.Cut(from, ":"); name == other {
			return "volumes"
		}
	}
	return ""
}
