package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Filter is one of the questions that a Swarm's scheduler asks of a node, in its order.
type Filter string

// The filters, in the words with which the scheduler counts the nodes that failed them.
const (
	FilterReady      Filter = "not available for new tasks"
	FilterResources  Filter = "insufficient resources"
	FilterPlugin     Filter = "missing plugin"
	FilterConstraint Filter = "scheduling constraints not satisfied"
	FilterPlatform   Filter = "unsupported platform"
	FilterHostPort   Filter = "host-mode port already in use"
	FilterCopies     Filter = "max replicas per node limit exceed"
)

// FilterEngine is what no scheduler asks: the node's engine refuses the task after it was placed there.
const FilterEngine Filter = "refused by the engine"

// Reason is why a node can't have a task.
type Reason struct {
	Filter Filter `json:"filter"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // a command, or what to change
}

func (r Reason) String() string {
	if r.Remedy == "" {
		return r.Text
	}
	return r.Text + " (" + r.Remedy + ")"
}

// demand is what a service asks of a node.
type demand struct {
	key         string // the service's name on the Swarm
	spec        swarm.ServiceSpec
	claim       claim
	ports       []string
	constraints []constraint
	drivers     map[string]string // of the Swarm's networks, by name and by ID
	nodes       []swarm.Node      // of the Swarm
}

// reasons are all that keep a task of the service from the node; none where it fits. What comes first is what the
// scheduler counts.
func (d demand) reasons(r *room) []Reason {
	if reason, ready := available(r.node); !ready {
		return []Reason{reason}
	}
	return slices.Concat(
		d.resources(r), d.plugins(r.node), d.unmet(r.node), d.platform(r.node), d.taken(r), d.copies(r), d.limits(r))
}

// available says whether the node takes new tasks.
func available(n swarm.Node) (Reason, bool) {
	out := Reason{Filter: FilterReady}
	switch {
	case n.Status.State != swarm.NodeStateReady:
		out.Text = "the node is " + string(n.Status.State)
		if n.Status.Message != "" {
			out.Text += ": " + n.Status.Message
		}
	case n.Spec.Availability == swarm.NodeAvailabilityActive:
		return Reason{}, true
	case n.Spec.Availability == swarm.NodeAvailabilityDrain:
		out.Text = "the node is drained"
	default:
		out.Text = "the node is paused"
	}
	if n.Status.State == swarm.NodeStateReady {
		out.Remedy = "docker node update --availability active " + fault.Quote(Name(n))
	}
	return out, false
}

// share is one kind of what a node has.
type share struct {
	name               string
	asked, free, total int64
	show               func(int64) string
	change             string // what helps
}

func (s share) reason() Reason {
	out := Reason{Filter: FilterResources, Remedy: s.change}
	asked := s.show(s.asked) + " " + s.name + " asked for, "
	switch {
	case s.total == 0:
		out.Text = asked + "and the node offers none"
	case s.asked > s.total:
		out.Text = asked + "and the node has " + s.show(s.total)
	default:
		out.Text = asked + s.show(max(0, s.free)) + " of " + s.show(s.total) + " free"
	}
	return out
}

// cpus shows billionths of a CPU.
func cpus(nano int64) string { return strconv.FormatFloat(float64(nano)/1e9, 'g', 4, 64) }

func count(n int64) string { return strconv.FormatInt(n, 10) }

// resources are those that the node has not enough of. A Swarm compares what is reserved, not what is used.
func (d demand) resources(r *room) []Reason {
	const lower = "lower deploy.resources.reservations."
	shares := []share{
		{"CPUs", d.claim.cpus, r.free.cpus, r.total.cpus, cpus, lower + "cpus"},
		{"memory", d.claim.memory, r.free.memory, r.total.memory, ui.Bytes, lower + "memory"},
	}
	for _, kind := range slices.Sorted(maps.Keys(d.claim.generic)) {
		change := lower + "generic_resources"
		if r.total.generic[kind] == 0 {
			change = "node-generic-resources in the daemon.json of the node offers it"
		}
		shares = append(shares,
			share{kind, d.claim.generic[kind], r.free.generic[kind], r.total.generic[kind], count, change})
	}
	var out []Reason
	for _, s := range shares {
		if s.asked > 0 && s.asked > s.free {
			out = append(out, s.reason())
		}
	}
	return out
}

// limits are those that the node's engine takes for a mistake: of more CPUs than it has. The scheduler looks at what is
// reserved alone.
func (d demand) limits(r *room) []Reason {
	asked := d.spec.TaskTemplate.Resources
	if asked == nil || asked.Limits == nil || r.total.cpus == 0 || asked.Limits.NanoCPUs <= r.total.cpus {
		return nil
	}
	limit := cpus(asked.Limits.NanoCPUs)
	return []Reason{{
		Filter: FilterEngine,
		Text:   fmt.Sprintf("its engine refuses a limit of %s CPUs, as the node has %s", limit, cpus(r.total.cpus)),
		Remedy: "lower deploy.resources.limits.cpus",
	}}
}

// plugins are the drivers of volumes, networks and logs that the node's engine lacks.
func (d demand) plugins(n swarm.Node) []Reason {
	task := d.spec.TaskTemplate
	asked := [][2]string{}
	if task.ContainerSpec != nil {
		for _, m := range task.ContainerSpec.Mounts {
			if m.Type == mount.TypeVolume && m.VolumeOptions != nil && m.VolumeOptions.DriverConfig != nil {
				asked = append(asked, [2]string{"Volume", m.VolumeOptions.DriverConfig.Name})
			}
		}
	}
	for _, a := range task.Networks {
		asked = append(asked, [2]string{"Network", d.drivers[a.Target]})
	}
	if task.LogDriver != nil && task.LogDriver.Name != "none" {
		asked = append(asked, [2]string{"Log", task.LogDriver.Name})
	}
	var out []Reason
	for _, a := range asked {
		kind, name := a[0], a[1]
		if name == "" || kind == "Volume" && name == "local" || hasPlugin(n, kind, name) {
			continue
		}
		out = append(out, Reason{
			Filter: FilterPlugin, Text: fmt.Sprintf("the engine has no %s driver %s", strings.ToLower(kind), name),
			Remedy: "on the node: docker plugin install " + fault.Quote(name),
		})
	}
	return slices.Compact(out)
}

// hasPlugin says whether the node's engine has the driver. One that names no driver for logs at all is too old to.
func hasPlugin(n swarm.Node, kind, name string) bool {
	any := false
	for _, p := range n.Description.Engine.Plugins {
		if p.Type != kind {
			continue
		}
		any = true
		if p.Name == name || p.Name == name+":latest" {
			return true
		}
	}
	return kind == "Log" && !any
}

// unmet are the constraints that the node does not satisfy.
func (d demand) unmet(n swarm.Node) []Reason {
	var out []Reason
	for _, c := range d.constraints {
		if c.met(n) {
			continue
		}
		reason := c.reason(n)
		if strings.EqualFold(c.key, "node.id") && c.equal {
			reason.Text = fmt.Sprintf("it is bound to the node %s (%s)", NodeName(d.nodes, c.value), c.text)
		}
		out = append(out, reason)
	}
	return out
}

// platform says whether the image, or the service, is for another kind of machine.
func (d demand) platform(n swarm.Node) []Reason {
	placement := d.spec.TaskTemplate.Placement
	if placement == nil || len(placement.Platforms) == 0 {
		return nil
	}
	has := n.Description.Platform
	var names []string
	for _, p := range placement.Platforms {
		if (p.OS == "" || p.OS == has.OS) && (p.Architecture == "" ||
			architecture(p.Architecture) == architecture(has.Architecture)) {
			return nil
		}
		names = append(names, p.OS+"/"+architecture(p.Architecture))
	}
	return []Reason{{Filter: FilterPlatform, Text: fmt.Sprintf("it is for %s, and the node is %s/%s",
		strings.Join(names, ", "), has.OS, architecture(has.Architecture))}}
}

// architecture gives the name that images have for a kernel's.
func architecture(name string) string {
	switch name {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return name
}

// taken are ports of the node that another task publishes.
func (d demand) taken(r *room) []Reason {
	var out []Reason
	for _, p := range d.ports {
		if r.ports[p] == 0 {
			continue
		}
		by := r.portsOf[p]
		if by == d.key {
			by = "another of its tasks"
		}
		out = append(out, Reason{Filter: FilterHostPort, Text: "port " + p + " of the node is taken by " + by})
	}
	return out
}

// copies says whether the node has as many tasks of the service as it may.
func (d demand) copies(r *room) []Reason {
	placement := d.spec.TaskTemplate.Placement
	if placement == nil || placement.MaxReplicas == 0 || uint64(max(0, r.active[d.key])) < placement.MaxReplicas {
		return nil
	}
	return []Reason{{
		Filter: FilterCopies, Text: fmt.Sprintf("it has %d of its tasks, and max_replicas_per_node is %d",
			r.active[d.key], placement.MaxReplicas),
		Remedy: "raise deploy.placement.max_replicas_per_node",
	}}
}
