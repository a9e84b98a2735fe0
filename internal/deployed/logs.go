package deployed

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/logstream"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// LogOptions are the choices of Logs.
type LogOptions struct {
	Follow bool
	Tail   string // a number of lines, or "all"
	Since  string // a duration or a time, as docker logs takes it
	Notes  *ui.Out
}

// newTasksEvery is how often the Swarm is asked for new tasks while logs are followed.
const newTasksEvery = time.Second

// Logs prints the lines of the services' tasks through the manager, each after service.slot@node; with Follow those of
// tasks that come later too, until ctx ends. It says of which nodes nothing can be had.
func Logs(ctx context.Context, e *engine.Engine, s Stack, services []string, w io.Writer, o LogOptions) error {
	tasks := s.logged(services)
	if len(tasks) == 0 && !o.Follow {
		return fault.New(fault.Failed, "go tool mage status", "stack %s has no task to read logs from", s.Stack)
	}
	width := 0
	for _, t := range tasks {
		width = max(width, len(t.whose()))
	}
	l := &logs{
		engine: e, printer: logstream.NewPrinter(w, width), options: o, seen: map[string]bool{},
		down: map[string]bool{},
	}
	l.start(ctx, s, tasks)
	if o.Follow {
		l.followNew(ctx, s, services)
	}
	l.wait.Wait()
	return ctx.Err()
}

func (t Task) whose() string {
	if t.Node == "" {
		return t.Name
	}
	return t.Name + "@" + t.Node
}

// logged are the tasks of the services that have or had a container.
func (s Stack) logged(services []string) []Task {
	var out []Task
	for _, name := range services {
		for _, t := range s.tasksOf(name) {
			if t.nodeID != "" {
				out = append(out, t)
			}
		}
	}
	return out
}

type logs struct {
	engine  *engine.Engine
	printer *logstream.Printer
	options LogOptions
	seen    map[string]bool // tasks, by ID
	down    map[string]bool // nodes of which was said that nothing can be had, by name
	wait    sync.WaitGroup
}

// start reads the logs of the tasks that are not read yet.
func (l *logs) start(ctx context.Context, s Stack, tasks []Task) {
	states := map[string]swarm.NodeState{}
	for _, n := range s.Nodes {
		states[n.ID] = n.Status.State
	}
	for _, t := range tasks {
		if l.seen[t.id] {
			continue
		}
		if state := states[t.nodeID]; state != swarm.NodeStateReady {
			if !l.down[t.Node] {
				l.down[t.Node] = true
				l.options.Notes.Warn("node %s is %s: no logs of what ran there, such as %s", t.Node, state, t.Name)
			}
			continue
		}
		l.seen[t.id] = true
		l.wait.Go(func() { l.read(ctx, t) })
	}
}

func (l *logs) read(ctx context.Context, t Task) {
	found, err := l.engine.TaskLogs(ctx, t.id, client.TaskLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: l.options.Follow, Tail: l.options.Tail, Since: l.options.Since,
	})
	if err == nil {
		err = logstream.Lines(found, t.tty, func(line string) { l.printer.Log(t.whose(), line) })
	}
	if err != nil && ctx.Err() == nil {
		l.options.Notes.Warn("%s: its logs can't be read: %s", t.whose(), bounded.Line(err.Error()))
	}
}

// followNew asks for tasks that come while logs are followed.
func (l *logs) followNew(ctx context.Context, s Stack, services []string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(newTasksEvery):
		}
		now, err := cluster.Look(ctx, l.engine, s.Self, s.Stack)
		if err != nil {
			if ctx.Err() == nil {
				l.options.Notes.Warn("new tasks are not known: %v", err)
			}
			continue
		}
		s.Cluster = now
		picked := services[:0:0]
		for _, name := range services {
			if _, there := now.Services[name]; there {
				picked = append(picked, name)
			}
		}
		l.start(ctx, s, s.logged(picked))
	}
}
