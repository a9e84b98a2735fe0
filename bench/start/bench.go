package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest/mirror"
	"github.com/25eloquence/compose-mage/internal/pinned"
)

// bench is what the runs share.
type bench struct {
	config
	tools         []tool
	projects      map[string]string // the families' Compose projects
	root          string            // the repository
	work          string            // everything of this bench
	mage, compose string            // programs
	host          string            // DOCKER_HOST
	engine        *engine.Engine
	enginePID     int
	ports         []int
	runs          int
	daemons       []*rig.Daemon
	mirror        *mirror.Mirror // of our own, where -registry names none
	alone         *os.File       // keeps other benches away
}

// open builds the tools, finds or starts the engine and makes the image of the generated stacks.
func open(ctx context.Context, c config) (_ *bench, err error) {
	b := &bench{config: c, projects: newProjects(strconv.Itoa(os.Getpid()))}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.root, err = rig.Repository(ctx); err != nil {
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
	for _, p := range c.programs {
		b.tools = append(b.tools, p.tool())
	}
	if b.ports, err = freePorts(7); err != nil {
		return nil, err
	}
	rig.Say("building the tools")
	paths, err := pinned.Build(ctx, "docker-compose")
	if err != nil {
		return nil, err
	}
	b.compose = paths[0]
	if b.mage, err = rig.BuildMage(ctx, b.root, b.work); err != nil {
		return nil, err
	}
	if err := b.openEngine(ctx); err != nil {
		return nil, err
	}
	if err := rig.ServiceImage(ctx, b.engine, b.root, b.work, image, "./start/service"); err != nil {
		return nil, err
	}
	rig.Say("compiling the targets")
	for _, t := range b.tools {
		if !t.ours() {
			continue
		}
		// A target, for `mage -l` keeps no program.
		if out, err := t.command(ctx, b, &stack{}, []string{"menu"}).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("compiling the targets: %w: %s", err, figures.LastWords(out))
		}
	}
	return b, nil
}

// openEngine finds or starts the engine, and removes what a killed bench left on it.
func (b *bench) openEngine(ctx context.Context) error {
	switch b.host = b.config.engine; b.host {
	case "host":
		b.host = rig.HostAddress()
	case "current":
		rig.Say("building and starting a current engine")
		if b.registry == "" {
			var err error
			if b.mirror, err = mirror.Start(ctx); err != nil {
				return err
			}
			b.registry = b.mirror.Address
		}
		d, host, err := rig.StartEngine(ctx, b.root, b.work, b.registry, "")
		if d != nil {
			b.daemons = append(b.daemons, d)
		}
		if err != nil {
			return err
		}
		b.host = host
	}
	for _, name := range []string{"DOCKER_CONTEXT", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		_ = os.Unsetenv(name)
	}
	if err := os.Setenv("DOCKER_HOST", b.host); err != nil {
		return err
	}
	var err error
	if b.engine, err = engine.Connect(ctx); err != nil {
		return err
	}
	if b.enginePID, err = rig.Listener(strings.TrimPrefix(b.host, "unix://")); err != nil {
		return fmt.Errorf("finding the engine's process: %w", err)
	}
	return b.wipeAll(ctx)
}

// environment is a run's.
func (b *bench) environment(project string) []string {
	return append(append(rig.Environment(), b.sixEnvironment()...), "DOCKER_HOST="+b.host,
		"DOCKER_CONFIG="+filepath.Join(b.work, "docker"), "COMPOSE_PROJECT_NAME="+project, "NO_COLOR=1")
}

// facts describes machine and versions for the report.
func (b *bench) facts(ctx context.Context) []string {
	compose, err := pinned.Version(ctx, "docker-compose")
	if err != nil {
		compose = "unknown"
	}
	facts := []string{
		fmt.Sprintf("engine %s, docker compose %s, %s, %d CPUs",
			b.engine.Info.ServerVersion, compose, runtime.Version(), runtime.NumCPU()),
		"mage is `go tool mage`, fast mage an installed `mage` with MAGEFILE_HASHFAST=1; whole processes; " +
			"compose restart does not wait until the services are ready",
		fmt.Sprintf("each figure is the median of %d runs, some with the least and the greatest; "+
			"a ratio is the median of the rounds' ratios", b.pairs),
	}
	// Others' work shows in the times.
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		facts = append(facts, "load of the machine in the minute before: "+strings.Fields(string(load))[0])
	}
	return facts
}

// close removes what was made, stops what was started and removes the files.
func (b *bench) close() error {
	var failed []error
	if b.engine != nil {
		failed = append(failed, b.wipeAll(context.Background()))
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
