package preflight

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// buildSources names the sources of a build, beside its context and Dockerfile, that are not there: additional
// contexts, secrets and others.
func buildSources(project *types.Project, s types.ServiceConfig) []finding.Finding {
	if s.Build == nil {
		return nil
	}
	var out []finding.Finding
	fail := func(id, remedy, format string, args ...any) {
		out = append(out, finding.Fail(fault.Config, id, remedy, format, args...).Of(s.Name))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Build.AdditionalContexts)) {
		dir := s.Build.AdditionalContexts[name]
		if strings.Contains(dir, "://") || strings.HasPrefix(dir, types.ServicePrefix) ||
			strings.HasPrefix(dir, "git@") {
			continue
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(project.WorkingDir, dir)
		}
		if info, err := os.Stat(dir); err != nil {
			fail("build.context", "a directory, an image or a service for "+fault.Quote(name),
				"additional context %q: %v", name, err)
		} else if !info.IsDir() {
			fail("build.context", "a directory, an image or a service for "+fault.Quote(name),
				"additional context %q: %q is not a directory", name, dir)
		}
	}
	for _, use := range s.Build.Secrets {
		secret := project.Secrets[use.Source]
		switch {
		case secret.File != "":
			if why := unreadable(secret.File); why != "" {
				given := source{kind: "secret", name: use.Source, FileObjectConfig: types.FileObjectConfig(secret)}
				fail("build.secret", given.remedy(why), "build secret %q: %s", use.Source, why)
			}
		case secret.Environment != "":
			if _, set := project.Environment[secret.Environment]; !set {
				fail("build.secret", fault.Quote(secret.Environment)+"=… go tool mage build "+fault.Quote(s.Name),
					"build secret %q: variable %s is not set", use.Source, secret.Environment)
			}
		}
	}
	for _, key := range s.Build.SSH {
		switch agent := os.Getenv("SSH_AUTH_SOCK"); {
		case key.Path != "":
			if _, err := os.Stat(key.Path); err != nil {
				fail("build.ssh", "the key or agent that is meant", "SSH key %q: %v", key.ID, err)
			}
		case agent == "":
			fail("build.ssh", "eval $(ssh-agent) && ssh-add", "it needs an SSH agent, and SSH_AUTH_SOCK is not set")
		}
	}
	return out
}
