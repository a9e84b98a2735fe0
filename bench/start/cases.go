package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
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
	// args are what each tool is asked, by its args key; a tool without an entry does not take part. {one} is the
	// service.
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
			"mage":            {"restart", "-services={one}"},
			"compose":         {"up", "--force-recreate", "--no-deps", "--wait", "{one}"},
			"compose-restart": {"restart", "{one}"},
		}},
		{name: "restart-all", title: "restart of all", state: running, args: map[string][]string{
			"mage":            {"restart", "-all"},
			"compose":         {"up", "--force-recreate", "--wait"},
			"compose-restart": {"restart"},
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
		{
			name: "mage-fast", title: "fast mage", family: "mage", args: "mage", waits: true,
			command: func(ctx context.Context, b *bench, s *stack, args []string) *exec.Cmd {
				cmd := b.mageCommand(ctx, s, append([]string{b.mage}, args...))
				cmd.Env = append(cmd.Env, "MAGEFILE_HASHFAST=1")
				return cmd
			},
		},
		{
			name: "mage", title: "mage", family: "mage", args: "mage", waits: true,
			command: func(ctx context.Context, b *bench, s *stack, args []string) *exec.Cmd {
				return b.mageCommand(ctx, s, append([]string{"go", "tool", "mage"}, args...))
			},
		},
		{
			name: "compose", title: "compose up --wait", family: "compose", args: "compose", waits: true,
			command: composeCommand,
		},
		{
			name: "compose-restart", title: "compose restart", family: "compose", args: "compose-restart",
			command: composeCommand,
		},
	}
}

// program is a program of compiled targets, as mage -compile makes it: of another commit, say. options are what its
// starts and restarts get beside what the case says.
type program struct {
	name, path string
	options    []string
}

// readPrograms reads "NAME=PATH", or "NAME=PATH OPTION …", separated by commas.
func readPrograms(texts string) ([]program, error) {
	var all []program
	if texts == "" {
		return nil, nil
	}
	for text := range strings.SplitSeq(texts, ",") {
		name, rest, ok := strings.Cut(text, "=")
		words := strings.Fields(rest)
		if !ok || name == "" || len(words) == 0 || !filepath.IsAbs(words[0]) {
			return nil, fmt.Errorf("reading -programs: %q is not NAME=PATH with an absolute path", text)
		}
		all = append(all, program{name: name, path: words[0], options: words[1:]})
	}
	return all, nil
}

// tool is the program as one of the tools; it has a state directory of its own.
func (p program) tool() tool {
	return tool{
		name: p.name, title: p.name, family: "mage", args: "mage", waits: true,
		command: func(ctx context.Context, b *bench, s *stack, args []string) *exec.Cmd {
			whole := append([]string{p.path}, args...)
			if strings.HasSuffix(args[0], "start") { // or restart
				whole = append(whole, p.options...)
			}
			cmd := b.mageCommand(ctx, s, whole)
			cmd.Env = append(cmd.Env, "COMPOSE_MAGE_STATE="+filepath.Join(b.work, "state-"+p.name))
			return cmd
		},
	}
}

func (b *bench) mageCommand(ctx context.Context, s *stack, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = b.root
	cmd.Env = append(b.environment(b.projects["mage"]), "COMPOSE_MAGE_STATE="+filepath.Join(b.work, "state"),
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
	cmd.Env = b.environment(b.projects["compose"])
	return cmd
}

// projectPrefix begins the names of all Compose projects of the bench.
const projectPrefix = "bench-start-"

// newProjects names the Compose projects of the families, other ones in each bench: an engine may keep a network
// that says it is in use when nothing is in it any more, and a bench that was killed another.
func newProjects(run string) map[string]string {
	return map[string]string{"mage": projectPrefix + run + "-mage", "compose": projectPrefix + run + "-compose"}
}
