package preflight

import (
	"errors"
	"io/fs"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// source is a secret or config of the project.
type source struct {
	kind, name string // kind is secret or config
	types.FileObjectConfig
	users []string // services, sorted
}

// sources lists the secrets and configs that services use, by the services' names.
func sources(project *types.Project) []source {
	var out []source
	add := func(kind, name string, object types.FileObjectConfig, user string) {
		i := slices.IndexFunc(out, func(s source) bool { return s.kind == kind && s.name == name })
		if i < 0 {
			out = append(out, source{kind: kind, name: name, FileObjectConfig: object})
			i = len(out) - 1
		}
		if !slices.Contains(out[i].users, user) {
			out[i].users = append(out[i].users, user)
		}
	}
	for _, service := range project.ServiceNames() {
		s := project.Services[service]
		if s.Provider != nil {
			continue
		}
		for _, use := range s.Secrets {
			add("secret", use.Source, types.FileObjectConfig(project.Secrets[use.Source]), service)
		}
		for _, use := range s.Configs {
			add("config", use.Source, types.FileObjectConfig(project.Configs[use.Source]), service)
		}
	}
	return out
}

// files names the secrets and configs that can't be given to the services that use them: of a missing file the engine
// would only say that a mount has no source.
func files(project *types.Project) []finding.Finding {
	var out []finding.Finding
	for _, s := range sources(project) {
		id := s.kind + ".file"
		switch {
		case bool(s.External):
			out = append(out,
				finding.Fail(fault.Config, s.kind+".external", "file: or environment: for the "+s.kind+
					" in the Compose file",
					"%s %q is external, which only a swarm has", s.kind, s.name).Of(s.users...))
		case s.Driver != "" || s.TemplateDriver != "":
			out = append(out,
				finding.Fail(fault.Config, s.kind+".driver", "file: or environment: for the "+s.kind+
					" in the Compose file",
					"%s %q has a driver, which only a swarm takes", s.kind, s.name).Of(s.users...))
		case s.Content != "":
		case s.Environment != "":
			if _, set := project.Environment[s.Environment]; !set {
				out = append(out,
					finding.Fail(fault.Config, s.kind+".environment", fault.Quote(s.Environment)+
						"=… go tool mage start, or a line in .env",
						"%s %q: variable %s is not set", s.kind, s.name, s.Environment).Of(s.users...))
			}
		case s.File != "":
			if why := unreadable(s.File); why != "" {
				out = append(out,
					finding.Fail(fault.Config, id, s.remedy(why), "%s %q: %s", s.kind, s.name, why).Of(s.users...))
			}
		}
	}
	return append(out, readOnly(project)...)
}

// remedy is the next command where the file can't be used.
func (s source) remedy(why string) string {
	_, generated := extension.Generated(types.SecretConfig(s.FileObjectConfig))
	first := ""
	if strings.Contains(why, "is a directory") {
		first = "rmdir " + fault.Quote(s.File) + ", then "
	}
	if generated {
		return first + "go tool mage setup"
	}
	return first + "put the " + s.kind + " into " + fault.Quote(s.File)
}

// unreadable says why a file can't be mounted; "" where it can.
func unreadable(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err.Error()
	case info.IsDir():
		return path + " is a directory" // what the engine makes of a bind mount whose source is missing
	}
	return ""
}

// readOnly names services that can't get a secret or config whose content is copied into the container.
func readOnly(project *types.Project) []finding.Finding {
	var out []finding.Finding
	for _, name := range project.ServiceNames() {
		if !project.Services[name].ReadOnly {
			continue
		}
		for _, s := range sources(project) {
			given := s.Content
			if given == "" && s.Environment != "" {
				given = project.Environment[s.Environment]
			}
			if given != "" && slices.Contains(s.users, name) {
				out = append(out,
					finding.Fail(fault.Config, s.kind+".read_only", "file: for the "+s.kind+", or no read_only",
						"%s %q is copied into the container, and the service is read_only", s.kind, s.name).Of(name))
			}
		}
	}
	return out
}

// secretModes warns of secret files that others may read, where closing them would keep no service from its secret.
func secretModes(project *types.Project, i images) []finding.Finding {
	if goruntime.GOOS == "windows" {
		return nil
	}
	var out []finding.Finding
	for _, s := range sources(project) {
		if s.kind != "secret" || s.File == "" {
			continue
		}
		info, err := os.Stat(s.File)
		if err != nil || info.IsDir() || info.Mode().Perm()&0o077 == 0 || !allMayRead(project, s, i, info) {
			continue
		}
		out = append(out,
			finding.Warn("secret.mode", "chmod 600 "+fault.Quote(s.File), "secret %q: others may read %q (mode %04o)",
				s.name, s.File, info.Mode().Perm()).Of(s.users...))
	}
	return out
}

// allMayRead says whether every service that uses the secret surely runs as root or as the file's owner.
func allMayRead(project *types.Project, s source, i images, info fs.FileInfo) bool {
	owner, known := ownerOf(info)
	for _, name := range s.users {
		service := project.Services[name]
		user := service.User
		if user == "" {
			image, here := i.here[api.GetImageNameOrDefault(service, project.Name)]
			if !here || image.Config == nil {
				return false
			}
			user = image.Config.User
		}
		uid, _, _ := strings.Cut(user, ":")
		if uid != "" && uid != "root" && uid != "0" && (!known || uid != strconv.Itoa(owner)) {
			return false
		}
	}
	return true
}

// binds names the bind mounts whose source is not there. The engine refuses those that it may not make, and makes an
// empty directory of the others, which is rarely meant.
func binds(s types.ServiceConfig) []finding.Finding {
	var out []finding.Finding
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		if _, err := os.Stat(v.Source); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if v.Bind != nil && !bool(v.Bind.CreateHostPath) {
			out = append(out,
				finding.Fail(fault.Config, "bind.source", "mkdir -p "+fault.Quote(v.Source)+
					", or the file that is meant", "bind mount %s: %q does not exist", v.Target, v.Source).Of(s.Name))
			continue
		}
		out = append(out, finding.Warn("bind.source", "make it, where it is not meant to be an empty directory",
			"bind mount %s: %q does not exist, the engine will make an empty directory of it", v.Target,
			v.Source).Of(s.Name))
	}
	return out
}
