package shim

import (
	"context"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// containerdClears is how long containerd may take to notice that a shim has ended, and to forget its container.
const containerdClears = 15 * time.Second

// survivors is an engine that starts containers also after another that was killed while it started them: what that
// one had started runs on, unknown to its successor, and holds the container's ID and its volumes. It is ended
// first.
type survivors struct {
	client.APIClient
	engine  *engine.Engine // for what it is, and where
	project string
	out     *ui.Out
}

// EndingSurvivors gives the engine with that added, for the project's containers, ours and the Compose library's
// starts alike.
func EndingSurvivors(e *engine.Engine, project string, out *ui.Out) *engine.Engine {
	if _, done := e.APIClient.(survivors); done {
		return e
	}
	with := *e
	with.APIClient = survivors{APIClient: e.APIClient, engine: e, project: project, out: out}
	return &with
}

// BlockedError is the error of a container that can't be started under its ID, although nothing of it runs.
type BlockedError struct{ Err error }

func (e *BlockedError) Error() string { return e.Err.Error() }
func (e *BlockedError) Unwrap() error { return e.Err }

// ContainerStart starts the container.
func (s survivors) ContainerStart(
	ctx context.Context,
	id string,
	o client.ContainerStartOptions,
) (client.ContainerStartResult, error) {
	started, err := s.APIClient.ContainerStart(ctx, id, o)
	if err == nil {
		return started, nil
	}
	found, inspectErr := s.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	c := found.Container
	if inspectErr != nil || !fault.TaskLeft(err, c.ID) || c.Config == nil ||
		c.Config.Labels[container.ProjectLabel] != s.project {
		return started, err
	}
	name := strings.TrimPrefix(c.Name, "/")
	ended, endErr := End(ctx, s.engine, c)
	switch {
	case ctx.Err() != nil:
		return started, context.Cause(ctx)
	case endErr != nil:
		return started, fault.New(
			fault.Failed,
			"on the engine's machine: sudo pkill -KILL -f "+fault.Quote(
				survivorsPattern(c.ID),
			)+", then go tool mage start",
			"starting %q: an engine that was killed left its program running, "+
				"which this engine does not know of (%w); "+
				"and it can't be ended from here: %w",
			name,
			err,
			endErr,
		)
	case ended == 0:
		return started, &BlockedError{err}
	}
	s.out.Info("%s: ended what an engine that was killed had left running", name)
	for deadline := time.Now().Add(containerdClears); ; {
		started, err = s.APIClient.ContainerStart(ctx, id, o)
		if !fault.TaskLeft(err, c.ID) {
			return started, err
		}
		if time.Now().After(deadline) || wait.For(ctx, 100*time.Millisecond) != nil {
			return started, &BlockedError{err}
		}
	}
}

// EndSurvivors ends what runs of the project's services although the engine takes it for ended, after a stop.
func EndSurvivors(ctx context.Context, e *engine.Engine, project *types.Project, out *ui.Out) error {
	left, err := survivorsOf(ctx, e, project)
	if err != nil || len(left) == 0 || wait.For(ctx, survivesFor) != nil {
		return err
	}
	again, err := survivorsOf(ctx, e, project)
	if err != nil {
		return err
	}
	for id, c := range again {
		if _, before := left[id]; !before {
			continue
		}
		if _, err := End(ctx, e, c.InspectResponse); err != nil {
			return fault.New(
				fault.Failed,
				"on the engine's machine: sudo pkill -KILL -f "+fault.Quote(survivorsPattern(id)),
				"stopping %q: an engine that was killed left its program running: %w",
				c.Name(),
				err,
			)
		}
		out.Info("%s: ended what an engine that was killed had left running", c.Name())
	}
	return nil
}

// survivesFor is how long a program that runs beside the engine's knowledge must have done so: one that has just
// ended, or that others start right now, is seen so for a moment.
const survivesFor = 2 * time.Second

// survivorsOf are the containers of the project's services of which a program runs beside the engine's knowledge,
// by ID.
func survivorsOf(ctx context.Context, e *engine.Engine, project *types.Project) (map[string]container.Replica, error) {
	found, err := container.Inspect(ctx, e, project.Name, project.ServiceNames()...)
	if err != nil {
		return nil, err
	}
	out := map[string]container.Replica{}
	for _, replicas := range found {
		for _, c := range replicas {
			if Survives(e, c.InspectResponse) {
				out[c.ID] = c
			}
		}
	}
	return out, nil
}

// survivorsPattern finds what is left of the container among the processes of the engine's machine: its shim, and
// so all that the shim keeps. The brackets keep it from finding sudo's own command line.
func survivorsPattern(id string) string { return "containerd-shi[m].* -id " + id }
