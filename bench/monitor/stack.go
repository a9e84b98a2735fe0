package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/pinned"
)

// image is that of the services.
const image = "bench-monitor/service:latest"

// bench is what the runs stand on.
type bench struct {
	config  config
	root    string // of the repository
	work    string
	host    string // the engine's address
	engine  *engine.Engine
	daemon  *rig.Daemon // the engine, where it was started for this
	mage    string
	targets string // the compiled ones
	compose string // docker compose's program
	stacks  []stack
}

// stack is what is watched.
type stack struct {
	project, file string
	services      int
	containers    []string // IDs
}

// open builds the tools and finds or starts the engine. Also after an error the bench is to be closed.
func open(ctx context.Context, c config) (*bench, error) {
	b := &bench{config: c}
	var err error
	if b.root, err = os.Getwd(); err != nil {
		return b, fmt.Errorf("finding the repository: %w", err)
	}
	if b.work, err = rig.WorkDir(c.dir); err != nil {
		return b, err
	}
	rig.Say("building the tools")
	paths, err := pinned.Build(ctx, "docker-compose")
	if err != nil {
		return b, err
	}
	b.compose = paths[0]
	if b.mage, err = rig.BuildMage(ctx, b.root, b.work); err != nil {
		return b, err
	}
	b.host = c.engine
	switch c.engine {
	case "host":
		b.host = rig.HostAddress()
	case "current":
		rig.Say("building and starting a current engine")
		if b.daemon, b.host, err = rig.StartEngine(ctx, b.root, b.work, "", ""); err != nil {
			return b, err
		}
	}
	for _, name := range []string{"DOCKER_CONTEXT", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		_ = os.Unsetenv(name)
	}
	if err := os.Setenv("DOCKER_HOST", b.host); err != nil {
		return b, fmt.Errorf("naming the engine: %w", err)
	}
	if b.engine, err = engine.Connect(ctx); err != nil {
		return b, err
	}
	b.targets = filepath.Join(b.work, "targets")
	rig.Say("compiling the targets")
	if _, err := rig.Output(b.command(ctx, stack{}, b.mage, "-compile", b.targets)); err != nil {
		return b, err
	}
	return b, rig.ServiceImage(ctx, b.engine, b.root, b.work, image, "./start/service")
}

// close removes what the bench has made.
func (b *bench) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var failed []error
	for _, s := range b.stacks {
		failed = append(failed, b.down(ctx, s))
	}
	if b.engine != nil {
		_, _ = b.engine.ImageRemove(ctx, image, client.ImageRemoveOptions{Force: true}) // it may not be there
	}
	if b.daemon != nil {
		failed = append(failed, b.daemon.Stop())
	}
	return errors.Join(append(failed, os.RemoveAll(b.work))...)
}

// up starts so many services and waits until they are healthy.
func (b *bench) up(ctx context.Context, services int) (stack, error) {
	project := fmt.Sprintf("bench-monitor-%d", services)
	s := stack{project: project, file: filepath.Join(b.work, project, "compose.yaml"), services: services}
	if err := os.MkdirAll(filepath.Dir(s.file), 0o700); err != nil {
		return s, fmt.Errorf("making the stack's directory: %w", err)
	}
	if err := os.WriteFile(s.file, []byte(composeText(project, services)), 0o600); err != nil {
		return s, fmt.Errorf("writing the stack: %w", err)
	}
	b.stacks = append(b.stacks, s)
	rig.Say("starting %d services", services)
	if _, err := rig.Output(b.command(ctx, s, b.compose, "-f", s.file, "up", "-d", "--wait")); err != nil {
		return s, err
	}
	found, err := b.engine.ContainerList(ctx, client.ContainerListOptions{
		Filters: client.Filters{}.Add("label", "com.docker.compose.project="+project),
	})
	if err != nil {
		return s, fmt.Errorf("listing the stack's containers: %w", err)
	}
	for _, c := range found.Items {
		s.containers = append(s.containers, c.ID)
	}
	if len(s.containers) != services {
		return s, fmt.Errorf("starting %d services: %d run", services, len(s.containers))
	}
	return s, nil
}

func (b *bench) down(ctx context.Context, s stack) error {
	_, err := rig.Output(b.command(ctx, s, b.compose, "-f", s.file, "down", "-v", "-t", "2"))
	return err
}

// composeText is a Compose file of so many services.
func composeText(project string, services int) string {
	var t strings.Builder
	fmt.Fprintf(&t, "name: %s\nx-service: &service\n  image: %s\n  environment: {READY_AFTER: 10ms}\n"+
		"  healthcheck: {test: [CMD, /service, -check], interval: 10s, timeout: 5s, retries: 5}\n"+
		"  deploy: {resources: {limits: {cpus: \"0.5\", memory: 64M}}}\nservices:\n", project, image)
	for i := range services {
		fmt.Fprintf(&t, "  s%02d: *service\n", i)
	}
	return t.String()
}

// command is a program that is run in the repository, with the stack's file for mage.
func (b *bench) command(ctx context.Context, s stack, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.root
	cmd.Env = append(rig.Environment(), "DOCKER_HOST="+b.host, "DOCKER_CONFIG="+filepath.Join(b.work, "docker"),
		"COMPOSE_MAGE_STATE="+filepath.Join(b.work, "state"), "MAGEFILE_HASHFAST=1",
		"MAGEFILE_CACHE="+filepath.Join(b.work, "cache"), "TERM=xterm-256color")
	if s.file != "" {
		cmd.Env = append(cmd.Env, "COMPOSE_FILE="+s.file)
	}
	return cmd
}

// facts describes machine and versions.
func (b *bench) facts(ctx context.Context) string {
	compose, err := pinned.Version(ctx, "docker-compose")
	if err != nil {
		compose = "unknown"
	}
	return fmt.Sprintf("engine %s, docker compose %s, %s, %d CPUs; mage is an installed `mage` with "+
		"MAGEFILE_HASHFAST=1; whole processes",
		b.engine.Info.ServerVersion, compose, runtime.Version(), runtime.NumCPU())
}
