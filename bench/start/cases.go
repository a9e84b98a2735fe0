package main

import (
	"context"
	"os/exec"
	"path/filepath"
)

// The states that a timed run can find.
type state int

const (
	nothing state = iota // no container, network or volume
	stopped              // all containers are there and stopped
	running              // all are ready
)

// scenario is one case.
type scenario struct {
	name, title string
	state       state
	one         bool // only one service is restarted
	// args are what each tool is asked, by its args key; a tool without an entry does not take part. {one} is the service.
	args map[string][]string
}

// create is what makes a family's containers untimed.
var create = map[string][]string{"mage": {"start"}, "compose": {"create"}}

func (s scenario) id() string { return s.name }

func scenarios() []scenario {
	start := map[string][]string{"mage": {"start"}, "compose": {"up", "--wait"}}
	return []scenario{
		{name: "first", title: "first start", state: nothing, args: start},
		{name: "warm", title: "start of what was stopped", state: stopped, args: start},
		{name: "restart-one", title: "restart of one service", state: running, one: true, args: map[string][]string{
			"mage": {"restart", "-services={one}"}, "compose": {"up", "--force-recreate", "--no-deps", "--wait", "{one}"}, "compose-restart": {"restart", "{one}"},
		}},
		{name: "restart-all", title: "restart of all", state: running, args: map[string][]string{
			"mage": {"restart", "-all"}, "compose": {"up", "--force-recreate", "--wait"}, "compose-restart": {"restart"},
		}},
	}
}

// tool is one of the programs that are compared.
type tool struct {
	name, title string
	family      string // tools of one family share a project
	args        string // its key in scenario.args
	command     func(ctx context.Context, b *bench, s *stack, args []string) *exec.Cmd
	waits       bool // it ends when the services are ready
}

func (t tool) id() string { return t.name }

func (t tool) ours() bool { return t.family == "mage" }

func allTools() []tool {
	return []tool{
		{name: "mage-fast", title: "fast mage", family: "mage", args: "mage", waits: true, command: func(ctx context.Context, b *bench, s *stack, args []string) *exec.Cmd {
			cmd := b.mageCommand(ctx, s, append([]string{b.mage}, args...))
			cmd.Env = append(cmd.Env, "MAGEFILE_HASHFAST=1")
			return cmd
		}},
		{name: "mage", title: "mage", family: "mage", args: "mage", waits: true, command: func(ctx context.Context, b *bench, s *stack, args []string) *exec.Cmd {
			return b.mageCommand(ctx, s, append([]string{"go", "tool", "mage"}, args...))
		}},
		{name: "compose", title: "compose up --wait", family: "compose", args: "compose", waits: true, command: composeCommand},
		{name: "compose-restart", title: "compose restart", family: "compose", args: "compose-restart", command: composeCommand},
	}
}

func (b *bench) mageCommand(ctx context.Context, s *stack, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = b.root
	cmd.Env = append(b.environment(projects["mage"]), "COMPOSE_MAGE_STATE="+filepath.Join(b.work, "state"),
		"MAGEFILE_CACHE="+filepath.Join(b.work, "magefile"))
	if s.mageFile != "" {
		cmd.Env = append(cmd.Env, "COMPOSE_FILE="+s.mageFile)
	}
	return cmd
}

func composeCommand(ctx context.Context, b *bench, s *stack, args []string) *exec.Cmd {
	var all []string
	for _, f := range s.files {
		all = append(all, "-f", f)
	}
	cmd := exec.CommandContext(ctx, b.compose, append(all, args...)...)
	cmd.Dir = filepath.Dir(s.files[0])
	cmd.Env = b.environment(projects["compose"])
	return cmd
}

// projects are the Compose projects of the families.
var projects = map[string]string{"mage": "bench-start-mage", "compose": "bench-start-compose"}
