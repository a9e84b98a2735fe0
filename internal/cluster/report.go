package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// Report is what the nodes of a Swarm are and have at one moment.
type Report struct {
	Asked    string            `json:"asked"` // the name of the node that was asked
	Nodes    []NodeReport      `json:"nodes"` // by name
	Findings []finding.Finding `json:"findings"`
}

// NodeReport is one node.
type NodeReport struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Role         string `json:"role"`         // leader, manager or worker
	State        string `json:"state"`        // ready, down, unknown or disconnected
	Availability string `json:"availability"` // active, pause or drain
	Address      string `json:"address"`
	Engine       string `json:"engine"`   // the version
	Platform     string `json:"platform"` // linux/amd64
	// What tasks reserve, of all stacks: it need not be what they use.
	CPUs           float64           `json:"cpus"`
	ReservedCPUs   float64           `json:"reserved_cpus"`
	Memory         int64             `json:"memory"`
	ReservedMemory int64             `json:"reserved_memory"`
	Resources      []GenericReport   `json:"generic_resources"`
	Labels         map[string]string `json:"labels"`
	EngineLabels   map[string]string `json:"engine_labels"`
	Volumes        []string          `json:"volumes"` // whose data is there, as deploys noted
	Stacks         []StackReport     `json:"stacks"`
}

// GenericReport is a generic resource that a node offers, such as its GPUs.
type GenericReport struct {
	Kind     string `json:"kind"`
	Total    int64  `json:"total"`
	Reserved int64  `json:"reserved"`
}

// StackReport is what a node has of a stack.
type StackReport struct {
	Stack   string `json:"stack"` // "" for services of none
	Running int    `json:"running"`
	Coming  int    `json:"coming"` // tasks that are to run and don't yet
	Failed  int    `json:"failed"` // tasks that did, as far as the Swarm remembers
}

// Report says what the nodes are and have, and what is wrong with them. noIPVS is ipvs.Lacks of the asked node.
func (c Cluster) Report(noIPVS bool) Report {
	out := Report{Asked: NodeName(c.Nodes, c.Self), Nodes: []NodeReport{}}
	for _, r := range c.rooms() {
		out.Nodes = append(out.Nodes, c.node(r))
	}
	out.Findings = c.findings()
	if noIPVS {
		out.Findings = append(out.Findings, finding.Tell("node.ipvs",
			"nothing, or a kernel with CONFIG_IP_VS; endpoint: vip under x-compose-mage has deploys try all the same",
			"%s: its kernel has no IPVS: services are found by DNS, and ports published where tasks run",
			out.Asked))
	}
	return out
}

func (c Cluster) node(r *room) NodeReport {
	n := r.node
	platform := n.Description.Platform
	out := NodeReport{
		ID: n.ID, Name: Name(n), Role: string(n.Spec.Role), State: string(n.Status.State),
		Availability: string(n.Spec.Availability), Address: n.Status.Addr, Engine: n.Description.Engine.EngineVersion,
		Platform: platform.OS + "/" + architecture(platform.Architecture),
		CPUs:     float64(r.total.cpus) / 1e9, ReservedCPUs: float64(r.total.cpus-r.free.cpus) / 1e9,
		Memory: r.total.memory, ReservedMemory: r.total.memory - r.free.memory,
		Resources: []GenericReport{}, Labels: map[string]string{}, EngineLabels: map[string]string{},
		Volumes: []string{}, Stacks: c.stacks(n.ID),
	}
	if n.ManagerStatus != nil {
		if n.ManagerStatus.Leader {
			out.Role = "leader"
		}
		if host, _, _ := strings.Cut(n.ManagerStatus.Addr, ":"); out.Address == "0.0.0.0" || out.Address == "" {
			out.Address = host // a manager does not see its own
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(r.total.generic)) {
		total := r.total.generic[kind]
		out.Resources = append(out.Resources, GenericReport{kind, total, total - r.free.generic[kind]})
	}
	for key, value := range n.Spec.Labels {
		if name, ok := strings.CutPrefix(key, volumeLabel); ok && value == "true" {
			out.Volumes = append(out.Volumes, name)
		} else {
			out.Labels[key] = value
		}
	}
	slices.Sort(out.Volumes)
	maps.Copy(out.EngineLabels, n.Description.Engine.Labels)
	return out
}

// stacks counts the tasks of a node by the stacks of their services.
func (c Cluster) stacks(node string) []StackReport {
	stackOf := map[string]string{}
	for _, s := range c.AllServices {
		stackOf[s.ID] = s.Spec.Labels[swarmspec.StackLabel]
	}
	byStack := map[string]*StackReport{}
	for _, t := range c.Tasks {
		if t.NodeID != node {
			continue
		}
		name := stackOf[t.ServiceID]
		if byStack[name] == nil {
			byStack[name] = &StackReport{Stack: name}
		}
		switch s := byStack[name]; {
		case t.Status.State == swarm.TaskStateFailed, t.Status.State == swarm.TaskStateRejected:
			s.Failed++
		case runs(t) && ToRun(t):
			s.Running++
		case ToRun(t) && !Ended(t):
			s.Coming++
		}
	}
	out := []StackReport{}
	for _, name := range slices.Sorted(maps.Keys(byStack)) {
		if s := *byStack[name]; cmp.Or(s.Running, s.Coming, s.Failed) > 0 {
			out = append(out, s)
		}
	}
	return out
}
