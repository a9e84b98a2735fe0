package lifecycle

import (
	"errors"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/container"
)

// providersOf names the services on which this one depends and that a provider gives, by name: what they say goes into its
// environment.
func providersOf(project *types.Project, s types.ServiceConfig) []string {
	var names []string
	for name := range s.DependsOn {
		if project.Services[name].Provider != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// onlyWithProviders gives the project with the named services, and the providers that what is made of them needs: Compose runs
// a provider before it makes a container that depends on it, and puts what it says into that one's environment.
func (r *restarter) onlyWithProviders(services ...string) (*types.Project, error) {
	names := slices.Clone(services)
	for _, name := range services {
		names = append(names, providersOf(r.project, r.project.Services[name])...)
	}
	slices.Sort(names)
	return r.only(slices.Compact(names)...)
}

// withGiven gives the service with the variables that its providers have put into its containers, as it was when Compose hashed
// it. What a provider sets under a name without its own prefix can't be told from what the file no longer has: such a service
// counts as changed, as it does in each docker compose up.
func withGiven(project *types.Project, s types.ServiceConfig, replicas []container.Replica) types.ServiceConfig {
	providers := providersOf(project, s)
	if len(providers) == 0 || len(replicas) == 0 {
		return s
	}
	s.Environment = maps.Clone(s.Environment)
	if s.Environment == nil {
		s.Environment = types.MappingWithEquals{}
	}
	for _, variable := range replicas[0].Config.Env {
		key, value, _ := strings.Cut(variable, "=")
		if slices.ContainsFunc(providers, func(name string) bool { return strings.HasPrefix(key, strings.ToUpper(name)+"_") }) {
			s.Environment[key] = &value
		}
	}
	return s
}

// providerError is the error of a provider that did not do its part.
type providerError struct {
	kind string
	err  error
}

func (e *providerError) Error() string { return "provider " + e.kind + ": " + e.err.Error() }
func (e *providerError) Unwrap() error { return e.err }

// lackingProviders are the services whose provider's program is not there, where that is the error.
func lackingProviders(project *types.Project, err error) map[string]error {
	var missing *exec.Error
	if !errors.As(err, &missing) {
		return nil
	}
	failed := map[string]error{}
	for name, s := range project.Services {
		if s.Provider != nil && s.Provider.Type == missing.Name {
			failed[name] = &providerError{s.Provider.Type, missing}
		}
	}
	return failed
}
