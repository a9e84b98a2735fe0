package lifecycle

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// stale names the services with a container that Compose would keep, as its configuration is unchanged, but that would not do: a
// file or directory of this machine that it mounts is gone, or a secret or config comes from another file now, as after the
// project was moved or checked out a second time. It is known only where engine and files are on one Linux machine: elsewhere the
// engine writes paths in its own way.
func (s *starter) stale() []string {
	if !sharesFiles(s.engine) {
		return nil
	}
	var names []string
	for _, name := range s.project.ServiceNames() {
		if slices.ContainsFunc(s.before[name], func(c moby.Summary) bool {
			return outdated(s.project, name, c.Mounts, c.State == moby.StateRunning)
		}) {
			s.out.Info("%s mounts %s: it is recreated", name, outdatedFile)
			names = append(names, name)
		}
	}
	return names
}

// sharesFiles says whether engine and project are on one Linux machine.
func sharesFiles(e *engine.Engine) bool { return e.Local() && e.SharesNetwork() }

const outdatedFile = "a file that is gone or replaced"

// outdated says whether a container with these mounts mounts what is gone, or what the project no longer means.
func outdated(project *types.Project, service string, mounts []moby.MountPoint, running bool) bool {
	files := filesOf(project, project.Services[service])
	for _, m := range mounts {
		if m.Type != mount.TypeBind {
			continue
		}
		if want, ok := files[m.Destination]; ok && want != m.Source {
			return true
		}
		if _, err := os.Stat(m.Source); os.IsNotExist(err) && !running {
			return true
		}
	}
	return false
}

// filesOf gives the files of the service's secrets and configs by where they are mounted.
func filesOf(project *types.Project, s types.ServiceConfig) map[string]string {
	files := map[string]string{}
	for _, use := range s.Secrets {
		if file := project.Secrets[use.Source].File; file != "" {
			files[target("/run/secrets", use.Source, use.Target)] = file
		}
	}
	for _, use := range s.Configs {
		if file := project.Configs[use.Source].File; file != "" {
			files[target("/", use.Source, use.Target)] = file
		}
	}
	return files
}

// target is where Compose mounts a secret or config.
func target(dir, source, given string) string {
	switch {
	case given == "":
		return path.Join(dir, source)
	case strings.HasPrefix(given, "/"):
		return given
	}
	return path.Join(dir, given)
}
