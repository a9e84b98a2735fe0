package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/delivery"
	stacks "github.com/25eloquence/compose-mage/internal/deployed"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// FindOptions say which project is meant, and what of it.
type FindOptions struct {
	Files []string // Compose files, as -f of docker compose takes them; found where none is named
	// Deployed is whether the stack on the Swarm is meant, or the containers of start. Nil is what there is, or what
	// runs.
	Deployed *bool
	// Changes is the target, such as stop, that is to change something: where it is not plain what is meant, that is
	// an error then. "" only looks.
	Changes string
	// Nodes are the addresses of the nodes' engines, as in Options.
	Nodes  string
	Output io.Writer // os.Stdout where it is nil
	Errors io.Writer // warnings that must not stand between results; os.Stderr where it is nil
}

// Stack is a project that was deployed to the Swarm of an engine.
type Stack struct {
	out, errors *ui.Out
	writer      io.Writer
	engine      *engine.Engine
	model       *compose.Model
	name        string
	nodes       string
}

// KeepEngine gives a context in which this package and package stack connect to the engine once.
func KeepEngine(ctx context.Context) context.Context { return engine.Keep(ctx) }

// Find says whether what is meant is a stack that was deployed, and gives it then. Of an engine that manages no Swarm
// nothing is asked for that; the context is one of KeepEngine.
func Find(ctx context.Context, o FindOptions) (found *Stack, isDeployed bool, err error) {
	found, isDeployed, err = find(ctx, o)
	return found, isDeployed, fault.Exit(ctx, err)
}

func find(ctx context.Context, o FindOptions) (*Stack, bool, error) {
	if o.Deployed != nil && !*o.Deployed {
		return nil, false, nil
	}
	s, err := connect(ctx, o)
	if err != nil {
		return nil, false, err
	}
	if err := cluster.Check(s.engine); err != nil {
		if o.Deployed == nil {
			err = nil
		}
		return nil, false, err
	}
	if s.model, err = compose.Load(ctx, compose.Request{
		Files: o.Files, Machine: s.engine.Machine(), CLI: s.engine.CLI, NoEnvFiles: true,
	}); err != nil {
		return nil, false, err
	}
	s.name = s.model.Project.Name
	there, err := stacks.Find(ctx, s.engine, s.name)
	if err != nil {
		return nil, false, err
	}
	meant := there.Choose()
	if o.Deployed != nil {
		if there.Services == 0 {
			return nil, false, fault.New(fault.Failed, "go tool mage deploy",
				"there is no stack %s on the Swarm of %s", s.name, s.engine.Info.Name)
		}
		meant = stacks.Deployed
	}
	other := there.Other(meant, s.name, s.engine.Info.Name)
	if meant == stacks.Unclear && o.Changes != "" {
		return nil, false, fault.New(fault.Usage, "the same with -deployed, or with -deployed=false",
			"%s: %s is there twice, as containers of start on %s and as a stack on its Swarm: nothing was done",
			o.Changes, s.name, s.engine.Info.Name)
	}
	if other != "" {
		s.errors.Info("%s", other)
	}
	if meant != stacks.Deployed {
		return nil, false, nil
	}
	return s, true, nil
}

// connect makes a stack that has no name yet.
func connect(ctx context.Context, o FindOptions) (*Stack, error) {
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.Errors == nil {
		o.Errors = os.Stderr
	}
	s := &Stack{out: ui.New(o.Output), errors: ui.New(o.Errors), writer: o.Output, nodes: o.Nodes}
	var err error
	s.engine, err = engine.Connect(ctx)
	return s, err
}

// look asks the Swarm what it has now.
func (s *Stack) look(ctx context.Context, named []string) (stacks.Stack, []string, error) {
	found, err := stacks.Look(ctx, s.engine, s.name, s.model.Project)
	if err != nil {
		return found, nil, err
	}
	services, err := found.Pick(named)
	return found, services, err
}

// lock keeps other runs of ours on this machine from changing the stack meanwhile, and looks after that.
func (s *Stack) lock(ctx context.Context, named []string) (stacks.Stack, []string, func(), error) {
	release, err := state.LockProject(ctx, s.name, s.out)
	if err != nil {
		return stacks.Stack{}, nil, nil, err
	}
	found, services, err := s.look(ctx, named)
	if err != nil {
		release()
		return found, nil, nil, err
	}
	return found, services, release, nil
}

// engines connects to the nodes whose engines can be asked.
func (s *Stack) engines(ctx context.Context, found stacks.Stack) (stacks.Engines, func(), error) {
	given := delivery.Given{Nodes: s.nodes}
	if s.model != nil {
		given.File = extension.Nodes(s.model.Project)
	}
	means, err := delivery.Choose(given)
	if err != nil {
		return nil, nil, err
	}
	return stacks.EnginesOf(ctx, s.engine, found, means.Connections)
}

// Status asks the Swarm for every service's tasks. That a service is not as it should be is no error of Status, but of
// the report.
func (s *Stack) Status(ctx context.Context, services []string) (StatusReport, error) {
	report, err := s.status(ctx, services)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) status(ctx context.Context, named []string) (StatusReport, error) {
	found, services, err := s.look(ctx, named)
	if err != nil {
		return StatusReport{}, err
	}
	report := found.Status(services)
	if len(named) == 0 {
		report = found.Compared(report)
	}
	var out StatusReport
	err = sameJSON(report, &out)
	out.show = func(w io.Writer) { report.Print(ui.New(w), found.Now) }
	out.unfit = fault.Exit(ctx, report.Err())
	return out, err
}

// LogsOptions are the choices of a look at logs.
type LogsOptions struct {
	Services []string // only these; empty is all
	Follow   bool     // go on until ctx is cancelled, which is no error then
	Tail     string   // lines of each task, or "all"; "" is 100
	Since    string   // a duration such as 10m, or a time; "" for all that Tail leaves
}

// Logs prints the tasks' logs as they are, each line with the task's name and its node.
func (s *Stack) Logs(ctx context.Context, o LogsOptions) error {
	err := s.logs(ctx, o)
	if o.Follow && errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return fault.Exit(ctx, err)
}

func (s *Stack) logs(ctx context.Context, o LogsOptions) error {
	if _, err := strconv.Atoi(o.Tail); err != nil && o.Tail != "all" && o.Tail != "" {
		return fault.New(fault.Usage, "go tool mage logs -tail=100", "-tail=%s is neither a number of lines nor all",
			o.Tail)
	}
	if o.Tail == "" {
		o.Tail = "100"
	}
	found, services, err := s.look(ctx, o.Services)
	if err != nil {
		return err
	}
	return stacks.Logs(ctx, s.engine, found, services, s.writer, stacks.LogOptions{
		Follow: o.Follow, Tail: o.Tail, Since: o.Since, Notes: s.errors,
	})
}

// Monitor takes one snapshot of the named services, or of all.
func (s *Stack) Monitor(ctx context.Context, services []string) (Snapshot, error) {
	taken, closeAll, err := s.taker(ctx, services)
	if err != nil {
		return Snapshot{}, fault.Exit(ctx, err)
	}
	defer closeAll()
	snapshot, err := taken(ctx)
	if err != nil {
		return Snapshot{}, fault.Exit(ctx, err)
	}
	var out Snapshot
	err = sameJSON(snapshot, &out)
	out.show = func(w io.Writer) { snapshot.Print(ui.New(w)) }
	return out, err
}

// Watch appends a line for each task again and again, until ctx is cancelled, which is no error. every is the time
// between two looks; 0 is 2 s.
func (s *Stack) Watch(ctx context.Context, services []string, every time.Duration) error {
	taken, closeAll, err := s.taker(ctx, services)
	if err != nil {
		return fault.Exit(ctx, err)
	}
	defer closeAll()
	if every == 0 {
		every = 2 * time.Second
	}
	return fault.Exit(ctx, stacks.Watch(ctx, every, s.out, taken))
}

// taker connects to the nodes once, and gives what takes snapshots.
func (s *Stack) taker(
	ctx context.Context, named []string,
) (taken func(context.Context) (stacks.Snapshot, error), closeAll func(), err error) {
	found, _, err := s.look(ctx, named)
	if err != nil {
		return nil, nil, err
	}
	engines, closeAll, err := s.engines(ctx, found)
	if err != nil {
		return nil, nil, err
	}
	first := true
	return func(ctx context.Context) (stacks.Snapshot, error) {
		if !first {
			if found, _, err = s.look(ctx, nil); err != nil {
				return stacks.Snapshot{}, err
			}
		}
		first = false
		services := named
		if len(named) == 0 {
			services = found.Names()
		}
		return stacks.Take(ctx, found, services, engines), nil
	}, closeAll, nil
}

// sameJSON gives a report in the door's own types, which have the same JSON.
func sameJSON(from, to any) error {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		return fmt.Errorf("reporting: %w", err)
	}
	return nil
}
