package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// groups are the names of volumes that have to be on one node, since a service mounts two of them, or one service the
// first and another one both.
func groups(byName map[string]*Volume) [][]string {
	var out [][]string
	done := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if done[name] {
			continue
		}
		group := []string{name}
		done[name] = true
		for i := 0; i < len(group); i++ {
			for _, other := range slices.Sorted(maps.Keys(byName)) {
				shared := slices.ContainsFunc(byName[group[i]].Services, func(service string) bool {
					return slices.Contains(byName[other].Services, service)
				})
				if shared && !done[other] {
					done[other] = true
					group = append(group, other)
				}
			}
		}
		out = append(out, group)
	}
	return out
}

// settle puts the volumes of a group on one node.
func (c Cluster) settle(group []string, byName map[string]*Volume, in VolumesInput) error {
	var known *Volume
	for _, name := range group {
		v := byName[name]
		if v.Node == "" {
			continue
		}
		if known != nil && known.Node != v.Node {
			return fault.New(fault.Config, "move one of them: copy its data, then docker node update --label-add "+
				fault.Quote(VolumeLabel(v.Name)+"=true")+" "+fault.Quote(known.NodeName),
				"services %s need volumes of two nodes: %q is on %s (%s), %q is on %s (%s)", mounting(group, byName),
				known.Name, known.NodeName, known.Why, v.Name, v.NodeName, v.Why)
		}
		known = v
	}
	chosen := known == nil
	var why string
	if chosen {
		node, left := c.choose(group, byName, in)
		if left != nil {
			return left
		}
		known = &Volume{Node: node.ID, NodeName: Name(node)}
		why = "it has no data yet, and the node has room for what mounts it"
	} else {
		why = "its service is bound there by the volume " + known.Name
	}
	for _, name := range group {
		v := byName[name]
		if v.Node == "" {
			v.Node, v.NodeName, v.Why, v.Chosen = known.Node, known.NodeName, why, chosen
		}
		if err := c.suits(*v, in); err != nil {
			return err
		}
	}
	return nil
}

// suits refuses a node that has a volume's data, and on which a service that mounts the volume never could run.
func (c Cluster) suits(v Volume, in VolumesInput) error {
	i := slices.IndexFunc(c.Nodes, func(n swarm.Node) bool { return n.ID == v.Node })
	for _, service := range v.Services {
		d := c.demand(in.Stack, service)
		if c.invalid(&d) != nil {
			continue
		}
		n := c.Nodes[i]
		if reasons := slices.Concat(d.plugins(n), d.unmet(n), d.platform(n)); len(reasons) > 0 {
			return fault.New(fault.Config, "copy what is to be kept to a node that suits, and: docker node update "+
				"--label-add "+fault.Quote(VolumeLabel(v.Name)+"=true")+" NODE",
				"service %q: its volume %q is on %s (%s), where it can't run: %s", service, v.Name, v.NodeName, v.Why,
				reasons[0])
		}
	}
	return nil
}

// mounting names the services of a group.
func mounting(group []string, byName map[string]*Volume) string {
	names := map[string]bool{}
	for _, name := range group {
		for _, service := range byName[name].Services {
			names[service] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

// choose gives the node on which the whole stack fits best with the group there: the first of those with the fewest
// services that have no place, in the order of what runs there, or will, and of free memory.
func (c Cluster) choose(group []string, byName map[string]*Volume, in VolumesInput) (swarm.Node, error) {
	services := strings.Split(mounting(group, byName), ", ")
	pins := map[string]string{}
	for _, v := range byName {
		for _, service := range v.Services {
			if v.Node != "" {
				pins[service] = v.Node
			}
		}
	}
	candidates := c.rooms()
	pinned := map[string]int{}
	for _, node := range pins {
		pinned[node]++
	}
	slices.SortStableFunc(candidates, func(a, b *room) int { // as the scheduler spreads what is not bound
		return cmp.Or(cmp.Compare(pinned[a.node.ID]+a.running(), pinned[b.node.ID]+b.running()),
			cmp.Compare(b.free.memory, a.free.memory))
	})
	var best swarm.Node
	var refused []Refusal
	fewest := len(in.Order) + 1
	for _, candidate := range candidates {
		for _, service := range services {
			pins[service] = candidate.node.ID
		}
		unfit := 0
		refusal := Refusal{Node: candidate.node}
		for _, f := range c.Place(bound(in.Stack, pins), in.Order, in.Kept) {
			if f.Err() != nil {
				unfit++
			}
			if slices.Contains(services, f.Service) && len(refusal.Reasons) == 0 {
				refusal.Reasons = f.refusedBy(candidate.node)
			}
		}
		if len(refusal.Reasons) > 0 {
			refused = append(refused, refusal)
		} else if unfit < fewest {
			best, fewest = candidate.node, unfit
		}
	}
	if best.ID != "" {
		return best, nil
	}
	text := "service " + services[0] + " fits no node"
	if len(services) > 1 {
		text = "the services " + strings.Join(services, ", ") + " fit no node together, and mount the same volumes"
	}
	return best, fault.New(fault.Resources, "go tool mage nodes", "%s", text).WithDetail(refusals(refused)...)
}

// refusedBy gives why the node can't have a task of the service, or not as many as it is to have. What the manager
// refuses anyway is said elsewhere.
func (f Fit) refusedBy(n swarm.Node) []Reason {
	for _, r := range slices.Concat(f.Refused, f.Left) {
		if r.Node.ID == n.ID {
			return r.Reasons
		}
	}
	return nil
}

// bound is the stack with services kept on nodes.
func bound(stack swarmspec.Stack, pins map[string]string) swarmspec.Stack {
	stack.Services = maps.Clone(stack.Services)
	for service, node := range pins {
		spec := stack.Services[service]
		placement := swarm.Placement{}
		if spec.TaskTemplate.Placement != nil {
			placement = *spec.TaskTemplate.Placement
		}
		placement.Constraints = append(slices.Clone(placement.Constraints), "node.id=="+node)
		spec.TaskTemplate.Placement = &placement
		stack.Services[service] = spec
	}
	return stack
}

// LocalVolumes asks the engine for its volumes.
func LocalVolumes(ctx context.Context, engine client.VolumeAPIClient) ([]volume.Volume, error) {
	found, err := engine.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return nil, fmt.Errorf("asking the engine for its volumes: %w", err)
	}
	return found.Items, nil
}

// Changeable are the volumes whose nodes can be noted. Older engines, 20.10 among them, end every task that has a
// generic resource, such as a GPU, when anything of its node is changed: of such a node the constraint of the service
// tells alone.
func (c Cluster) Changeable(volumes []Volume) []Volume {
	return slices.DeleteFunc(slices.Clone(volumes), func(v Volume) bool {
		return slices.ContainsFunc(c.Tasks, func(t swarm.Task) bool {
			r := t.Spec.Resources
			return t.NodeID == v.Node && holds(t) && r != nil && r.Reservations != nil &&
				len(r.Reservations.GenericResources) > 0
		})
	})
}

// NoteVolumes writes to the nodes which volumes they have, as labels. What is written already is left so.
func NoteVolumes(ctx context.Context, m client.NodeAPIClient, volumes []Volume) error {
	byNode := map[string][]string{}
	for _, v := range volumes {
		byNode[v.Node] = append(byNode[v.Node], VolumeLabel(v.Name))
	}
	for _, id := range slices.Sorted(maps.Keys(byNode)) {
		if err := noteVolumes(ctx, m, id, byNode[id]); err != nil {
			return fmt.Errorf("noting on a node that it has volumes: %w", err)
		}
	}
	return nil
}

func noteVolumes(ctx context.Context, m client.NodeAPIClient, id string, labels []string) error {
	const attempts = 5 // another's change may come between, for which the engine's error has no type
	var err error
	for range attempts {
		var found client.NodeInspectResult
		if found, err = m.NodeInspect(ctx, id, client.NodeInspectOptions{}); err != nil {
			return err
		}
		spec := found.Node.Spec
		spec.Labels = maps.Clone(spec.Labels)
		if spec.Labels == nil {
			spec.Labels = map[string]string{}
		}
		missing := false
		for _, label := range labels {
			missing = missing || spec.Labels[label] != "true"
			spec.Labels[label] = "true"
		}
		if !missing {
			return nil
		}
		_, err = m.NodeUpdate(ctx, id, client.NodeUpdateOptions{Version: found.Node.Version, Spec: spec})
		if err == nil {
			return nil
		}
	}
	return err
}
