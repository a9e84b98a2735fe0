// Package pinned builds the programs that the modules under tools pin. Setup builds those that setup needs (builder,
// registry, CNI plugins) into the state directory, from a copy of tools/go.mod that this package embeds. Build builds
// those that only tests and benches need, the peers to compare with and the engine to test against, once for each
// version into the user's cache directory; it needs the repository, for who imports the targets has no tools folder.
// It starts none of them.
package pinned

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// program is where one program comes from.
type program struct {
	dir     string // its module's folder below tools
	module  string // whose version is the program's
	pkg     string // below module; "./…" below the folder under tools
	version string // the variable, below module, that its own release build sets; "" for none
	plain   bool   // that variable takes the version without its "v"
}

var programs = map[string]program{
	"buildx":         {dir: "bench", module: "github.com/docker/buildx", pkg: "cmd/buildx", version: "version.Version"},
	"docker-compose": {module: "github.com/docker/compose/v5", pkg: "cmd", version: "internal.Version"},
	"registry": {
		module: "github.com/distribution/distribution/v3", pkg: "./registry",
		version: "version.version",
	},
	"buildkitd": {module: "github.com/moby/buildkit", pkg: "cmd/buildkitd", version: "version.Version"},
	"dockerd": {
		dir: "engine", module: "github.com/moby/moby/v2", pkg: "cmd/dockerd",
		version: "dockerversion.Version", plain: true,
	},
	"bridge":       {module: "github.com/containernetworking/plugins", pkg: "plugins/main/bridge"},
	"loopback":     {module: "github.com/containernetworking/plugins", pkg: "plugins/main/loopback"},
	"host-local":   {module: "github.com/containernetworking/plugins", pkg: "plugins/ipam/host-local"},
	"docker-proxy": {dir: "engine", module: "github.com/moby/moby/v2", pkg: "cmd/docker-proxy"},
	"containerd": {
		dir: "engine", module: "github.com/containerd/containerd/v2", pkg: "cmd/containerd",
		version: "version.Version",
	},
	"containerd-shim-runc-v2": {
		dir: "engine", module: "github.com/containerd/containerd/v2", pkg: "cmd/containerd-shim-runc-v2",
		version: "version.Version",
	},
}

// path is the program's package, as go build takes it in the module's folder.
func (p program) path() string {
	if strings.HasPrefix(p.pkg, "./") {
		return p.pkg
	}
	return p.module + "/" + p.pkg
}

// Build gives the paths of the programs in the order of names, after building those that are not there yet. Programs
// of one module lie in one directory. The working directory must be in the repository.
func Build(ctx context.Context, names ...string) ([]string, error) {
	var paths []string
	for _, name := range names {
		p, ok := programs[name]
		if !ok {
			return nil, fmt.Errorf("building %q: no module under tools pins it", name)
		}
		path, err := p.ensure(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("building %q: %w", name, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// Version gives the version, "v1.2.3", of a program that Build knows.
func Version(ctx context.Context, name string) (string, error) {
	p, ok := programs[name]
	if !ok {
		return "", fmt.Errorf("looking up the version of %q: no module under tools pins it", name)
	}
	dir, err := p.directory(ctx)
	if err != nil {
		return "", err
	}
	return p.moduleVersion(ctx, dir)
}

// ensure gives the program's path in the cache; it is built where the cache lacks it.
func (p program) ensure(ctx context.Context, name string) (string, error) {
	module, err := p.directory(ctx)
	if err != nil {
		return "", err
	}
	dir, err := p.cache(module)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	version, err := p.moduleVersion(ctx, module)
	if err != nil {
		return "", err
	}
	flags := "-s -w"
	if p.version != "" {
		if p.plain {
			version = strings.TrimPrefix(version, "v")
		}
		flags += " -X " + p.module + "/" + p.version + "=" + version
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the cache directory: %w", err)
	}
	// Built beside its place and moved there whole: after a kill, and beside a second build, nobody runs half a
	// program.
	work, err := os.MkdirTemp(dir, ".build-")
	if err != nil {
		return "", fmt.Errorf("making a build directory: %w", err)
	}
	defer os.RemoveAll(work)
	built := filepath.Join(work, name)
	if _, err := goCommand(ctx, module, "build", "-mod=readonly", "-buildvcs=false", "-ldflags="+flags, "-o", built,
		p.path()); err != nil {
		return "", err
	}
	if err := os.Rename(built, path); err != nil {
		return "", fmt.Errorf("putting it in place: %w", err)
	}
	return path, nil
}

// directory is the module's folder in the repository.
func (p program) directory(ctx context.Context) (string, error) {
	out, err := goCommand(ctx, ".", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(filepath.Dir(out), "tools", p.dir)
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return "", fmt.Errorf("looking for the pinned programs: %w; is the working directory in the repository?", err)
	}
	return dir, nil
}

// cache is the directory of the programs that this module's checksums and this Go make.
func (p program) cache(module string) (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache directory: %w", err)
	}
	sum := sha256.New()
	sum.Write([]byte(runtime.Version()))
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", fmt.Errorf("reading the pinned versions: %w", err)
		}
		sum.Write(data)
	}
	return filepath.Join(user, "compose-mage", "pinned",
		filepath.Base(module)+"-"+hex.EncodeToString(sum.Sum(nil)[:6])), nil
}

func (p program) moduleVersion(ctx context.Context, dir string) (string, error) {
	return goCommand(ctx, dir, "list", "-mod=readonly", "-m", "-f", "{{.Version}}", p.module)
}

// goCommand runs the go command in dir and gives what it prints, without the line's end. An error holds what it said.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOOS=", "GOARCH=", "CGO_ENABLED=0")
	// An interrupt, not a kill: the go command then ends its compilers.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("running go %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
