package deployed

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/deploy"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// askEvery is how often the Swarm is asked how far a service is.
const askEvery = 250 * time.Millisecond

// steadyEnough is how long a task without a health check has to run before it counts.
const steadyEnough = 2 * time.Second

// change is what is done to the services of a stack, one after the other.
type change struct {
	engine *engine.Engine
	stack  Stack
	out    *ui.Out
}

// put gives the service another spec.
func (c *change) put(ctx context.Context, name string, edit func(*swarm.ServiceSpec)) error {
	found, err := c.engine.ServiceInspect(ctx, c.stack.Services[name].ID, client.ServiceInspectOptions{})
	if err != nil {
		return fmt.Errorf("asking for service %q: %w", name, err)
	}
	spec := found.Service.Spec
	edit(&spec)
	done, err := c.engine.ServiceUpdate(ctx, found.Service.ID, client.ServiceUpdateOptions{
		Version: found.Service.Version, Spec: spec, RegistryAuthFrom: swarm.RegistryAuthFromSpec,
	})
	if err != nil {
		return fmt.Errorf("updating service %q: %w", name, err)
	}
	for _, w := range done.Warnings {
		c.out.Warn("%s: %s", name, w)
	}
	return nil
}

// observe asks for a service and its tasks.
func (c *change) observe(ctx context.Context, name string) (swarm.Service, []swarm.Task, error) {
	id := c.stack.Services[name].ID
	services, err := c.engine.ServiceList(ctx, client.ServiceListOptions{
		Filters: make(client.Filters).Add("id", id), Status: true,
	})
	if err != nil {
		return swarm.Service{}, nil, fmt.Errorf("asking for service %q: %w", name, err)
	}
	if len(services.Items) != 1 {
		return swarm.Service{}, nil, fault.New(fault.Failed, "go tool mage status",
			"service %q was removed by somebody else meanwhile", name)
	}
	tasks, err := c.engine.TaskList(ctx, client.TaskListOptions{Filters: make(client.Filters).Add("service", id)})
	if err != nil {
		return swarm.Service{}, nil, fmt.Errorf("asking for the tasks of service %q: %w", name, err)
	}
	return services.Items[0], tasks.Items, nil
}

// until asks again and again how far a service is, until ready says that it is there, or has an error.
func (c *change) until(
	ctx context.Context, name string, ready func(swarm.Service, []swarm.Task, cluster.State) (bool, error),
) error {
	for {
		service, tasks, err := c.observe(ctx, name)
		if err != nil {
			return err
		}
		done, err := ready(service, tasks, cluster.Progress(service, tasks, c.stack.Nodes))
		if done || err != nil {
			return err
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// runs waits until all tasks of the service are of its spec as it is now, and run. How long the Swarm watches them
// after that is not waited for: their spec is one that ran before.
func (c *change) runs(ctx context.Context, name string) error {
	began, since := time.Now(), c.engine.Now()
	err := c.until(ctx, name, func(s swarm.Service, tasks []swarm.Task, state cluster.State) (bool, error) {
		if why := cluster.Stuck(s, state, tasks, c.engine.Now(), true); why != "" {
			failed := cluster.FailedSince(s, tasks, c.stack.Nodes, since)
			return false, c.failure(ctx, name, why, failed)
		}
		if cluster.IsJob(s.Spec) {
			return state.Done, nil
		}
		if state.Wanted < c.stack.copiesNow(s.Spec) && time.Since(began) < noticedWithin {
			return false, nil // the Swarm has not yet begun
		}
		return state.Running >= state.Wanted && state.Old == 0 && steady(s.Spec, tasks, c.engine.Now()), nil
	})
	if err == nil {
		c.out.Done("%s runs in %s", name, ui.Seconds(time.Since(began)))
	}
	return err
}

// noticedWithin is how soon a Swarm means a global service to have a task on each node that it is for.
const noticedWithin = 10 * time.Second

// copiesNow is how many tasks a service comes to: of a global one, the nodes that take tasks and that it is for.
func (s Stack) copiesNow(spec swarm.ServiceSpec) (n int) {
	if spec.Mode.Global == nil {
		return copiesOf(spec)
	}
	for _, node := range s.Nodes {
		if takesTasks(node) && cluster.Meets(node, spec) {
			n++
		}
	}
	return n
}

// steady says whether tasks without a health check run long enough to say that they do.
func steady(spec swarm.ServiceSpec, tasks []swarm.Task, now time.Time) bool {
	if c := spec.TaskTemplate.ContainerSpec; c == nil || c.Healthcheck != nil && len(c.Healthcheck.Test) > 0 {
		return true
	}
	for _, t := range tasks {
		if t.Status.State == swarm.TaskStateRunning && now.Sub(t.Status.Timestamp) < steadyEnough {
			return false
		}
	}
	return true
}

// failure is a service's failure on one screen: the tasks that failed, where, why, and the last lines of the newest.
func (c *change) failure(ctx context.Context, name, why string, failed []cluster.Failure) error {
	const shown = 3
	f := fault.New(fault.Failed, "go tool mage logs "+fault.Quote(name), "%s: %s", name, why)
	for i, t := range failed[:min(shown, len(failed))] {
		f.Detail = append(f.Detail, fmt.Sprintf("task %s on %s: %s", t.Name(name), t.Node, t.Words))
		if i > 0 {
			continue
		}
		for _, line := range diagnosis.LastLines(ctx, taskLogs{c.engine}, t.Task) {
			f.Detail = append(f.Detail, "  "+line)
		}
	}
	return f
}

// taskLogs reads the logs of tasks as those of containers are read: the manager asks the task's node.
type taskLogs struct{ *engine.Engine }

// ContainerLogs is the log of the task with that ID.
func (l taskLogs) ContainerLogs(
	ctx context.Context, id string, o client.ContainerLogsOptions,
) (client.ContainerLogsResult, error) {
	return l.TaskLogs(ctx, id, client.TaskLogsOptions{ShowStdout: o.ShowStdout, ShowStderr: o.ShowStderr, Tail: o.Tail})
}

// refuseDuringDeploy is an error where a deploy of the stack is at work, on whichever machine.
func refuseDuringDeploy(s Stack, doing string) error {
	if by := deploy.AtWork(s.Cluster, s.Now); by != "" {
		return fault.New(fault.Failed, "go tool mage status",
			"%s deploys %s at this moment: it can't be %s meanwhile", by, s.Stack, doing)
	}
	return nil
}
