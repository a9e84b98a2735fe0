package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

func mounts(names ...string) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) {
		for _, name := range names {
			m := mount.Mount{Type: mount.TypeVolume, Source: name, Target: "/" + name}
			s.TaskTemplate.ContainerSpec.Mounts = append(s.TaskTemplate.ContainerSpec.Mounts, m)
		}
	}
}

func driven(driver string, options ...string) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) {
		d := &mount.Driver{Name: driver, Options: map[string]string{}}
		for _, o := range options {
			key, value, _ := strings.Cut(o, "=")
			d.Options[key] = value
		}
		s.TaskTemplate.ContainerSpec.Mounts[0].VolumeOptions = &mount.VolumeOptions{DriverConfig: d}
	}
}

// stacked is a stack of these services, in their order.
func stacked(specs ...swarm.ServiceSpec) VolumesInput {
	in := VolumesInput{Stack: swarmspec.Stack{Name: "p", Services: map[string]swarm.ServiceSpec{}}}
	for _, s := range specs {
		name := strings.TrimPrefix(s.Name, "p_")
		in.Stack.Services[name] = s
		in.Order = append(in.Order, name)
	}
	return in
}

func withLocal(in VolumesInput, v ...volume.Volume) VolumesInput {
	in.Local = v
	return in
}

// hadTask has a task of a service, in a state, on a node, some seconds ago.
func hadTask(c Cluster, spec swarm.ServiceSpec, on string, state swarm.TaskState, ago int) Cluster {
	c.Tasks = append(slices.Clone(c.Tasks), swarm.Task{
		ID: fmt.Sprint(on, ago), NodeID: "id-" + on, Spec: spec.TaskTemplate, Status: swarm.TaskStatus{
			State: state, Timestamp: time.Unix(1e9-int64(ago), 0),
			ContainerStatus: &swarm.ContainerStatus{ContainerID: "c"},
		},
	})
	return c
}

func placed(volumes []Volume) string {
	var out []string
	for _, v := range volumes {
		how := "known"
		if v.Chosen {
			how = "chosen"
		}
		out = append(out, fmt.Sprintf("%s %s on %s", how, v.Name, v.NodeName))
	}
	return strings.Join(out, ", ")
}

func TestVolumesAreWhereTheirDataIs(t *testing.T) {
	a := service("a", 1, mounts("data"))
	plain := nodes(node("n1"), node("n2", memory(16*gib)), node("n3"))
	plain.Self = "id-n3"
	noted := nodes(node("n1", labelled("compose-mage.volume.data", "true")), node("n2"), node("n3"))
	composed := volume.Volume{Name: "data", Driver: "local", Labels: map[string]string{container.ProjectLabel: "p"}}
	nfs := volume.Volume{Name: "data", Driver: "local", Options: map[string]string{"type": "nfs4"}}
	bound := withTasks(plain, service("a", 1, mounts("data"), constrained("node.id==id-n1")), "n2")
	elsewhere := withTasks(plain,
		service("a", 1, mounts("data"), constrained("node.labels.x==id-n1", "node.id!=id-n1")))
	everywhere := withTasks(plain, service("b", 1, mounts("data"), global), "n1")
	running, failed := swarm.TaskStateRunning, swarm.TaskStateFailed
	ran := hadTask(hadTask(plain, a, "n1", failed, 9), a, "n3", failed, 5)
	b := service("b", 1, mounts("b"))
	device := service("a", 1, mounts("data"), driven("", "type=none", "o=bind"))
	for name, c := range map[string]struct {
		cluster Cluster
		in      VolumesInput
		want    string // the volumes, or a part of an error
	}{
		"nothing":          {plain, stacked(service("a", 1)), ""},
		"chosen":           {plain, stacked(a), "chosen data on n2"},
		"noted":            {noted, stacked(a), "known data on n1"},
		"noted wins":       {hadTask(noted, a, "n2", running, 1), stacked(a), "known data on n1"},
		"bound to a label": {elsewhere, stacked(a), "chosen data on n2"},
		"bound":            {bound, stacked(a), "known data on n1"},
		"runs":             {hadTask(plain, a, "n1", running, 1), stacked(a), "known data on n1"},
		"ran":              {ran, stacked(a), "known data on n3"},
		"another volume":   {hadTask(plain, b, "n1", running, 1), stacked(a), "chosen data on n2"},
		"start made it":    {plain, withLocal(stacked(a), composed), "known data on n3"},
		"runs, and here":   {hadTask(plain, a, "n1", running, 1), withLocal(stacked(a), composed), "known data on n1"},
		"global":           {plain, stacked(service("a", 1, mounts("data"), global)), ""},
		"global's tasks":   {everywhere, stacked(a), "chosen data on n2"},
		"driver":           {plain, stacked(service("a", 1, mounts("data"), driven("rexray"))), ""},
		"nfs":              {plain, stacked(service("a", 1, mounts("data"), driven("local", "type=nfs"))), ""},
		"cifs, no driver":  {plain, stacked(service("a", 1, mounts("data"), driven("", "type=CIFS"))), ""},
		"a device":         {plain, stacked(device), "chosen data on n2"},
		"external and nfs": {plain, withLocal(stacked(a), nfs), ""},
		"no name":          {plain, stacked(service("a", 1, mounts(""))), ""},
		"two of a service": {
			hadTask(plain, service("a", 1, mounts("data")), "n1", running, 1),
			stacked(service("a", 1, mounts("data", "more"))), "known data on n1, known more on n1",
		},
		"shared, by a chain": {
			plain, stacked(service("a", 1, mounts("x", "y")), service("b", 1, mounts("y", "z")),
				service("c", 1, mounts("z"), constrained("node.hostname==n1"))),
			"chosen x on n1, chosen y on n1, chosen z on n1",
		},
		"room for both": {
			plain, stacked(service("a", 1, mounts("x"), reserve(0, 10*gib)),
				service("b", 1, mounts("y"), reserve(0, 7*gib))), "chosen x on n2, chosen y on n1",
		},
		"room for the one after it": {
			plain, stacked(service("a", 1, mounts("x"), reserve(0, gib)), service("b", 1, reserve(0, 16*gib))),
			"chosen x on n1",
		},
		"no copies": {plain, stacked(service("a", 0, mounts("x"), constrained("node.hostname==n3"))), "chosen x on n3"},
		"fits none": {
			plain, stacked(service("a", 1, mounts("x"), constrained("node.hostname==n1")),
				service("b", 1, mounts("x"), constrained("node.hostname==n2"))),
			"the services a, b fit no node together",
		},
		"fits none alone": {plain, stacked(service("a", 1, mounts("x"), reserve(0, 20*gib))), "service a fits no node"},
		"noted twice": {
			nodes(node("n1", labelled("compose-mage.volume.data", "true")),
				node("n2", labelled("compose-mage.volume.data", "true"))),
			stacked(a), `service "a": the volume "data" is on several nodes: n1, n2 (the label ` +
				"compose-mage.volume.data of the node says so)\n  next: docker node update --label-rm " +
				"compose-mage.volume.data n2, where the data to keep is on n1",
		},
		"runs twice": {
			hadTask(hadTask(plain, a, "n1", running, 1), a, "n2", running, 2), stacked(a),
			"is on several nodes: n1, n2 (its service runs there)\n  next: docker node update --label-add " +
				"compose-mage.volume.data=true n1, where the data to keep is on n1",
		},
		"gone": {hadTask(plain, a, "old", failed, 1), stacked(a), "node id-old, which is no longer in the Swarm"},
		"down": {
			hadTask(nodes(node("n1"), node("n2", func(n *swarm.Node) { n.Status.State = swarm.NodeStateDown })), a,
				"n2", failed, 1), stacked(a), `service "a": its volume "data" is on n2, and the node is down ` +
				"(the last task that had it ran there)\n  next: start the engine of n2 again; if it is gone for " +
				"good, restore the volume on another node, and: docker node rm --force n2 && docker node update " +
				"--label-add compose-mage.volume.data=true NODE",
		},
		"two nodes for one service": {
			hadTask(hadTask(plain, a, "n1", running, 1), service("b", 1, mounts("more")), "n2", running, 1),
			stacked(service("a", 1, mounts("data", "more"))),
			`"data" is on n1 (its service runs there), "more" is on n2`,
		},
		"does not suit": {
			plain, withLocal(stacked(service("a", 1, mounts("data"), constrained("node.labels.gpu==true"))), composed),
			"is on n3 (its data is on this machine, which ran the project without a Swarm), where it can't run: " +
				"constraint node.labels.gpu==true",
		},
	} {
		got, err := c.cluster.Volumes(c.in)
		text := placed(got)
		if err != nil {
			text = err.Error()
		}
		if err == nil && text != c.want || err != nil && (c.want == "" || !strings.Contains(text, c.want)) {
			t.Errorf("%s:\n got %s\nwant %s", name, text, c.want)
		}
		if err != nil && !strings.Contains(text, "next: ") {
			t.Errorf("%s: no remedy in %s", name, text)
		}
	}
}

func TestANoteOfAVolume(t *testing.T) {
	v := Volume{Name: "p_db", Services: []string{"db", "backup"}, NodeName: "n1", Why: "its service runs there"}
	if got := v.Note(); got != "volume p_db keeps db and backup on n1: its service runs there" {
		t.Error(got)
	}
	// The label can be a key of a constraint.
	if _, err := parseConstraints([]string{"node.labels." + VolumeLabel("p_Db-1.x") + "==true"}); err != nil {
		t.Error(err)
	}
}

// noting is a manager on which another one changes nodes too.
type noting struct {
	client.NodeAPIClient
	node    swarm.Node
	between int // changes of others that come between
	updates int
}

func (n *noting) NodeInspect(context.Context, string, client.NodeInspectOptions) (client.NodeInspectResult, error) {
	return client.NodeInspectResult{Node: n.node}, nil
}

func (n *noting) NodeUpdate(
	_ context.Context, _ string, o client.NodeUpdateOptions,
) (client.NodeUpdateResult, error) {
	n.updates++
	if n.between > 0 {
		n.between--
		n.node.Version.Index++
	}
	if o.Version != n.node.Version {
		return client.NodeUpdateResult{}, errors.New("update out of sequence")
	}
	n.node.Spec = o.Spec
	return client.NodeUpdateResult{}, nil
}

func TestVolumesAreNoted(t *testing.T) {
	m := &noting{node: node("n1", labelled("a", "b")), between: 2}
	volumes := []Volume{{Name: "x", Node: "id-n1"}, {Name: "y", Node: "id-n1"}}
	for range 2 {
		if err := NoteVolumes(t.Context(), m, volumes); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"a": "b", VolumeLabel("x"): "true", VolumeLabel("y"): "true"}
	if m.updates != 3 || !maps.Equal(m.node.Spec.Labels, want) {
		t.Errorf("after %d updates: %v", m.updates, m.node.Spec.Labels)
	}
	m.between, m.node.Spec.Labels = 100, nil
	if err := NoteVolumes(t.Context(), m, volumes); err == nil {
		t.Error("a note that was not taken is no error")
	}
}

// TestNewVolumesAreSpread: nothing is gained by three machines when all of a stack's volumes are on the first.
func TestNewVolumesAreSpread(t *testing.T) {
	c := nodes(node("n1"), node("n2"), node("n3"))
	volumes, err := c.Volumes(stacked(service("a", 1, mounts("va")), service("b", 1, mounts("vb")),
		service("c", 1, mounts("vc")), service("d", 1, mounts("va", "vd"))))
	on := map[string]string{}
	for _, v := range volumes {
		on[v.Name] = v.NodeName
	}
	if err != nil || on["va"] == on["vb"] || on["vb"] == on["vc"] || on["va"] == on["vc"] || on["vd"] != on["va"] {
		t.Errorf("got %v, %v", on, err)
	}
}

// TestNodesWithGPUTasksAreLeftAlone: swarmkit's constraint enforcer, until its sense was turned round, ended tasks
// whose resource the node does have.
func TestNodesWithGPUTasksAreLeftAlone(t *testing.T) {
	gpu := service("gpu", 1, reserve(0, 0, discrete("gpu", 1)))
	c := withTasks(nodes(node("n1"), node("n2")), gpu, "n1")
	got := c.Changeable([]Volume{{Name: "a", Node: "id-n1"}, {Name: "b", Node: "id-n2"}})
	if len(got) != 1 || got[0].Name != "b" {
		t.Errorf("got %+v", got)
	}
}
