package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/evidence"
	"github.com/25eloquence/compose-mage/internal/fault"
)

const (
	askEvery = 250 * time.Millisecond
	// nodesEvery is how old what is known of the nodes may be: a Swarm takes longer to notice that one is down.
	nodesEvery = 3 * time.Second
	// shownFailures is how many failed tasks an error has.
	shownFailures = 3
	// quietEnough is how long nothing may happen at all: longer than an image takes to be pulled.
	quietEnough = 20 * time.Minute
	// beginsWithin is how soon a Swarm begins an update.
	beginsWithin = 3 * time.Second
	// leaderWithin is how long managers may take to agree on another leader where theirs has died. Each question to
	// one of them that is asked meanwhile takes seconds of it.
	leaderWithin = 2 * time.Minute
	// steadyEnough is how long a task without a health check has to run before it counts as well.
	steadyEnough = 2 * time.Second
)

// notReady is that a service did not become what it should be.
type notReady struct {
	service  string
	why      string
	failures []cluster.Failure // of its tasks, the newest first
}

func (n *notReady) Error() string { return n.service + ": " + n.why }

// wait blocks until the service is as it should be: every task of its new spec runs, and where tasks were replaced the
// Swarm has watched them long enough.
func (r *run) wait(ctx context.Context, i int, service string) error {
	w := watch{run: r, service: service, began: time.Now(), seen: time.Now()}
	r.mu.Lock()
	w.changed = slices.Contains(r.touched, service)
	r.mu.Unlock()
	for _, step := range r.plan.Steps {
		w.untold = w.untold || step.Service == service && step.Action == Replace &&
			slices.ContainsFunc(step.Differences, func(d Difference) bool { return d.endpoint() })
	}
	var silent time.Time // since when the Swarm has no leader
	for {
		ended, err := w.look(ctx, func() { r.isHealthy(i) })
		switch {
		case err == nil:
			silent = time.Time{}
		case !leaderless(err) || !silent.IsZero() && time.Since(silent) > leaderWithin:
			return err
		case silent.IsZero():
			silent = time.Now()
			w.progress.set(service, "the manager gives no answer: its Swarm may be choosing another leader")
		}
		if ended {
			return nil
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// leaderless says whether a manager that has no leader may have given the error: the engine has no code for that alone.
func leaderless(err error) bool {
	return !fault.EngineLost(err) && (cerrdefs.IsInternal(err) || cerrdefs.IsUnavailable(err))
}

// watch is one service that is waited for.
type watch struct {
	*run
	service string
	changed bool // by this deploy
	// untold says that tasks which are replaced can't be told from those that replace them: the endpoint alone differs,
	// which the Swarm does not say of tasks.
	untold bool
	began  time.Time

	said bool      // that it runs
	last string    // what was seen
	seen time.Time // since when
}

// look asks once. ended says that there is nothing to wait for any more.
func (w *watch) look(ctx context.Context, healthy func()) (ended bool, err error) {
	service, tasks, err := w.observe(ctx)
	if err != nil {
		return false, err
	}
	state := cluster.Progress(service, tasks, w.nodesNow(ctx))
	if now := fmt.Sprint(state.Running, state.Old, len(state.Failures), statesOf(tasks)); now != w.last {
		w.last, w.seen = now, time.Now()
	}
	if err := w.judge(service, state, tasks); err != nil {
		return false, err
	}
	u := service.UpdateStatus
	watched := u == nil || u.State == swarm.UpdateStateCompleted || u.State == swarm.UpdateStateRollbackCompleted
	switch {
	case isJob(service.Spec):
		w.progress.set(w.service, fmt.Sprintf("%d of %d done", state.Running, state.Wanted))
		if state.Done {
			w.progress.ready(w.service, "has done its work", w.began)
		}
		return state.Done, nil
	case state.Running < state.Wanted || state.Old > 0:
		now := fmt.Sprintf("%d of %d tasks run%s", state.Running, state.Wanted, stage(tasks))
		if state.Old > 0 {
			now += fmt.Sprintf(", %d of the version before have not ended", state.Old)
		}
		w.progress.set(w.service, now)
		return false, nil
	case !steady(service.Spec, tasks), w.untold && (!watched || u == nil && time.Since(w.began) < beginsWithin):
		return false, nil
	}
	if !w.said {
		w.said = true
		w.progress.ready(w.service, "runs on "+w.where(tasks), w.began)
	}
	healthy()
	if !watched {
		w.progress.set(w.service, "healthy; watched by the Swarm for "+service.Spec.UpdateConfig.Monitor.String())
	}
	return watched, nil
}

// where names the nodes that the tasks run on: "gpu1, web1 (2)".
func (w *watch) where(tasks []swarm.Task) string {
	counts := map[string]int{}
	for _, t := range tasks {
		if t.Status.State == swarm.TaskStateRunning && t.DesiredState == swarm.TaskStateRunning {
			counts[cluster.NodeName(w.plan.cluster.Nodes, t.NodeID)]++
		}
	}
	var out []string
	for _, node := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[node]; n > 1 {
			node = fmt.Sprintf("%s (%d)", node, n)
		}
		out = append(out, node)
	}
	return strings.Join(out, ", ")
}

func (r *run) observe(ctx context.Context, of string) (swarm.Service, []swarm.Task, error) {
	name := r.plan.Stack + "_" + of
	found, err := r.engine.ServiceInspect(ctx, name, client.ServiceInspectOptions{})
	if err != nil {
		if cerrdefs.IsNotFound(err) {
			return swarm.Service{}, nil, fault.New(fault.Failed, "go tool mage deploy",
				"service %q was removed by somebody else meanwhile", of)
		}
		return swarm.Service{}, nil, fmt.Errorf("asking for service %q: %w", of, err)
	}
	tasks, err := r.engine.TaskList(ctx, client.TaskListOptions{
		Filters: make(client.Filters).Add("service", found.Service.ID),
	})
	if err != nil {
		return swarm.Service{}, nil, fmt.Errorf("asking for the tasks of %q: %w", of, err)
	}
	return found.Service, tasks.Items, nil
}

// nodesNow are the Swarm's nodes as they were at most nodesEvery ago: one may die while it is deployed to.
func (r *run) nodesNow(ctx context.Context) []swarm.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) > nodesEvery {
		if found, err := r.engine.NodeList(ctx, client.NodeListOptions{}); err == nil {
			r.nodes, r.asked = found.Items, time.Now()
		}
	}
	return r.nodes
}

func (w *watch) observe(ctx context.Context) (swarm.Service, []swarm.Task, error) {
	return w.run.observe(ctx, w.service)
}

// judge says why the service won't become what it should be; nil where it still may.
func (w *watch) judge(s swarm.Service, state cluster.State, tasks []swarm.Task) error {
	failed := func(format string, args ...any) error {
		n := &notReady{service: w.service, why: fmt.Sprintf(format, args...), failures: state.Failures}
		if w.changed { // the Swarm may have gone back to the spec before
			n.failures = cluster.FailedSince(s, tasks, w.plan.cluster.Nodes, w.started)
		}
		return n
	}
	// What failed before is over: a node that came back has such tasks, and new ones.
	state.Failures = slices.DeleteFunc(slices.Clone(state.Failures), func(f cluster.Failure) bool {
		return f.At.Before(w.started)
	})
	if why := cluster.Stuck(s, state, tasks, w.engine.Now(), w.changed); why != "" {
		return failed("%s", why)
	}
	if time.Since(w.seen) > quietEnough {
		return failed("nothing has happened to it for %s: %d of %d tasks run", quietEnough, state.Running, state.Wanted)
	}
	return nil
}

// steady says whether tasks without a health check run long enough to say that they do.
func steady(spec swarm.ServiceSpec, tasks []swarm.Task) bool {
	if c := spec.TaskTemplate.ContainerSpec; c == nil || c.Healthcheck != nil && len(c.Healthcheck.Test) > 0 {
		return true
	}
	var newest time.Time
	for _, t := range tasks {
		if t.Status.State == swarm.TaskStateRunning && t.Status.Timestamp.After(newest) {
			newest = t.Status.Timestamp
		}
	}
	return time.Since(newest) > steadyEnough
}

// statesOf is a text that differs where a task's state does.
func statesOf(tasks []swarm.Task) string {
	var b strings.Builder
	for _, t := range tasks {
		b.WriteString(t.ID + string(t.Status.State))
	}
	return b.String()
}

// stage says how far tasks are that do not run yet: ", 1 preparing".
func stage(tasks []swarm.Task) string {
	counts := map[swarm.TaskState]int{}
	for _, t := range tasks {
		if t.DesiredState == swarm.TaskStateRunning || t.DesiredState == swarm.TaskStateReady {
			counts[t.Status.State]++
		}
	}
	var out string
	for _, state := range []swarm.TaskState{
		swarm.TaskStatePending, swarm.TaskStateAssigned, swarm.TaskStatePreparing, swarm.TaskStateStarting,
	} {
		if n := counts[state]; n > 0 {
			out += fmt.Sprintf(", %d %s", n, state)
		}
	}
	return out
}

// failure is a service's failure on one screen: the tasks that failed, where, why, and their last lines.
func (r *run) failure(ctx context.Context, err error) *fault.Error {
	var n *notReady
	if !errors.As(err, &n) {
		return fault.New(fault.Failed, "go tool mage deploy", "deploying %s: %w", r.plan.Stack, err)
	}
	f := fault.New(fault.Failed, "go tool mage logs "+fault.Quote(n.service), "deploying %s: %w", r.plan.Stack, n)
	for i, t := range n.failures {
		if i == shownFailures {
			break
		}
		f.Detail = append(f.Detail, fmt.Sprintf("task %s on %s: %s", t.Name(n.service), t.Node, r.words(ctx, t)))
		if i > 0 {
			continue
		}
		for _, line := range diagnosis.LastLines(ctx, taskLogs{r.engine}, t.Task) {
			f.Detail = append(f.Detail, "  "+line)
		}
	}
	return f
}

// words says why a task failed. Of one on the node that is asked, the engine knows what its health check said.
func (r *run) words(ctx context.Context, t cluster.Failure) string {
	if t.NodeID != r.plan.cluster.Self || t.Container == "" {
		return t.Words
	}
	found, err := r.engine.ContainerInspect(ctx, t.Container, client.ContainerInspectOptions{})
	if err != nil || found.Container.State == nil {
		return t.Words
	}
	h := found.Container.State.Health
	if h == nil || h.Status != moby.Unhealthy || len(h.Log) == 0 {
		return r.end(ctx, found.Container, t)
	}
	last := h.Log[len(h.Log)-1]
	return fmt.Sprintf("unhealthy: its health check says %s (exit %d)", bounded.LastLine(last.Output), last.ExitCode)
}

// end says how a task's container on this node ended, where more is known than its exit code.
func (r *run) end(ctx context.Context, c moby.InspectResponse, t cluster.Failure) string {
	replica := container.Replica{InspectResponse: c}
	evidence.Explain(ctx, r.engine, evidence.At(r.engine), []*container.Replica{&replica})
	if replica.Last == nil || !replica.Last.Told() {
		return t.Words
	}
	return replica.Last.String()
}

// taskLogs reads the logs of tasks as those of containers are read: the manager asks the task's node.
type taskLogs struct{ *engine.Engine }

// ContainerLogs is the log of the task with that ID.
func (l taskLogs) ContainerLogs(
	ctx context.Context, id string, o client.ContainerLogsOptions,
) (client.ContainerLogsResult, error) {
	return l.TaskLogs(ctx, id, client.TaskLogsOptions{ShowStdout: o.ShowStdout, ShowStderr: o.ShowStderr, Tail: o.Tail})
}
