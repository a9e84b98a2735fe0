//go:build linux

// Command stackdeploy compares mage deploy with docker stack deploy: a first deploy, one of nothing, and one of a
// version that never gets healthy, of a service with two copies under 50 requests a second. Both have the same Compose
// file on the same three engines, which run beside the machine's own and are gone afterwards.
//
//	go -C bench run ./stackdeploy -rounds=3
//
// It needs root, and the docker command, whose stack deploy (with -cli, of that program) is the one compared.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/enginetest/swarm"
)

// config is what the command line says.
type config struct {
	rounds int
	cli    string
}

func main() { rig.Main(parse, run) }

func parse(args []string) (config, error) {
	var c config
	flags := flag.NewFlagSet("stackdeploy", flag.ContinueOnError)
	flags.IntVar(&c.rounds, "rounds", 3, "deploys of each kind by each tool")
	flags.StringVar(&c.cli, "cli", "docker", "the docker command whose stack deploy is compared")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if c.rounds < 1 {
		return c, fmt.Errorf("reading -rounds=%d: at least one", c.rounds)
	}
	return c, nil
}

// tool is what deploys.
type tool struct {
	name string
	// command deploys the Compose file in dir as the stack of that name.
	command func(dir, stack string) *exec.Cmd
	// seconds of the command, and until every task ran healthy, of first deploys and of deploys of nothing.
	first, ready, again []float64
	updates             int // services that the deploys of nothing changed
	bad                 []badVersion
}

func run(ctx context.Context, c config) (err error) {
	alone, err := rig.Alone()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, alone.Close()) }()
	work, err := os.MkdirTemp("", "bench-sd")
	if err != nil {
		return fmt.Errorf("making the work directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	s, err := swarm.Start(ctx, swarm.Options{Nodes: 3, Dir: work, Registry: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	image, err := s.Image(ctx, "bench/probe:latest")
	if err != nil {
		return err
	}
	for _, n := range s.Nodes { // what the image's way takes is none of the deploys' times
		pulled, err := n.Client.ImagePull(ctx, image, client.ImagePullOptions{})
		if err == nil {
			err = pulled.Wait(ctx)
		}
		if err != nil {
			return fmt.Errorf("pulling %q to %s: %w", image, n.Name, err)
		}
	}
	tools, err := tools(ctx, c, work, s.Nodes[0].Host)
	if err != nil {
		return err
	}
	for round := range c.rounds {
		for i := range tools {
			t := tools[(i+round)%len(tools)]
			b := bench{Swarm: s, tool: t, stack: fmt.Sprintf("sd%d%d", round, i), image: image}
			if b.dir, err = os.MkdirTemp(work, "stack"); err != nil {
				return fmt.Errorf("making a stack's directory: %w", err)
			}
			fmt.Fprintf(os.Stderr, "round %d: %s\n", round+1, t.name)
			if err := b.all(ctx); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	fmt.Print(report(tools))
	return nil
}

// tools are ours, as an installed mage with fast hashing, and docker's.
func tools(ctx context.Context, c config, work, host string) ([]*tool, error) {
	mage, err := rig.BuildMage(ctx, ".", work)
	if err != nil {
		return nil, err
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the repository: %w", err)
	}
	version, err := exec.CommandContext(ctx, c.cli, "version", "--format", "{{.Client.Version}}").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %q for its version: %w", c.cli, err)
	}
	ours := func(dir, stack string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, mage, "deploy")
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+host, "COMPOSE_FILE="+filepath.Join(dir, "compose.yaml"),
			"COMPOSE_PROJECT_NAME="+stack, "MAGEFILE_HASHFAST=1", "MAGEFILE_CACHE="+filepath.Join(work, "cache"))
		return cmd
	}
	compile := exec.CommandContext(ctx, mage, "-l")
	compile.Dir, compile.Env = root, ours(work, "none").Env
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling the targets: %w: %s", err, out)
	}
	theirs := func(detach bool) func(dir, stack string) *exec.Cmd {
		return func(dir, stack string) *exec.Cmd {
			args := []string{"-H", host, "stack", "deploy", "-c", filepath.Join(dir, "compose.yaml")}
			if !detach {
				args = append(args, "--detach=false")
			}
			return exec.CommandContext(ctx, c.cli, append(args, stack)...)
		}
	}
	name := "docker stack deploy (" + strings.TrimSpace(string(version)) + ")"
	all := []*tool{{name: "mage deploy", command: ours}, {name: name, command: theirs(true)}}
	help, err := exec.CommandContext(ctx, c.cli, "stack", "deploy", "--help").Output()
	if err == nil && strings.Contains(string(help), "--detach") {
		all = append(all, &tool{name: strings.TrimSuffix(name, ")") + ", --detach=false)", command: theirs(false)})
	}
	return all, nil
}
