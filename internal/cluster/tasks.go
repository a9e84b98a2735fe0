package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/container"
)

// State is how far a service is.
type State struct {
	Wanted  int // tasks that are to run; of a job, that are to end well
	Running int // of those, tasks of the service's own spec that run, or have ended well
	Old     int // tasks of an earlier spec that have not ended, but for those of nodes that are down
	// Failures are the tasks of the service's own spec that failed, the newest first.
	Failures []Failure
	Done     bool // all tasks are of its spec and run, or a job has ended, and no update goes on
}

// Failure is a task that failed.
type Failure struct {
	Task string // its ID
	Slot int    // 0 for the task of a global service
	Node string // the node's name; "" where none took it
	// NodeID and Container are the IDs of the node and of the container there; "" where there is none.
	NodeID, Container string
	State             swarm.TaskState
	Words             string // why: "exited (exit 137: killed)", or what its engine said
	At                time.Time
}

// Name is what people call the task: "web.2", and of a global service "web" alone.
func (f Failure) Name(service string) string {
	if f.Slot == 0 {
		return service
	}
	return fmt.Sprintf("%s.%d", service, f.Slot)
}

// Progress says how far a service is, by the Swarm's tasks, of which some may be of other services.
func Progress(s swarm.Service, tasks []swarm.Task, nodes []swarm.Node) State {
	out := State{Wanted: wanted(s, tasks, nodes)}
	spec := specText(s.Spec.TaskTemplate)
	for _, t := range tasks {
		if t.ServiceID != s.ID {
			continue
		}
		current := isCurrent(s, t, spec)
		switch {
		case current && failed(s.Spec, t):
			out.Failures = append(out.Failures, failureOf(t, nodes))
		case current && t.Status.State == swarm.TaskStateComplete, // as it may
			current && !IsJob(s.Spec) && runs(t) && t.DesiredState == swarm.TaskStateRunning:
			out.Running++
		case !current && !Ended(t) && !IsJob(s.Spec) && !isDown(nodes, t.NodeID):
			out.Old++
		}
	}
	slices.SortStableFunc(out.Failures, func(a, b Failure) int { return b.At.Compare(a.At) })
	updating := s.UpdateStatus != nil && slices.Contains(
		[]swarm.UpdateState{swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted}, s.UpdateStatus.State)
	out.Done = out.Running >= out.Wanted && out.Old == 0 && !updating
	return out
}

// wanted is how many tasks there are to be: of a global service one on each node that may run it, which is where the
// Swarm means to have one.
func wanted(s swarm.Service, tasks []swarm.Task, nodes []swarm.Node) int {
	switch m := s.Spec.Mode; {
	case m.Replicated != nil:
		if m.Replicated.Replicas == nil {
			return 1
		}
		return int(*m.Replicated.Replicas)
	case m.ReplicatedJob != nil:
		if m.ReplicatedJob.TotalCompletions == nil {
			return 1
		}
		return int(*m.ReplicatedJob.TotalCompletions)
	}
	if s.ServiceStatus != nil {
		return int(s.ServiceStatus.DesiredTasks)
	}
	on := map[string]bool{}
	for _, t := range tasks {
		if t.ServiceID == s.ID && ToRun(t) {
			on[t.NodeID] = true
		}
	}
	return max(len(on), min(1, len(nodes)))
}

// ToRun says whether the Swarm means the task to run, at once or once another has ended.
func ToRun(t swarm.Task) bool {
	return slices.Contains([]swarm.TaskState{
		swarm.TaskStateReady, swarm.TaskStateRunning, swarm.TaskStateComplete, // a job's
	}, t.DesiredState)
}

// IsJob says whether the service is run to its end.
func IsJob(spec swarm.ServiceSpec) bool {
	return spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil
}

// isCurrent says whether the task is of the service's spec as it is now, and of a job's last run.
func isCurrent(s swarm.Service, t swarm.Task, spec string) bool {
	if IsJob(s.Spec) && s.JobStatus != nil && t.JobIteration != nil {
		return t.JobIteration.Index == s.JobStatus.JobIteration.Index
	}
	return specText(t.Spec) == spec
}

// FailedSince are the service's tasks that were made since then and failed, of whichever spec, the newest first.
func FailedSince(s swarm.Service, tasks []swarm.Task, nodes []swarm.Node, since time.Time) []Failure {
	var out []Failure
	for _, t := range tasks {
		if t.ServiceID == s.ID && failed(s.Spec, t) && !t.CreatedAt.Before(since) {
			out = append(out, failureOf(t, nodes))
		}
	}
	slices.SortStableFunc(out, func(a, b Failure) int { return b.At.Compare(a.At) })
	return out
}

// specText is a task's spec as a text, without its placement (a task that may stay where it is the Swarm does not
// replace) and without what is empty: of services and of tasks the Swarm gives that back in different ways.
func specText(spec swarm.TaskSpec) string {
	spec.Placement, spec.Runtime = nil, ""
	return text(spec)
}

// text is a value of the API as a text, without what is empty.
func text(value any) string {
	data, _ := json.Marshal(value) // the types of the API can be marshalled
	var tree any
	_ = json.Unmarshal(data, &tree)
	data, _ = json.Marshal(full(tree))
	return string(data)
}

// full is what of a JSON value is not empty; nil where all of it is.
func full(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, below := range v {
			if f := full(below); f != nil {
				out[key] = f
			}
		}
		if len(out) > 0 {
			return out
		}
	case []any:
		if len(v) > 0 {
			return v
		}
	case bool:
		if v {
			return v
		}
	case float64:
		if v != 0 {
			return v
		}
	case string:
		if v != "" {
			return v
		}
	}
	return nil
}

// runs says whether the task runs; with a health check it is healthy then.
func runs(t swarm.Task) bool { return t.Status.State == swarm.TaskStateRunning }

// Ended says whether the task runs no more, and will not.
func Ended(t swarm.Task) bool {
	return slices.Contains([]swarm.TaskState{
		swarm.TaskStateComplete, swarm.TaskStateShutdown, swarm.TaskStateFailed, swarm.TaskStateRejected,
		swarm.TaskStateRemove, swarm.TaskStateOrphaned,
	}, t.Status.State)
}

// failed says whether the task ended though it should not have. One that was stopped as its health check failed may
// have ended without an error.
func failed(spec swarm.ServiceSpec, t swarm.Task) bool {
	switch t.Status.State {
	case swarm.TaskStateFailed, swarm.TaskStateRejected:
		return true
	case swarm.TaskStateComplete:
		p := spec.TaskTemplate.RestartPolicy
		mayEnd := p != nil && (p.Condition == swarm.RestartPolicyConditionNone ||
			p.Condition == swarm.RestartPolicyConditionOnFailure)
		return !IsJob(spec) && !mayEnd
	}
	return false
}

func failureOf(t swarm.Task, nodes []swarm.Node) Failure {
	f := Failure{
		Task: t.ID, Slot: t.Slot, State: t.Status.State, At: t.Status.Timestamp,
		Words: cmp.Or(t.Status.Err, string(t.Status.State)),
	}
	if t.NodeID != "" {
		f.Node, f.NodeID = NodeName(nodes, t.NodeID), t.NodeID
	}
	c := t.Status.ContainerStatus
	if c == nil {
		return f
	}
	f.Container = c.ContainerID
	switch checks := t.Spec.ContainerSpec != nil && t.Spec.ContainerSpec.Healthcheck != nil; {
	case c.ExitCode != 0:
		f.Words = endOf(c.ExitCode)
	case t.Status.State == swarm.TaskStateComplete && checks:
		f.Words = "stopped, as its health check failed, or ended by itself (exit 0)"
	case t.Status.State == swarm.TaskStateComplete:
		f.Words = "ended by itself (exit 0)"
	}
	return f
}

// endOf says how a task ended in the words that are used of containers, as far as an exit code alone tells that.
func endOf(code int) string {
	end, _ := container.EndOf(moby.InspectResponse{State: &moby.State{Status: moby.StateExited, ExitCode: code}})
	return end.String()
}

// isDown says whether the Swarm counts the node as down: what its tasks were last said to do then stays so for a day.
func isDown(nodes []swarm.Node, id string) bool {
	return slices.ContainsFunc(nodes, func(n swarm.Node) bool {
		return n.ID == id && n.Status.State == swarm.NodeStateDown
	})
}

// NodeName is the node's host name; its ID where it is not known.
func NodeName(nodes []swarm.Node, id string) string {
	for _, n := range nodes {
		if n.ID == id {
			return n.Description.Hostname
		}
	}
	return id
}
