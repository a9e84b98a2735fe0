package deployed

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/container"
)

// Task is one task of a service: a container on a node, or what came of it.
type Task struct {
	Name      string          `json:"name"`           // "web.2", and of a global service "web" alone
	Service   string          `json:"service"`        // by its name in the Compose files
	Node      string          `json:"node,omitempty"` // its name; "" where none has taken it yet
	State     swarm.TaskState `json:"state"`          // as the Swarm has it: running, starting, pending, …
	Health    string          `json:"health,omitempty"`
	Since     time.Time       `json:"since"`
	Why       string          `json:"why,omitempty"`       // what is wrong with it
	ExitCode  int             `json:"exit_code,omitempty"` // of its container
	Container string          `json:"container,omitempty"` // its ID on the node
	// Before is why the task that was in its place ended, and when; "" where that did not fail.
	Before string    `json:"before,omitempty"`
	Ended  time.Time `json:"before_ended,omitzero"`

	id, nodeID string
	tty        bool
	limit      int64 // of memory
	current    bool  // it has not ended, and is to run
}

// place is where one task comes after the other.
type place struct {
	slot int
	node string // of a global service
}

// tasksOf gives the tasks of a service that count now: in each place those that are to run, and where there is none
// the last one, if it failed or was a job's.
func (s Stack) tasksOf(name string) []Task {
	service := s.Services[name]
	state := cluster.Progress(service, s.Tasks, s.Nodes)
	failed := map[string]cluster.Failure{}
	for _, f := range cluster.FailedSince(service, s.Tasks, s.Nodes, time.Time{}) {
		failed[f.Task] = f
	}
	ours := map[string]bool{} // failures of the spec as it is now
	for _, f := range state.Failures {
		ours[f.Task] = true
	}
	places := map[place][]swarm.Task{}
	for _, t := range s.Tasks {
		if t.ServiceID != service.ID {
			continue
		}
		at := place{slot: t.Slot}
		if t.Slot == 0 {
			at.node = t.NodeID
		}
		places[at] = append(places[at], t)
	}
	var out []Task
	for _, group := range places {
		slices.SortFunc(group, func(a, b swarm.Task) int { return b.CreatedAt.Compare(a.CreatedAt) })
		for i, t := range group {
			current := cluster.ToRun(t) && !cluster.Ended(t)
			job := cluster.IsJob(service.Spec)
			last := i == 0 && (ours[t.ID] || job && t.Status.State == swarm.TaskStateComplete)
			if !current && !last {
				continue
			}
			task := s.task(name, t, failed)
			task.current = current
			for _, older := range group[i+1:] {
				if f, is := failed[older.ID]; is {
					task.Before, task.Ended = bounded.Line(f.Words), f.At
					break
				}
			}
			out = append(out, task)
		}
	}
	slices.SortFunc(out, func(a, b Task) int {
		return cmp.Or(naturally(a.Name, b.Name), cmp.Compare(a.Node, b.Node), a.Since.Compare(b.Since))
	})
	return out
}

// naturally compares names whose numbers may have more digits: web.2 is before web.10.
func naturally(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

func (s Stack) task(service string, t swarm.Task, failed map[string]cluster.Failure) Task {
	out := Task{
		Name: service, Service: service, State: t.Status.State, Since: t.Status.Timestamp, id: t.ID, nodeID: t.NodeID,
	}
	if t.Slot > 0 {
		out.Name = fmt.Sprintf("%s.%d", service, t.Slot)
	}
	if t.NodeID != "" {
		out.Node = cluster.NodeName(s.Nodes, t.NodeID)
	}
	if c := t.Status.ContainerStatus; c != nil {
		out.Container, out.ExitCode = c.ContainerID, c.ExitCode
	}
	if r := t.Spec.Resources; r != nil && r.Limits != nil {
		out.limit = r.Limits.MemoryBytes
	}
	if c := t.Spec.ContainerSpec; c != nil {
		out.tty = c.TTY
		if h := c.Healthcheck; h != nil && len(h.Test) > 0 && h.Test[0] != "NONE" {
			switch t.Status.State { //nolint:exhaustive // all others have no health
			case swarm.TaskStateRunning:
				out.Health = "healthy" // a Swarm calls it running no sooner
			case swarm.TaskStateStarting:
				out.Health = "starting"
			}
		}
	}
	switch f, is := failed[t.ID]; {
	case is:
		out.Why = bounded.Line(f.Words)
	case t.Status.Err != "":
		out.Why = bounded.Line(t.Status.Err)
	case out.ExitCode != 0 && cluster.Ended(t):
		out.Why = container.ExitText(out.ExitCode)
	}
	return out
}
