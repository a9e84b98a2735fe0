package deploy

import (
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// largestContent is what a Swarm takes of a config, and more than it takes of a secret.
const largestContent = 1000 * 1024

// Contents reads what the project's secrets and configs hold, by their keys: files, variables, or text of the Compose
// file. External ones have none here.
func Contents(project *types.Project) (secrets, configs map[string][]byte, err error) {
	secrets, configs = map[string][]byte{}, map[string][]byte{}
	for _, key := range slices.Sorted(maps.Keys(project.Secrets)) {
		s := project.Secrets[key]
		if bool(s.External) || s.Driver != "" {
			continue
		}
		if secrets[key], err = contentOf(project, "secret", key, types.FileObjectConfig(s)); err != nil {
			return nil, nil, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(project.Configs)) {
		c := project.Configs[key]
		if bool(c.External) {
			continue
		}
		if configs[key], err = contentOf(project, "config", key, types.FileObjectConfig(c)); err != nil {
			return nil, nil, err
		}
	}
	return secrets, configs, nil
}

func contentOf(project *types.Project, kind, key string, o types.FileObjectConfig) ([]byte, error) {
	switch {
	case o.File != "":
		data, err := regular.Read(o.File, largestContent)
		if err != nil {
			return nil, fault.New(fault.Config,
				"go tool mage setup, where the Compose file says how it is made; or make it",
				"reading %s %q: %w", kind, key, err)
		}
		return data, nil
	case o.Environment != "":
		value, set := project.Environment[o.Environment]
		if !set {
			return nil, fault.New(fault.Config, "export "+fault.Quote(o.Environment)+"=…",
				"%s %q: the variable %s is not set", kind, key, o.Environment)
		}
		return []byte(value), nil
	}
	return []byte(o.Content), nil
}
