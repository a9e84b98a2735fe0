package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// Fit is where the tasks of a service have a place.
type Fit struct {
	Service string       // its key in the model
	Nodes   []swarm.Node // those that can have a task now, the one with the most free memory first
	Refused []Refusal    // the other ones
	Copies  int          // the tasks that the service is to have; of a global one, the nodes that it is for
	On      map[string]int
	// Placed are the tasks that have a place, with those that are kept; On says by node ID where they could be.
	Placed int
	// Left are the nodes as they refuse the first task that has no place, after the other ones have taken theirs.
	Left []Refusal
	// Traps are nodes on which the Swarm may put tasks, and whose engines refuse them.
	Traps []Refusal
	// Invalid is what the manager refuses whichever nodes there are.
	Invalid error
}

// Refusal is a node that can't have a task.
type Refusal struct {
	Node    swarm.Node
	Reasons []Reason // what comes first is what the scheduler counts
}

// Fit says where the service has a place beside all that runs on the Swarm, itself replaced.
func (c Cluster) Fit(name string, spec swarm.ServiceSpec) Fit {
	stack := swarmspec.Stack{Name: c.Stack, Services: map[string]swarm.ServiceSpec{name: spec}}
	return c.Place(stack, []string{name}, nil)[0]
}

// Place says where the services of the stack have a place, one after the other in their order: each takes its room
// from those after it. kept are the services whose tasks are not replaced; they may get more or fewer.
func (c Cluster) Place(stack swarmspec.Stack, order []string, kept map[string]bool) []Fit {
	rooms := c.rooms()
	out := make([]Fit, 0, len(order))
	for _, name := range order {
		d := c.demand(stack, name)
		if old, there := c.Services[name]; there && modeOf(old.Spec) != modeOf(d.spec) { // removed, and made anew
			for _, r := range rooms {
				r.remove(d.mine)
			}
		}
		fit := Fit{Service: name, On: map[string]int{}, Invalid: c.invalid(&d)}
		if fit.Invalid == nil {
			d.place(rooms, kept[name], &fit)
		}
		out = append(out, fit)
	}
	return out
}

// demand is what a service of the stack asks of a node.
func (c Cluster) demand(stack swarmspec.Stack, name string) demand {
	drivers := map[string]string{}
	for _, n := range c.Networks {
		drivers[n.ID], drivers[n.Name] = n.Driver, n.Driver
	}
	for _, n := range stack.Networks {
		drivers[n.Name] = n.Options.Driver
	}
	spec := stack.Services[name]
	return demand{
		key: spec.Name, spec: spec, claim: reserved(spec.TaskTemplate), ports: specPorts(spec), drivers: drivers,
		nodes: c.Nodes,
	}
}

// modeOf tells the modes apart.
func modeOf(spec swarm.ServiceSpec) [4]bool {
	m := spec.Mode
	return [4]bool{m.Replicated != nil, m.Global != nil, m.ReplicatedJob != nil, m.GlobalJob != nil}
}

// invalid says what the manager refuses of the specification before it looks at nodes.
func (c Cluster) invalid(d *demand) error {
	if p := d.spec.TaskTemplate.Placement; p != nil {
		var err error
		if d.constraints, err = parseConstraints(p.Constraints); err != nil {
			return err
		}
	}
	if n := d.claim.cpus; n != 0 && n < 1e6 {
		return fmt.Errorf("deploy.resources.reservations.cpus is %s, and a Swarm takes no less than 0.001", cpus(n))
	}
	if n := d.claim.memory; n != 0 && n < 4<<20 {
		return fmt.Errorf("deploy.resources.reservations.memory is %d bytes, and a Swarm takes no less than 4m", n)
	}
	for _, other := range c.AllServices {
		if other.Spec.Name == d.key {
			continue
		}
		if port, clash := portClash(d.spec, other.Spec); clash {
			return fmt.Errorf("port %s is published by the service %q of the Swarm already", port, other.Spec.Name)
		}
	}
	return nil
}

// portClash gives a port that two services can't both publish: of the routing mesh, on every node.
func portClash(a, b swarm.ServiceSpec) (string, bool) {
	if a.EndpointSpec == nil || b.EndpointSpec == nil {
		return "", false
	}
	for _, p := range a.EndpointSpec.Ports {
		for _, q := range b.EndpointSpec.Ports {
			mesh := p.PublishMode != swarm.PortConfigPublishModeHost || q.PublishMode != swarm.PortConfigPublishModeHost
			protocol := cmp.Or(p.Protocol, "tcp")
			if mesh && p.PublishedPort != 0 && p.PublishedPort == q.PublishedPort &&
				protocol == cmp.Or(q.Protocol, "tcp") {
				return fmt.Sprintf("%d/%s", p.PublishedPort, protocol), true
			}
		}
	}
	return "", false
}

// Err says why not all tasks of the service have a place; nil where they have.
func (f Fit) Err() error {
	const next = "go tool mage nodes"
	switch {
	case f.Invalid != nil:
		return fault.New(fault.Config, fault.Correct, "service %q: %w", f.Service, f.Invalid)
	case len(f.Left) == 0 && len(f.Traps) > 0:
		return fault.New(fault.Config, fault.Correct, "service %q: a Swarm does not look at limits, and may put "+
			"tasks on a node that refuses them; reserve as many CPUs, or keep it from there by "+
			"deploy.placement.constraints, such as node.hostname!=%s", f.Service,
			Name(f.Traps[0].Node)).WithDetail(refusals(f.Traps)...)
	case len(f.Left) == 0 && f.Placed >= f.Copies:
		return nil
	case f.Placed == 0:
		return fault.New(fault.Resources, next, "service %q fits no node", f.Service).WithDetail(refusals(f.Left)...)
	}
	return fault.New(fault.Resources, next, "service %q: %d of its %d tasks have a place, and the next fits no node",
		f.Service, f.Placed, f.Copies).WithDetail(refusals(f.Left)...)
}

// refusals lists why nodes refuse; those with the same reasons share a line.
func refusals(refused []Refusal) []string {
	if len(refused) == 0 {
		return []string{"the Swarm has no node"}
	}
	var texts []string
	names := map[string][]string{}
	for _, r := range refused {
		var all []string
		for _, reason := range r.Reasons {
			all = append(all, reason.String())
		}
		text := strings.Join(all, "; ")
		if len(names[text]) == 0 {
			texts = append(texts, text)
		}
		names[text] = append(names[text], Name(r.Node))
	}
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = strings.Join(names[text], ", ") + ": " + text
	}
	return out
}

// Unfit joins the errors of the services that have no place; nil where all have.
func Unfit(fits []Fit) error {
	var out []error
	for _, f := range fits {
		out = append(out, f.Err())
	}
	return errors.Join(out...)
}
