package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/enginetest/mirror"
	"github.com/25eloquence/compose-mage/internal/pinned"
)

// bench is what the runs share: peers, builder, engine, caches.
type bench struct {
	config
	tools                 []tool
	host                  string // DOCKER_HOST
	engine                *engineAPI
	buildx, compose, mage string
	bakeBuilder           string // the builder's name in buildx
	address               string // and its address as mage's state has it
	buildkitd             *rig.Daemon
	work                  string // everything of this bench
	source                string // the copied repository
	state                 string // mage's state directory
	cache                 *rig.Daemon
	daemons               []*rig.Daemon
	logs                  int
	mirror                *mirror.Mirror // of our own, where -registry names none
	alone                 *os.File       // keeps other benches away
}

// open copies the repository, builds the peers and starts what the runs need.
func open(ctx context.Context, c config) (_ *bench, err error) {
	b := &bench{config: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	root, err := rig.Repository(ctx)
	if err != nil {
		return nil, err
	}
	if b.alone, err = rig.Alone(); err != nil {
		return nil, err
	}
	if b.work, err = rig.WorkDir(c.dir); err != nil {
		return nil, err
	}
	for _, t := range allTools() {
		if slices.Contains(c.tools, t.name) {
			b.tools = append(b.tools, t)
		}
	}
	b.source, b.state = filepath.Join(b.work, "source"), filepath.Join(b.work, "state")
	if err := copyTree(root, b.source); err != nil {
		return nil, fmt.Errorf("copying the repository: %w", err)
	}
	rig.Say("building the peers")
	paths, err := pinned.Build(ctx, "buildx", "docker-compose", "registry")
	if err != nil {
		return nil, err
	}
	b.buildx, b.compose = paths[0], paths[1]
	if b.mage, err = rig.BuildMage(ctx, root, b.work); err != nil {
		return nil, err
	}
	if err := b.plugins(); err != nil {
		return nil, err
	}
	if b.registry == "" {
		if b.mirror, err = mirror.Start(ctx); err != nil {
			return nil, err
		}
		b.registry = b.mirror.Address
	}
	if b.cache, err = b.startRegistry(ctx, paths[2]); err != nil {
		return nil, err
	}
	return b, b.openEngine(ctx, root)
}

// plugins makes the peers' own Docker configuration, in which docker compose finds this buildx.
func (b *bench) plugins() error {
	dir := filepath.Join(b.work, "docker", "cli-plugins")
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Symlink(b.buildx, filepath.Join(dir, "docker-buildx"))
	}
	if err != nil {
		return fmt.Errorf("making the peers' configuration: %w", err)
	}
	return nil
}

// openEngine starts or finds engine and builder, and tells buildx and mage of them.
func (b *bench) openEngine(ctx context.Context, root string) error {
	b.host, b.bakeBuilder = b.config.engine, "default"
	builder := "docker" // as setup notes it: the engine's own
	var err error
	switch b.config.engine {
	case "host":
		b.host = rig.HostAddress()
		if builder = b.builder; builder == "" {
			if builder, err = b.startBuildkitd(ctx); err != nil {
				return err
			}
		}
		b.bakeBuilder = "bench"
	case "current":
		if b.host, err = b.startEngine(ctx, root); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(b.host, "unix://") {
		return fmt.Errorf("connecting to the engine at %q: the bench counts bytes on a unix socket", b.host)
	}
	b.engine = newEngineAPI(b.host)
	b.address = builder
	if err := b.resetState(); err != nil {
		return err
	}
	if b.bakeBuilder == "default" {
		return nil
	}
	return b.runQuietly(ctx, b.buildx, "create", "--name", b.bakeBuilder, "--driver", "remote", builder)
}

// resetState gives mage the state directory of a machine on which setup has just made the builder.
func (b *bench) resetState() error {
	state, err := json.Marshal(map[string]string{"builder": b.address})
	if err == nil {
		err = os.RemoveAll(b.state)
	}
	if err == nil {
		err = os.MkdirAll(b.state, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(b.state, "state.json"), state, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing mage's state: %w", err)
	}
	return nil
}

// environment is a run's: this process's, less what would lead a tool elsewhere.
func (b *bench) environment(r request, prefix string) []string {
	env := append(rig.Environment(), "DOCKER_HOST="+r.host, "DOCKER_CONFIG="+filepath.Join(b.work, "docker"),
		"BUILDX_CONFIG="+filepath.Join(b.work, "buildx"), "BUILDX_BAKE_ENTITLEMENTS_FS=0",
		"IMAGE_PREFIX="+prefix, "COMPOSE_PROJECT_NAME="+prefix, "COMPOSE_PROFILES=agent-v1", "NO_COLOR=1")
	if !b.attest {
		env = append(env, "BUILDX_NO_DEFAULT_ATTESTATIONS=1")
	}
	return env
}

// forget gives the next run a builder, an engine and a mage that know nothing of the stack, as on a new machine.
func (b *bench) forget(ctx context.Context) error {
	if err := b.engine.removeImages(ctx); err != nil {
		return err
	}
	if err := b.resetState(); err != nil {
		return err
	}
	if b.buildkitd != nil {
		return b.buildkitd.Empty(ctx)
	}
	return b.runQuietly(ctx, b.buildx, "prune", "--builder", b.bakeBuilder, "--all", "--force")
}

// runQuietly runs a program of ours for its effect; an error holds what it printed.
func (b *bench) runQuietly(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = b.environment(request{host: b.host}, "bench")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s %s: %w: %s", filepath.Base(args[0]), args[1], err, strings.TrimSpace(string(out)))
	}
	return nil
}

// facts describes machine and versions for the report.
func (b *bench) facts(ctx context.Context) []string {
	version := func(name string) string {
		v, err := pinned.Version(ctx, name)
		if err != nil {
			return "unknown"
		}
		return v
	}
	builder := "the engine's own BuildKit"
	if b.bakeBuilder != "default" {
		builder = "buildkitd " + version("buildkitd")
	}
	engine := b.engine.version(ctx)
	facts := []string{
		fmt.Sprintf("engine %s; builder: %s", engine, builder),
		fmt.Sprintf("buildx %s, docker compose %s, %s, %d CPUs",
			version("buildx"), version("docker-compose"), runtime.Version(), runtime.NumCPU()),
		"mage is `go tool mage build`, fast mage an installed `mage build` with MAGEFILE_HASHFAST=1; " +
			"bake is `buildx bake --load`; whole processes",
		fmt.Sprintf("each time is the median of %d runs, with the least and the greatest; "+
			"a ratio is the median of the rounds' ratios", b.pairs),
	}
	// Others' work shows in the times.
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		facts = append(facts, "load of the machine in the minute before: "+strings.Fields(string(load))[0])
	}
	return facts
}

// close removes the images, stops what was started, last first, and removes the files.
func (b *bench) close() error {
	var failed []error
	if b.engine != nil {
		failed = append(failed, b.engine.removeImages(context.Background()))
	}
	for _, d := range slices.Backward(b.daemons) {
		failed = append(failed, d.Stop())
	}
	if b.mirror != nil {
		failed = append(failed, b.mirror.Close())
	}
	if b.work != "" && !b.keep {
		failed = append(failed, os.RemoveAll(b.work))
	}
	if b.alone != nil {
		_ = b.alone.Close() // also gives up the lock
	}
	return errors.Join(failed...)
}
