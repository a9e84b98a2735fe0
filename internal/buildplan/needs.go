package buildplan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// neededBy gives the services whose images are additional contexts ("service:name") of a build, by the context's name.
func neededBy(b *types.BuildConfig) map[string]string {
	needed := map[string]string{}
	if b == nil {
		return needed
	}
	for name, source := range b.AdditionalContexts {
		if other, ok := strings.CutPrefix(source, types.ServicePrefix); ok {
			needed[name] = other
		}
	}
	return needed
}

// withNeeded gives the project's services, by name, and then those that are not selected and whose images they need.
func withNeeded(project *types.Project) []types.ServiceConfig {
	var out []types.ServiceConfig
	for _, name := range project.ServiceNames() {
		out = append(out, project.Services[name])
	}
	for i := 0; i < len(out); i++ { // out grows
		for _, other := range slices.Sorted(maps.Values(neededBy(out[i].Build))) {
			service, ok := project.DisabledServices[other]
			if ok && service.Build != nil &&
				!slices.ContainsFunc(out, func(s types.ServiceConfig) bool { return s.Name == other }) {
				out = append(out, service)
			}
		}
	}
	return out
}

// attach gives each target what it needs.
func (p *Plan) attach() (problems []error) {
	finished := map[string]Target{}
	failed := map[string]bool{}
	var finish func(t Target, chain []string) (Target, error)
	finish = func(t Target, chain []string) (Target, error) {
		chain = append(slices.Clone(chain), t.Service)
		if slices.Index(chain, t.Service) < len(chain)-1 {
			return t,
				fmt.Errorf("building %q: the additional contexts need each other: %s", t.Service,
					strings.Join(chain, " → "))
		}
		if done, ok := finished[t.Service]; ok {
			return done, nil
		}
		needed := neededBy(&t.Build)
		t.Needs = map[string]Target{}
		for _, name := range slices.Sorted(maps.Keys(needed)) {
			i := slices.IndexFunc(p.Targets,
				func(other Target) bool { return slices.Contains(other.Services, needed[name]) })
			if i < 0 { // the loader has refused services that are not there, or not built
				return t,
					fmt.Errorf("building %q: additional context %q: service %q is not built", t.Service, name,
						needed[name])
			}
			other, err := finish(p.Targets[i], chain)
			if err != nil {
				return t, err
			}
			t.Needs[name] = other
		}
		finished[t.Service] = t
		return t, nil
	}
	for i, t := range p.Targets {
		done, err := finish(t, nil)
		if err != nil && !failed[err.Error()] {
			failed[err.Error()] = true
			problems = append(problems, err)
		}
		p.Targets[i] = done
	}
	return problems
}
