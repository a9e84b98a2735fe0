package compose

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/pkg/kvfile"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/remote"
)

// registerFormats makes known the formats of env_file that docker compose's command knows beyond its library's: "raw"
// is read as `docker run --env-file` reads it, without interpolation.
var registerFormats = sync.OnceFunc(func() {
	dotenv.RegisterFormat("raw",
		func(r io.Reader, filename string, vars map[string]string, lookup func(string) (string, bool)) error {
			lines, err := kvfile.ParseFromReader(r, lookup)
			if err != nil {
				return fmt.Errorf("failed to parse env_file %s: %w", filename, err)
			}
			for _, line := range lines {
				name, value, _ := strings.Cut(line, "=")
				vars[name] = value
			}
			return nil
		})
})

// remoteLoaders are docker compose's loaders of Git and oci:// resources, by the variable that turns each off.
func remoteLoaders(c command.Cli) map[string]loader.ResourceLoader {
	return map[string]loader.ResourceLoader{
		remote.GIT_REMOTE_ENABLED: remote.NewGitRemoteLoader(c, false),
		remote.OCI_REMOTE_ENABLED: remote.NewOCIRemoteLoader(c, false, api.OCIOptions{}),
	}
}

// refusedRemotes registers a refusal for what a .env file turns off: docker compose's loaders ask this process's
// environment alone, and are asked after these.
func (e *environment) refusedRemotes(remotes map[string]loader.ResourceLoader) []cli.ProjectOptionsFn {
	var options []cli.ProjectOptionsFn
	for name, one := range remotes {
		value := e.vars[name]
		if _, known := os.LookupEnv(name); known || value == "" {
			continue
		}
		enabled, err := strconv.ParseBool(value)
		switch {
		case err != nil:
			err = fmt.Errorf("%s environment variable expects boolean value: %w", name, err)
		case !enabled:
			err = fmt.Errorf("remote resources of this kind are disabled by %q", name)
		default:
			continue
		}
		options = append(options, cli.WithResourceLoader(refusedRemote{ResourceLoader: one, err: err}))
	}
	return options
}

// inspectedRemotes registers the same loaders, each wrapped so that fetched files are inspected before the library
// reads them.
func inspectedRemotes(remotes map[string]loader.ResourceLoader, inspected *inspection) []cli.ProjectOptionsFn {
	var options []cli.ProjectOptionsFn
	for _, one := range remotes {
		options = append(options, cli.WithResourceLoader(inspectedRemote{ResourceLoader: one, inspected: inspected}))
	}
	return options
}

// inspectedRemote is a loader whose files are inspected as the files of this machine are.
type inspectedRemote struct {
	loader.ResourceLoader
	inspected *inspection
}

// Load fetches the resource and inspects it. Text of the resource may be shown, unless the resource is a link to
// another place.
func (r inspectedRemote) Load(ctx context.Context, path string) (string, error) {
	file, err := r.ResourceLoader.Load(ctx, path)
	if err != nil {
		return file, err
	}
	if filepath.Dir(resolved(file)) != resolved(filepath.Dir(file)) {
		return file, r.inspected.composeFile(file, path, nil)
	}
	return file, r.inspected.composeFile(file, "", nil)
}

// refusedRemote accepts the paths that another loader accepts, and fails to load them.
type refusedRemote struct {
	loader.ResourceLoader
	err error
}

// Load fails.
func (r refusedRemote) Load(context.Context, string) (string, error) { return "", r.err }
