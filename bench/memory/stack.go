package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
	composefiles "github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/pinned"
)

// project is the stack's name on the engine, agent the service whose network and image the learners share.
const (
	project = "bench-memory"
	agent   = "eloquence-agent-v1"
)

// bench is what the runs stand on.
type bench struct {
	config  config
	root    string // of the repository
	work    string
	compose string // docker compose's program
	mage    string
	engine  *engine.Engine
	version string // of the engine
	model   *types.Project
	derived map[string][]string // variables that fitting can set, by service
}

// open builds the tools, loads the stack for this machine and removes what a killed bench left.
func open(ctx context.Context, c config) (*bench, error) {
	b := &bench{config: c}
	var err error
	if b.root, err = os.Getwd(); err != nil {
		return nil, fmt.Errorf("finding the repository: %w", err)
	}
	if b.work, err = rig.WorkDir(c.dir); err != nil {
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
	if b.engine, err = engine.Connect(ctx); err != nil {
		return nil, err
	}
	info, err := b.engine.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return nil, fmt.Errorf("asking the engine for its version: %w", err)
	}
	b.version = info.Version
	if err := setEnvironment(); err != nil {
		return nil, err
	}
	loaded, err := composefiles.Load(ctx, composefiles.Request{Dir: b.root, Machine: b.engine.Machine()})
	if err != nil {
		return nil, err
	}
	b.model, b.derived = loaded.Project, derived(loaded.Project, b.engine.Machine())
	for name, secret := range b.model.Secrets {
		if _, err := os.Stat(secret.File); err != nil {
			return nil, fmt.Errorf("the secret %q: %w; `go tool mage setup` makes it", name, err)
		}
	}
	return b, b.down(ctx)
}

// close removes the stack.
func (b *bench) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(b.down(ctx), os.RemoveAll(b.work))
}

// setEnvironment names the project, the agent's profile and ports on which nothing listens, for this process and
// those that it starts.
func setEnvironment() error {
	variables := map[string]string{"COMPOSE_PROJECT_NAME": project, "COMPOSE_PROFILES": "agent-v1"}
	for _, name := range []string{
		"LIVEKIT_PORT", "LIVEKIT_TCP_PORT", "LIVEKIT_UDP_PORT", "WHISPER_PORT", "AZURE_TTS_PORT", "API_PORT",
		"AGENT_PORT",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("finding free ports: %w", err)
		}
		defer func() { _ = l.Close() }()
		variables[name] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	for name, value := range variables {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	return nil
}

// run runs a command in the repository and gives its standard output.
func (b *bench) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = b.root
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running %s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err,
			figures.LastWords([]byte(said.String())))
	}
	return out, nil
}

// up starts the arm's stack, waits until it is healthy, and gives the control groups of its containers by service.
func (b *bench) up(ctx context.Context, arm string) (map[string]group, error) {
	files, err := b.writeArm(ctx, arm)
	if err != nil {
		return nil, err
	}
	args := []string{"-p", project}
	for _, file := range files {
		args = append(args, "-f", file)
	}
	if _, err := b.run(ctx, b.compose, append(args, "up", "-d", "--no-build", "--wait")...); err != nil {
		return nil, err
	}
	groups := map[string]group{}
	for service := range b.model.Services {
		found, err := b.engine.ContainerInspect(ctx, project+"-"+service+"-1", client.ContainerInspectOptions{})
		if err != nil {
			return nil, fmt.Errorf("inspecting %q: %w", service, err)
		}
		if groups[service], err = groupOf(found.Container.State.Pid); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// down removes the stack with its volumes.
func (b *bench) down(ctx context.Context) error {
	_, err := b.run(ctx, b.compose, "-p", project, "--profile", "*", "down", "-v", "--remove-orphans", "-t", "5")
	return err
}

// spoken is what a learner says of its conversation.
type spoken struct {
	Ratio   float64            `json:"ratio"`   // of the words that were heard right
	Seconds map[string]float64 `json:"seconds"` // of each step
}

// talk holds one conversation, as smoke does, but from a container of the learner's own: its memory is not counted.
func (b *bench) talk(ctx context.Context) (spoken, error) {
	service := b.model.Services[agent]
	args := []string{
		"run", "--rm", "--network", "container:" + project + "-" + agent + "-1", "--user", service.User,
		"--label", "com.docker.compose.project=" + project, // so that down removes it too
		"-v", b.model.Secrets["api_token"].File + ":/run/secrets/api_token:ro", "--entrypoint", "/learner",
	}
	for _, name := range []string{"API_URL", "TTS_URL", "LIVEKIT_URL", "API_TOKEN_FILE"} {
		args = append(args, "-e", name+"="+*service.Environment[name])
	}
	out, err := b.run(ctx, "docker", append(args, service.Image)...)
	if err != nil {
		return spoken{}, err
	}
	var s spoken
	if err := json.Unmarshal(out, &s); err != nil {
		return s, fmt.Errorf("reading what the learner said: %w", err)
	}
	return s, nil
}

// talks holds so many conversations, atOnce of them at the same time.
func (b *bench) talks(ctx context.Context, n, atOnce int) ([]spoken, error) {
	all := make([]spoken, n)
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.SetLimit(atOnce)
	for i := range all {
		tasks.Go(func() (err error) {
			all[i], err = b.talk(ctx)
			return err
		})
	}
	return all, tasks.Wait()
}
