package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// volumeLabel begins the label of the node that has a volume's data; the volume's name follows. Names of volumes are
// letters, digits, dots, dashes and underscores, as the keys of constraints are.
const volumeLabel = "compose-mage.volume."

// VolumeLabel is the label of the node that has the volume's data.
func VolumeLabel(name string) string { return volumeLabel + name }

// Volume is a named volume of one machine, and the node that has it. The tasks that mount it run there.
type Volume struct {
	Name     string   `json:"name"`
	Services []string `json:"services"` // that mount it
	Node     string   `json:"node"`     // its ID
	NodeName string   `json:"node_name"`
	Chosen   bool     `json:"chosen"` // now: it has no data yet
	Why      string   `json:"why"`
}

// Note says it in a sentence, for a plan.
func (v Volume) Note() string {
	return fmt.Sprintf("volume %s keeps %s on %s: %s", v.Name, strings.Join(v.Services, " and "), v.NodeName, v.Why)
}

// VolumesInput is what the nodes of volumes follow from.
type VolumesInput struct {
	Stack swarmspec.Stack // converted without VolumeNodes
	Order []string        // of its services
	Kept  map[string]bool // the services whose tasks are not replaced
	Local []volume.Volume // of the engine that was asked
}

// VolumeNodes are the IDs of the nodes by the volumes' names, for a conversion.
func VolumeNodes(volumes []Volume) map[string]string {
	out := map[string]string{}
	for _, v := range volumes {
		out[v.Name] = v.Node
	}
	return out
}

// Volumes says which node has each volume. A volume is where a label of a node says, else where a service that mounts
// it is bound to, else where its last task was, else on the engine that was asked, else on a node that is chosen now:
// one that fits all services that mount the volume, and the volumes that those mount beside it.
func (c Cluster) Volumes(in VolumesInput) ([]Volume, error) {
	byName := map[string]*Volume{}
	for _, service := range in.Order {
		spec := in.Stack.Services[service]
		if spec.Mode.Global != nil || spec.Mode.GlobalJob != nil {
			continue // each node has a volume of its own
		}
		for _, name := range pinning(spec.TaskTemplate, in.Local) {
			if byName[name] == nil {
				byName[name] = &Volume{Name: name}
			}
			byName[name].Services = append(byName[name].Services, service)
		}
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		wrong = append(wrong, c.find(byName[name], in.Local))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	for _, group := range groups(byName) {
		wrong = append(wrong, c.settle(group, byName, in))
	}
	var out []Volume
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, *byName[name])
	}
	return out, errors.Join(wrong...)
}

// pinning are the names of the volumes that a task mounts and that are on one machine only.
func pinning(spec swarm.TaskSpec, local []volume.Volume) []string {
	var out []string
	if spec.ContainerSpec == nil {
		return nil
	}
	for _, m := range spec.ContainerSpec.Mounts {
		if m.Type != mount.TypeVolume || m.Source == "" || slices.Contains(out, m.Source) {
			continue
		}
		driver := mount.Driver{}
		if m.VolumeOptions != nil && m.VolumeOptions.DriverConfig != nil {
			driver = *m.VolumeOptions.DriverConfig
		} else if i := slices.IndexFunc(local, func(v volume.Volume) bool { return v.Name == m.Source }); i >= 0 {
			driver = mount.Driver{Name: local[i].Driver, Options: local[i].Options} // an external one
		}
		if cmp.Or(driver.Name, "local") == "local" && !overNetwork(driver.Options["type"]) {
			out = append(out, m.Source)
		}
	}
	return out
}

// overNetwork says whether a type of file system is the same from every machine.
func overNetwork(kind string) bool {
	return slices.ContainsFunc([]string{"nfs", "cifs", "smb", "ceph", "glusterfs", "fuse.", "9p", "lustre"},
		func(known string) bool { return strings.HasPrefix(strings.ToLower(kind), known) })
}

// find fills in where the volume is known to be, if anywhere.
func (c Cluster) find(v *Volume, local []volume.Volume) error {
	label := VolumeLabel(v.Name)
	labelled := map[string]bool{}
	for _, n := range c.Nodes {
		if n.Spec.Labels[label] == "true" {
			labelled[n.ID] = true
		}
	}
	if found, err := c.only(v, labelled, "the label "+label+" of the node says so"); found || err != nil {
		return err
	}
	bound := map[string]bool{}
	for _, s := range c.AllServices {
		if slices.Contains(pinning(s.Spec.TaskTemplate, local), v.Name) {
			for _, id := range boundTo(s.Spec.TaskTemplate) {
				bound[id] = true
			}
		}
	}
	if found, err := c.only(v, bound, "the service on the Swarm is bound to the node"); found || err != nil {
		return err
	}
	if found, err := c.lastTasks(v, local); found || err != nil {
		return err
	}
	i := slices.IndexFunc(local, func(have volume.Volume) bool { return have.Name == v.Name })
	if i < 0 {
		return nil
	}
	why := "this machine has a volume of that name"
	if local[i].Labels[container.ProjectLabel] != "" {
		why = "its data is on this machine, which ran the project without a Swarm"
	}
	_, err := c.only(v, map[string]bool{c.Self: true}, why)
	return err
}

// lastTasks finds the node of the tasks that had the volume last.
func (c Cluster) lastTasks(v *Volume, local []volume.Volume) (bool, error) {
	global := map[string]bool{}
	for _, s := range c.AllServices {
		global[s.ID] = s.Spec.Mode.Global != nil || s.Spec.Mode.GlobalJob != nil
	}
	var last swarm.Task
	run := map[string]bool{}
	for _, t := range c.Tasks {
		made := t.Status.ContainerStatus != nil && t.Status.ContainerStatus.ContainerID != "" && t.NodeID != ""
		if !made || global[t.ServiceID] || !slices.Contains(pinning(t.Spec, local), v.Name) {
			continue
		}
		if runs(t) {
			run[t.NodeID] = true
		}
		if last.ID == "" || t.Status.Timestamp.After(last.Status.Timestamp) {
			last = t
		}
	}
	if found, err := c.only(v, run, "its service runs there"); found || err != nil {
		return found, err
	}
	if last.ID == "" {
		return false, nil
	}
	return c.only(v, map[string]bool{last.NodeID: true}, "the last task that had it ran there")
}

// boundTo are the IDs of the nodes that a task's constraints name.
func boundTo(spec swarm.TaskSpec) []string {
	if spec.Placement == nil {
		return nil
	}
	parsed, _ := parseConstraints(spec.Placement.Constraints) // which a manager has taken
	var out []string
	for _, p := range parsed {
		if strings.EqualFold(p.key, "node.id") && p.equal {
			out = append(out, p.value)
		}
	}
	return out
}

// only takes the node where just one is meant. Two are a conflict.
func (c Cluster) only(v *Volume, ids map[string]bool, why string) (bool, error) {
	if len(ids) == 0 {
		return false, nil
	}
	found := slices.Sorted(maps.Keys(ids))
	var names []string
	for _, id := range found {
		names = append(names, NodeName(c.Nodes, id))
	}
	if len(found) > 1 {
		return true, fault.New(fault.Config, c.keepOne(VolumeLabel(v.Name), names, found),
			"service %q: the volume %q is on several nodes: %s (%s)", v.Services[0], v.Name,
			strings.Join(names, ", "), why)
	}
	i := slices.IndexFunc(c.Nodes, func(n swarm.Node) bool { return strings.EqualFold(n.ID, found[0]) })
	if i < 0 {
		return true, fault.New(fault.Config, "have the node join again, or restore the volume on another one, and: "+
			"docker node update --label-add "+fault.Quote(VolumeLabel(v.Name)+"=true")+" NODE",
			"service %q: its volume %q is on the node %s, which is no longer in the Swarm (%s)", v.Services[0], v.Name,
			found[0], why)
	}
	v.Node, v.NodeName, v.Why = c.Nodes[i].ID, Name(c.Nodes[i]), why
	if reason, ready := available(c.Nodes[i]); !ready {
		again := "start the engine of " + v.NodeName + " again; if it is gone for good, restore the volume on another" +
			" node, and: docker node rm --force " + fault.Quote(v.NodeName) + " && docker node update --label-add " +
			fault.Quote(VolumeLabel(v.Name)+"=true") + " NODE"
		return true, fault.New(fault.Resources, cmp.Or(reason.Remedy, again),
			"service %q: its volume %q is on %s, and %s (%s)", v.Services[0], v.Name, v.NodeName, reason.Text, why)
	}
	return true, nil
}

// keepOne is the command that says that the data to keep is on the first of the nodes, which a person has to know.
func (c Cluster) keepOne(label string, names, ids []string) string {
	command := "docker node update --label-add " + fault.Quote(label+"=true") + " " + fault.Quote(names[0])
	for i, id := range ids[1:] {
		at := slices.IndexFunc(c.Nodes, func(n swarm.Node) bool { return strings.EqualFold(n.ID, id) })
		if at >= 0 && c.Nodes[at].Spec.Labels[label] == "true" {
			command = "docker node update --label-rm " + fault.Quote(label) + " " + fault.Quote(names[i+1])
		}
	}
	return command + ", where the data to keep is on " + names[0]
}
