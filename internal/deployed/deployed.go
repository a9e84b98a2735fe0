// Package deployed owns what is said of a stack that was deployed to a Docker Swarm, and what is done to it there
// without a deploy: status, logs, monitor, restart, stop and cleanup.
package deployed

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// Stack is a deployed stack at one moment, and what the Compose files say of it.
type Stack struct {
	cluster.Cluster
	// Project is what the Compose files say; nil where they don't count.
	Project *types.Project
	Now     time.Time // by the manager's clock
}

// Look asks the manager for the stack.
func Look(ctx context.Context, e *engine.Engine, name string, project *types.Project) (Stack, error) {
	c, err := cluster.Look(ctx, e, e.Info.Swarm.NodeID, name)
	return Stack{Cluster: c, Project: project, Now: e.Now()}, err
}

// Said names the stack as the first line of every output does: "stack shop on 3 nodes of the Swarm of box1".
func (s Stack) Said() string {
	nodes := fmt.Sprintf("%d nodes", len(s.Nodes))
	if len(s.Nodes) == 1 {
		nodes = "the one node"
	}
	return fmt.Sprintf("stack %s on %s of the Swarm of %s", s.Stack, nodes, s.Manager())
}

// Manager is the name of the node that was asked.
func (s Stack) Manager() string { return cluster.NodeName(s.Nodes, s.Self) }

// Names are the services that the stack has, by name.
func (s Stack) Names() []string { return slices.Sorted(maps.Keys(s.Services)) }

// Pick gives the services that are named, all where none is. One that the stack has not is an error.
func (s Stack) Pick(named []string) ([]string, error) {
	all := s.Names()
	if len(named) == 0 {
		return all, nil
	}
	for _, name := range named {
		if slices.Contains(all, name) {
			continue
		}
		if s.Project != nil && slices.Contains(s.Project.ServiceNames(), name) {
			return nil, fault.New(fault.Failed, "go tool mage deploy", "stack %s has no service %q on the Swarm yet",
				s.Stack, name)
		}
		return nil, fault.New(fault.Usage, "go tool mage status", "stack %s has no service %q%s", s.Stack, name,
			fault.DidYouMean(name, all))
	}
	return slices.Compact(slices.Sorted(slices.Values(named))), nil
}

// inOrder gives the services, each after those that it depends on; what the files lack comes last.
func (s Stack) inOrder(services []string) []string {
	var out []string
	done := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if done[name] {
			return
		}
		done[name] = true
		if s.Project != nil {
			for _, other := range slices.Sorted(maps.Keys(s.Project.Services[name].DependsOn)) {
				visit(other)
			}
		}
		if slices.Contains(services, name) {
			out = append(out, name)
		}
	}
	var unknown []string
	for _, name := range services {
		if s.Project != nil && !slices.Contains(s.Project.ServiceNames(), name) {
			unknown = append(unknown, name)
			continue
		}
		visit(name)
	}
	return append(out, unknown...)
}

// Found is what there is under a project's name: a stack on the Swarm, containers that start has made, or both.
type Found struct {
	Services   int // of the stack
	Active     int // of those, services that are to have tasks
	Containers int // made by start, on the engine that is asked
	Up         int // of those, containers that run
}

// Find asks the manager what there is. Where the Swarm has no such stack, nothing else is asked.
func Find(ctx context.Context, e *engine.Engine, project string) (Found, error) {
	services, err := e.ServiceList(ctx, client.ServiceListOptions{
		Filters: make(client.Filters).Add("label", swarmspec.StackLabel+"="+project),
	})
	if err != nil {
		return Found{}, fmt.Errorf("asking the Swarm for its services: %w", err)
	}
	f := Found{Services: len(services.Items)}
	if f.Services == 0 {
		return f, nil
	}
	for _, s := range services.Items {
		if _, stopped := stoppedMark(s.Spec); !stopped {
			f.Active++
		}
	}
	made, err := container.List(ctx, e, project)
	if err != nil {
		return f, err
	}
	for _, group := range made {
		for _, c := range group {
			f.Containers++
			if c.State != moby.StateExited && c.State != moby.StateCreated && c.State != moby.StateDead {
				f.Up++
			}
		}
	}
	return f, nil
}

// Which is what the targets are about.
type Which int

// What they may be about.
const (
	Containers Which = iota // those of start
	Deployed                // the stack
	Unclear                 // both run, or neither does
)

// Choose says what is meant where nobody says it: the only one that there is, else the only one that runs.
func (f Found) Choose() Which {
	switch {
	case f.Services == 0:
		return Containers
	case f.Containers == 0, f.Active > 0 && f.Up == 0:
		return Deployed
	case f.Up > 0 && f.Active == 0:
		return Containers
	}
	return Unclear
}

// Other says what there is beside that which is meant, and how it is asked for; "" where there is nothing.
func (f Found) Other(meant Which, project, manager string) string {
	switch {
	case meant == Deployed && f.Containers > 0:
		return fmt.Sprintf("there are %d containers of start too, %d of them running: -deployed=false is about those",
			f.Containers, f.Up)
	case meant != Deployed && f.Services > 0:
		return fmt.Sprintf("stack %s is on the Swarm of %s too, with %d services: -deployed is about it", project,
			manager, f.Services)
	}
	return ""
}

// stopLabel is on a service that stop has stopped: how many copies it had; "global" where it is one on each node.
const stopLabel = "compose-mage.stopped"

// nowhere is a constraint that no node meets: it stops a global service.
const nowhere = "node.id==stopped-by-compose-mage"

// stoppedMark gives what stop wrote down of the service.
func stoppedMark(spec swarm.ServiceSpec) (string, bool) {
	mark, stopped := spec.Labels[stopLabel]
	return mark, stopped && (strings.Trim(mark, "0123456789") == "" && mark != "" || mark == global)
}

const global = "global"
