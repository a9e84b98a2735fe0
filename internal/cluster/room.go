package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/moby/moby/api/types/swarm"
)

// room is a node, and what is free on it.
type room struct {
	node    swarm.Node
	total   claim
	free    claim          // may be below nothing
	ports   map[string]int // how many tasks publish a port of the node, as "tcp/80"
	active  map[string]int // tasks that are to run, by the key of their service
	tasks   []task         // that hold something
	portsOf map[string]string
}

// claim is a share of a node.
type claim struct {
	memory, cpus int64 // bytes, billionths of a CPU
	generic      map[string]int64
}

// task is one on a node.
type task struct {
	id      string
	service string // its key
	slot    int
	stays   bool // it is to run; false for one that is being stopped, and holds its share meanwhile
	claim   claim
	ports   []string
}

// generics counts resources by their kinds: a named one is one of its kind.
func generics(resources []swarm.GenericResource) map[string]int64 {
	out := map[string]int64{}
	for _, r := range resources {
		if d := r.DiscreteResourceSpec; d != nil {
			out[d.Kind] += d.Value
		}
		if n := r.NamedResourceSpec; n != nil {
			out[n.Kind]++
		}
	}
	return out
}

func claimOf(r swarm.Resources) claim {
	return claim{memory: r.MemoryBytes, cpus: r.NanoCPUs, generic: generics(r.GenericResources)}
}

// reserved is what each task of the specification reserves.
func reserved(spec swarm.TaskSpec) claim {
	if spec.Resources == nil || spec.Resources.Reservations == nil {
		return claim{}
	}
	return claimOf(*spec.Resources.Reservations)
}

// hostPorts are those that a task has of its node.
func hostPorts(ports []swarm.PortConfig) []string {
	var out []string
	for _, p := range ports {
		if p.PublishMode == swarm.PortConfigPublishModeHost && p.PublishedPort != 0 {
			out = append(out, fmt.Sprintf("%d/%s", p.PublishedPort, cmp.Or(string(p.Protocol), "tcp")))
		}
	}
	return out
}

func specPorts(spec swarm.ServiceSpec) []string {
	if spec.EndpointSpec == nil {
		return nil
	}
	return hostPorts(spec.EndpointSpec.Ports)
}

// rooms are the nodes with what their tasks leave, sorted by name.
func (c Cluster) rooms() []*room {
	byID := map[string]*room{}
	out := make([]*room, 0, len(c.Nodes))
	for _, n := range c.Nodes {
		r := &room{
			node: n, total: claimOf(n.Description.Resources), free: claimOf(n.Description.Resources),
			ports: map[string]int{}, active: map[string]int{}, portsOf: map[string]string{},
		}
		byID[n.ID] = r
		out = append(out, r)
	}
	services := map[string]swarm.ServiceSpec{}
	for _, s := range c.AllServices {
		services[s.ID] = s.Spec
	}
	for _, t := range c.Tasks {
		r := byID[t.NodeID]
		if r == nil || !holds(t) {
			continue
		}
		ports := hostPorts(t.Status.PortStatus.Ports)
		if len(ports) == 0 {
			ports = specPorts(services[t.ServiceID])
		}
		r.add(task{
			id: t.ID, service: cmp.Or(services[t.ServiceID].Name, t.ServiceID), slot: t.Slot,
			stays: ToRun(t), claim: reserved(t.Spec), ports: ports,
		})
	}
	slices.SortFunc(out, func(a, b *room) int {
		return cmp.Or(cmp.Compare(Name(a.node), Name(b.node)), cmp.Compare(a.node.ID, b.node.ID))
	})
	return out
}

// holds says whether the scheduler counts a task's share as taken: from its assignment to its end, wanted or not.
func holds(t swarm.Task) bool {
	switch t.Status.State {
	case swarm.TaskStateAssigned, swarm.TaskStateAccepted, swarm.TaskStatePreparing, swarm.TaskStateReady,
		swarm.TaskStateStarting, swarm.TaskStateRunning:
		return true
	}
	return false
}

func (r *room) add(t task) {
	r.tasks = append(r.tasks, t)
	r.take(t.claim, -1)
	if t.stays {
		r.active[t.service]++
	}
	for _, p := range t.ports {
		r.ports[p]++
		r.portsOf[p] = t.service
	}
}

// remove takes away the tasks for which gone is true.
func (r *room) remove(gone func(task) bool) {
	r.tasks = slices.DeleteFunc(r.tasks, func(t task) bool {
		if !gone(t) {
			return false
		}
		r.take(t.claim, 1)
		if t.stays {
			r.active[t.service]--
		}
		for _, p := range t.ports {
			r.ports[p]--
		}
		return true
	})
}

// take adds a share to what is free, or takes it off.
func (r *room) take(c claim, sign int64) {
	r.free.memory += sign * c.memory
	r.free.cpus += sign * c.cpus
	for kind, n := range c.generic {
		r.free.generic[kind] += sign * n
	}
}

// clone is a room that can be filled without the other one noticing.
func (r *room) clone() *room {
	out := *r
	out.free.generic, out.ports = maps.Clone(r.free.generic), maps.Clone(r.ports)
	out.active, out.portsOf, out.tasks = maps.Clone(r.active), maps.Clone(r.portsOf), slices.Clone(r.tasks)
	return &out
}

func clones(rooms []*room) []*room {
	out := make([]*room, len(rooms))
	for i, r := range rooms {
		out[i] = r.clone()
	}
	return out
}
