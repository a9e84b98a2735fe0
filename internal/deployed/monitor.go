package deployed

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/delivery"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/projects"
)

// Snapshot is a stack at one moment: what the manager knows of its tasks and of the nodes, and what the nodes' engines
// say of containers, as far as they can be asked.
type Snapshot struct {
	Time     time.Time  `json:"time"`
	Stack    string     `json:"stack"`
	Manager  string     `json:"manager"`
	Tasks    []TaskUse  `json:"tasks"`
	Nodes    []NodeRoom `json:"nodes"`
	Findings []string   `json:"findings"` // what is wrong, a sentence each

	said string
}

// TaskUse is a task, and what it uses.
type TaskUse struct {
	Task       `json:"task"`
	Restarts   int     `json:"restarts_1h"` // tasks in its place that failed within the last hour, as far as kept
	Measured   bool    `json:"measured"`    // the figures that follow are there
	CPUPercent float64 `json:"cpu_percent"` // of one core
	Memory     int64   `json:"memory_bytes"`
	Limit      int64   `json:"memory_limit_bytes,omitempty"` // 0 for none
}

// NodeRoom is a node, and what of it is taken by reservations, whichever stack's.
type NodeRoom struct {
	Name           string  `json:"name"`
	State          string  `json:"state"`
	Availability   string  `json:"availability"`
	CPUs           float64 `json:"cpus"`
	ReservedCPUs   float64 `json:"reserved_cpus"`
	Memory         int64   `json:"memory_bytes"`
	ReservedMemory int64   `json:"reserved_memory_bytes"`
	Tasks          int     `json:"tasks"` // of all stacks
	// Unasked says why the node's engine was not asked what its containers use; "" where it was, or has none of them.
	Unasked string `json:"unasked,omitempty"`
}

// Engines are the engines that can be asked, by the IDs of their nodes.
type Engines map[string]delivery.NodeEngine

// EnginesOf connects to the nodes whose addresses are known. The manager's own engine needs none.
func EnginesOf(
	ctx context.Context, e *engine.Engine, s Stack, addresses map[string]string,
) (Engines, func(), error) {
	found, closeAll, err := delivery.Engines(ctx, s.Nodes, s.Self, addresses)
	if err != nil {
		return nil, nil, err
	}
	found[s.Self] = delivery.NodeEngine{APIClient: e.APIClient}
	return found, closeAll, nil
}

// noAddress is why a node's engine can't be asked.
const noAddress = "no address of its engine; -nodes or x-compose-mage.nodes names it"

// answersWithin is how long a node's engine may take.
const answersWithin = 10 * time.Second

// Take takes a snapshot of the services.
func Take(ctx context.Context, s Stack, services []string, engines Engines) Snapshot {
	out := s.known(services)
	byNode := map[string][]int{}
	for i, t := range out.Tasks {
		if t.State == swarm.TaskStateRunning && t.Container != "" {
			byNode[t.nodeID] = append(byNode[t.nodeID], i)
		}
	}
	var wait sync.WaitGroup
	for i, n := range s.Nodes {
		tasks := byNode[n.ID]
		if len(tasks) == 0 {
			continue
		}
		room := &out.Nodes[i]
		e, there := engines[n.ID]
		switch {
		case n.Status.State != swarm.NodeStateReady:
			room.Unasked = "it is " + string(n.Status.State)
		case !there:
			room.Unasked = noAddress
		case e.Failed != nil:
			room.Unasked = bounded.Line(e.Failed.Error())
		default:
			wait.Go(func() {
				if err := measure(ctx, e, out.Tasks, tasks); err != nil {
					room.Unasked = bounded.Line(err.Error())
				}
			})
		}
	}
	wait.Wait()
	return out
}

// measure asks one engine for those of the tasks that it runs. A container that has just ended has no figures.
func measure(ctx context.Context, e client.APIClient, all []TaskUse, tasks []int) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	found := make([]moby.InspectResponse, len(tasks))
	var g errgroup.Group
	g.SetLimit(3)
	var failed error
	var mu sync.Mutex
	for i, task := range tasks {
		g.Go(func() error {
			c, err := e.ContainerInspect(ctx, all[task].Container, client.ContainerInspectOptions{})
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
				return nil
			}
			found[i] = c.Container
			return nil
		})
	}
	_ = g.Wait()
	running := slices.DeleteFunc(slices.Clone(found), func(c moby.InspectResponse) bool {
		return c.State == nil || !c.State.Running
	})
	loads := projects.Sampler(e, true)(ctx, running)
	for i, task := range tasks {
		if load, measured := loads[found[i].ID]; measured && found[i].ID != "" {
			all[task].Measured, all[task].CPUPercent, all[task].Memory = true, load.CPUPercent, load.Memory
		}
	}
	if len(loads) < len(running) && ctx.Err() != nil {
		return fmt.Errorf("its engine took more than %s: %w", answersWithin, ctx.Err())
	}
	if len(running) == 0 {
		return failed
	}
	return nil
}

// known is what the manager knows.
func (s Stack) known(services []string) Snapshot {
	out := Snapshot{
		Time: s.Now, Stack: s.Stack, Manager: s.Manager(), Tasks: []TaskUse{}, Nodes: s.rooms(), Findings: []string{},
		said: s.Said(),
	}
	report := s.Status(services)
	for _, t := range report.Tasks {
		out.Tasks = append(out.Tasks, TaskUse{Task: t, Limit: t.limit, Restarts: s.failedLately(t)})
	}
	for _, service := range report.Services {
		if !service.Fine {
			out.Findings = append(out.Findings, service.Service+" "+service.Why)
		}
	}
	for _, n := range report.Nodes {
		switch {
		case n.State == string(swarm.NodeStateReady):
		case len(n.Pinned) > 0:
			out.Findings = append(out.Findings, fmt.Sprintf("node %s is %s, and services can run nowhere else: %s",
				n.Name, n.State, joined(n.Pinned)))
		default:
			out.Findings = append(out.Findings, fmt.Sprintf("node %s is %s", n.Name, n.State))
		}
	}
	return out
}

// failedLately counts the tasks in the place of this one that failed within the last hour.
func (s Stack) failedLately(t Task) (n int) {
	service := s.Services[t.Service]
	for _, f := range cluster.FailedSince(service, s.Tasks, s.Nodes, time.Time{}) {
		same := f.Name(t.Service) == t.Name && (f.Slot > 0 || f.NodeID == t.nodeID)
		if same && s.Now.Sub(f.At) < time.Hour {
			n++
		}
	}
	return n
}

// rooms are the nodes in the Swarm's order, with what is reserved on each.
func (s Stack) rooms() []NodeRoom {
	out := make([]NodeRoom, 0, len(s.Nodes))
	for _, n := range s.Nodes {
		room := NodeRoom{
			Name: cluster.Name(n), State: string(n.Status.State), Availability: string(n.Spec.Availability),
			CPUs: float64(n.Description.Resources.NanoCPUs) / 1e9, Memory: n.Description.Resources.MemoryBytes,
		}
		for _, t := range s.Tasks {
			if t.NodeID != n.ID || cluster.Ended(t) || !cluster.ToRun(t) {
				continue
			}
			room.Tasks++
			if r := t.Spec.Resources; r != nil && r.Reservations != nil {
				room.ReservedCPUs += float64(r.Reservations.NanoCPUs) / 1e9
				room.ReservedMemory += r.Reservations.MemoryBytes
			}
		}
		out = append(out, room)
	}
	return out
}

// Fine says whether nothing is wrong.
func (s Snapshot) Fine() bool { return len(s.Findings) == 0 }

func (t TaskUse) whoseNode() string { return cmp.Or(t.Node, "-") }
