package deployed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// pause makes a specification one without tasks, and writes down on it what it was. A job's has no task to come either
// way; what runs of it is stopped.
func pause(spec *swarm.ServiceSpec) {
	mark := global
	switch m := spec.Mode; {
	case m.Replicated != nil:
		copies := uint64(1)
		if m.Replicated.Replicas != nil {
			copies = *m.Replicated.Replicas
		}
		mark, spec.Mode.Replicated = strconv.FormatUint(copies, 10), &swarm.ReplicatedService{Replicas: new(uint64)}
	case m.ReplicatedJob != nil:
		job, total := *m.ReplicatedJob, uint64(1)
		if job.TotalCompletions != nil {
			total = *job.TotalCompletions
		}
		job.TotalCompletions = new(uint64)
		mark, spec.Mode.ReplicatedJob = strconv.FormatUint(total, 10), &job
	default:
		p := swarm.Placement{}
		if spec.TaskTemplate.Placement != nil {
			p = *spec.TaskTemplate.Placement
		}
		p.Constraints = append(slices.Clone(p.Constraints), nowhere)
		spec.TaskTemplate.Placement = &p
	}
	spec.Labels = maps.Clone(spec.Labels)
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	spec.Labels[stopLabel] = mark
}

// resume undoes pause. It gives false where the specification is not one of pause.
func resume(spec *swarm.ServiceSpec) bool {
	mark, stopped := stoppedMark(*spec)
	if !stopped {
		return false
	}
	spec.Labels = maps.Clone(spec.Labels)
	delete(spec.Labels, stopLabel)
	if p := spec.TaskTemplate.Placement; p != nil {
		without := *p
		without.Constraints = slices.DeleteFunc(slices.Clone(p.Constraints),
			func(c string) bool { return c == nowhere })
		spec.TaskTemplate.Placement = &without
	}
	copies, err := strconv.ParseUint(mark, 10, 32)
	switch m := spec.Mode; {
	case err != nil:
	case m.Replicated != nil:
		spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &copies}
	case m.ReplicatedJob != nil:
		job := *m.ReplicatedJob
		job.TotalCompletions = &copies
		spec.Mode.ReplicatedJob = &job
	}
	return true
}

// endsWithin is how long tasks may take to end beyond their grace period.
const endsWithin = time.Minute

// graceOf is how long an engine gives a container to end by itself.
func graceOf(spec swarm.ServiceSpec) time.Duration {
	if c := spec.TaskTemplate.ContainerSpec; c != nil && c.StopGracePeriod != nil {
		return *c.StopGracePeriod
	}
	return 10 * time.Second
}

// Stop stops the services, dependants first. Nothing is removed: restart and deploy bring them back.
func Stop(ctx context.Context, e *engine.Engine, s Stack, services []string, out *ui.Out) error {
	out.Title("stopping %s", s.Said())
	if err := refuseDuringDeploy(s, "stopped"); err != nil {
		return err
	}
	c := &change{engine: e, stack: s, out: out}
	order := s.inOrder(services)
	slices.Reverse(order)
	for _, name := range order {
		spec := s.Services[name].Spec
		if _, stopped := stoppedMark(spec); stopped {
			out.Info("%s was stopped before", name)
			continue
		}
		if is := s.judged(name, s.tasksOf(name)); is.Condition == "done" {
			out.Info("%s is a job, and done", name)
			continue
		}
		if err := c.put(ctx, name, pause); err != nil {
			return err
		}
		if err := c.ends(ctx, name, graceOf(spec)); err != nil {
			return err
		}
	}
	return nil
}

// ends waits until no task of the service runs. Of nodes that are down nobody knows.
func (c *change) ends(ctx context.Context, name string, grace time.Duration) error {
	began := time.Now()
	var unknown []string
	err := c.until(ctx, name, func(_ swarm.Service, tasks []swarm.Task, _ cluster.State) (bool, error) {
		var left []string
		left, unknown = c.stack.unended(name, tasks)
		if len(left) > 0 && time.Since(began) > grace+endsWithin {
			return false, fmt.Errorf("stopping %q: still running after %s: %s", name, ui.Seconds(time.Since(began)),
				strings.Join(left, ", "))
		}
		return len(left) == 0, nil
	})
	if err != nil {
		return err
	}
	if len(unknown) > 0 {
		out := strings.Join(unknown, ", ")
		c.out.Warn("%s is stopped but for what its node does not tell: %s", name, out)
		return nil
	}
	c.out.Done("%s is stopped, in %s", name, ui.Seconds(time.Since(began)))
	return nil
}

// unended are the tasks that run, as web.1@box1; unknown those on nodes that do not answer.
func (s Stack) unended(name string, tasks []swarm.Task) (left, unknown []string) {
	for _, t := range tasks {
		if cluster.Ended(t) || t.NodeID == "" {
			continue
		}
		said := s.task(name, t, nil).whose()
		i := slices.IndexFunc(s.Nodes, func(n swarm.Node) bool { return n.ID == t.NodeID })
		if i < 0 || s.Nodes[i].Status.State != swarm.NodeStateReady {
			unknown = append(unknown, said)
			continue
		}
		left = append(left, said)
	}
	return left, unknown
}
