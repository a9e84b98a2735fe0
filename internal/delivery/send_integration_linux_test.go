//go:build integration

package delivery

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	testswarm "github.com/25eloquence/compose-mage/internal/enginetest/swarm"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// testNode is a node of a Swarm that the test has for itself; the first is its manager.
type testNode struct {
	*client.Client
	id, name, address string
}

// startNodes starts a Swarm.
func startNodes(t *testing.T, n int) []testNode {
	t.Helper()
	nodes := make([]testNode, n)
	for i, node := range testswarm.New(t, testswarm.Options{Nodes: n}).Nodes {
		info, err := node.Client.Info(t.Context(), client.InfoOptions{})
		if err != nil {
			t.Fatal(err)
		}
		nodes[i] = testNode{node.Client, info.Info.Swarm.NodeID, node.Name, node.Host}
	}
	return nodes
}

func sendRequest(t *testing.T, e Engine, nodes []testNode, compose string) Request {
	t.Helper()
	r := Request{Project: composetest.Load(t, compose), Engine: e, Means: Means{Connections: map[string]string{}}}
	for _, n := range nodes {
		r.Nodes = append(r.Nodes, swarm.Node{ID: n.id, Description: swarm.NodeDescription{Hostname: n.name}})
		r.Means.Connections[n.id] = n.address
	}
	return r
}

// built makes an image of the probe and of files, each a layer of its own, and removes it when the test ends.
func built(t *testing.T, e *engine.Engine, name string, files ...[]byte) string {
	t.Helper()
	enginetest.Image(t, e, "delivery/probe:1", nil)
	var tarball bytes.Buffer
	w := tar.NewWriter(&tarball)
	dockerfile := "FROM delivery/probe:1\n"
	add := func(name string, data []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	for i, data := range files {
		file := string(rune('a' + i))
		add(file, data)
		dockerfile += "COPY " + file + " /" + file + "\n"
	}
	add("Dockerfile", []byte(dockerfile))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	answer, err := e.ImageBuild(t.Context(), &tarball,
		client.ImageBuildOptions{Tags: []string{name}, Version: build.BuilderV1, Remove: true})
	if err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	found, err := e.ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, said)
	}
	t.Cleanup(func() {
		_, _ = e.ImageRemove(context.Background(), found.ID,
			client.ImageRemoveOptions{Force: true, PruneChildren: true})
	})
	return found.ID
}

func random(t *testing.T, size int) []byte {
	t.Helper()
	out := make([]byte, size)
	if _, err := rand.Read(out); err != nil {
		t.Fatal(err)
	}
	return out
}

// deliver sends what the nodes lack, and gives the bytes that went to each of them, all questions included.
func deliver(t *testing.T, r Request) (Plan, []int64) {
	t.Helper()
	d := look(t, r)
	p, err := d.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = d.Deliver(t.Context(), p, ui.New(io.Discard)); err != nil {
		t.Fatal(err)
	}
	var sent []int64
	for _, n := range r.Nodes {
		sent = append(sent, d.nodes[n.ID].traffic.sent.Load()+d.nodes[n.ID].traffic.received.Load())
	}
	return p, sent
}

const mib = 1 << 20

// TestIntegrationWithoutARegistry sends images from the machine's engine to two others.
func TestIntegrationWithoutARegistry(t *testing.T) {
	e, nodes := enginetest.Connect(t), startNodes(t, 2)
	for name, run := range map[string]func(*testing.T, *engine.Engine, []testNode){
		"only the changed layer is sent": onlyTheChangedLayerIsSent, "tasks run what was sent": tasksRunWhatWasSent,
		"layers that are gone": layersThatAreGone, "nodes that fail": nodesThatFail, "over ssh": overSSH,
	} {
		t.Run(name, func(t *testing.T) { run(t, e, nodes) })
	}
}

// onlyTheChangedLayerIsSent counts the bytes of the connections to two nodes: for an image, for its next build with one
// changed file, and for one that they have.
func onlyTheChangedLayerIsSent(t *testing.T, e *engine.Engine, nodes []testNode) {
	t.Helper()
	base, first, second := random(t, 8*mib), random(t, 4*mib), random(t, 4*mib)
	r := sendRequest(t, e, nodes, "name: delivery\nservices:\n  web: {image: 'delivery/sent:1', build: .}\n")
	built(t, e, "delivery/sent:1", base, first)
	_, whole := deliver(t, r)
	id := built(t, e, "delivery/sent:1", base, second)
	p, delta := deliver(t, r)
	_, nothing := deliver(t, r)
	t.Logf("bytes to each node: the image %d, one changed layer of %d %d, nothing %d", whole, len(second), delta,
		nothing)
	for i, n := range nodes {
		if whole[i] < 12*mib || delta[i] > len64(second)*11/10 || delta[i] < len64(second) || nothing[i] > 64<<10 {
			t.Errorf("%s got %d bytes of the image, then %d of %d, then %d", n.name, whole[i], delta[i], len(second),
				nothing[i])
		}
		found, err := n.ImageInspect(t.Context(), "delivery/sent:1")
		if err != nil || found.ID != id {
			t.Errorf("%s has %s, %v; not %s", n.name, found.ID, err, id)
		}
	}
	if s := p.Steps[0]; s.Reference != id || s.Way != Send {
		t.Errorf("the tasks run %+v", s)
	}
}

func len64(data []byte) int64 { return int64(len(data)) }

// tasksRunWhatWasSent runs a service on every node by the image's ID: no engine asks a registry for it.
func tasksRunWhatWasSent(t *testing.T, e *engine.Engine, nodes []testNode) {
	t.Helper()
	id := built(t, e, "delivery/run:1", random(t, 1024))
	r := sendRequest(t, e, nodes, "name: delivery\nservices:\n  web: {image: 'delivery/run:1', build: .}\n")
	p, _ := deliver(t, r)
	since := time.Now().Add(-time.Second)
	manager := nodes[0]
	made, err := manager.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: "delivery-run"},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: p.Steps[0].Reference}},
		Mode:         swarm.ServiceMode{Global: &swarm.GlobalService{}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = manager.ServiceRemove(context.Background(), made.ID, client.ServiceRemoveOptions{}) })
	enginetest.Until(t, 30*time.Second, "a task runs on each node", func() bool {
		tasks, err := manager.TaskList(t.Context(), client.TaskListOptions{
			Filters: make(client.Filters).Add("service", made.ID),
		})
		if err != nil {
			t.Fatal(err)
		}
		running := 0
		for _, task := range tasks.Items {
			if task.Status.State == swarm.TaskStateRunning {
				running++
			}
		}
		return running == len(nodes)
	})
	for _, n := range nodes {
		containers, err := n.ContainerList(t.Context(), client.ContainerListOptions{
			Filters: make(client.Filters).Add("label", "com.docker.swarm.service.id="+made.ID),
		})
		if err != nil || len(containers.Items) != 1 || containers.Items[0].ImageID != id {
			t.Errorf("on %s there run %+v, %v; not %s", n.name, containers.Items, err, id)
		}
		events := n.Events(t.Context(), client.EventsListOptions{
			Since: since.Format(time.RFC3339Nano), Until: time.Now().Format(time.RFC3339Nano),
			Filters: make(client.Filters).Add("type", "image").Add("event", "pull"),
		})
		select {
		case m := <-events.Messages:
			t.Errorf("%s pulled %s", n.name, m.Actor.ID)
		case <-events.Err:
		}
	}
}

// layersThatAreGone sends an image to a node that has lost what it had when it was looked at.
func layersThatAreGone(t *testing.T, e *engine.Engine, nodes []testNode) {
	t.Helper()
	nodes = nodes[:1]
	base := random(t, mib)
	r := sendRequest(t, e, nodes, "name: delivery\nservices:\n  web: {image: 'delivery/gone:1', build: .}\n")
	old := built(t, e, "delivery/gone:1", base, random(t, 1024))
	deliver(t, r)
	id := built(t, e, "delivery/gone:1", base, random(t, 1024))
	d := look(t, r)
	s := d.subject("delivery/gone:1")
	to := &receiver{nodeEngine: d.nodes[nodes[0].id], node: &Node{}}
	if err := d.layersOf(to.id).Find(t.Context(), s.local.layers, nil, 1); err != nil {
		t.Fatal(err)
	}
	_, err := nodes[0].ImageRemove(t.Context(), old, client.ImageRemoveOptions{Force: true, PruneChildren: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.send(t.Context(), s, []*receiver{to}); err != nil {
		t.Fatal(err)
	}
	if found, err := nodes[0].ImageInspect(t.Context(), id); err != nil || found.ID != id {
		t.Errorf("the node has %s, %v; not %s", found.ID, err, id)
	}
	if to.node.Sent < len64(base) {
		t.Errorf("%d bytes: the base of %d was not sent again", to.node.Sent, len(base))
	}
}

// nodesThatFail wants each node that can't be had named, before anything is sent.
func nodesThatFail(t *testing.T, e *engine.Engine, nodes []testNode) {
	t.Helper()
	built(t, e, "delivery/fails:1", random(t, 1024))
	r := sendRequest(t, e, nodes, "name: delivery\nservices:\n  web: {image: 'delivery/fails:1', build: .}\n")
	r.Nodes = append(r.Nodes, swarm.Node{ID: "nobody", Description: swarm.NodeDescription{Hostname: "away"}})
	r.Means.Connections["away"] = "unix:///nowhere/docker.sock"
	r.Means.Connections[nodes[1].id] = nodes[0].address
	d := look(t, r)
	_, err := d.Plan(t.Context(), nil)
	for _, want := range []string{
		`node "away": its engine at "unix:///nowhere/docker.sock": `, "docker -H unix:///nowhere/docker.sock version",
		"it is another node's, that of",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", want, err)
		}
	}
	// Where no task may run there, it does not matter.
	p, err := d.Plan(t.Context(), map[string][]string{"web": {nodes[0].id}})
	if err != nil || len(p.Steps[0].Nodes) != 1 {
		t.Errorf("for one node: %+v, %v", p, err)
	}
}
