//go:build integration && linux

package swarm

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// keeper is a service that counts in a volume, on the second node at first; others make that node the fullest.
const keeper = `
services:
  keeper:
    image: ${PROBE}
    command: [append, /data/first, /data/second, "20000"]
    stop_grace_period: 1s
    environment: {ROUND: "${ROUND}"}
    volumes: [data:/data]
    deploy: {placement: {constraints: ["${WHERE}"]}, update_config: {monitor: 1s}}
  filler:
    image: ${PROBE}
    command: [sleep]
    stop_grace_period: 1s
    deploy: {replicas: 2, placement: {constraints: [node.hostname==node2]}}
volumes:
  data:
`

// second is the node that has the volume: not the one that deploys go to.
const second = 1

// counted is how far the keeper's tasks on the node have counted, by the file in its volume.
func (p *project) counted(node int) int {
	p.t.Helper()
	api := p.Nodes[node].Client
	found, err := api.ContainerList(p.t.Context(), client.ContainerListOptions{
		Filters: make(client.Filters).Add("label", "com.docker.swarm.service.name="+p.name+"_keeper"),
	})
	if err != nil || len(found.Items) != 1 {
		p.t.Fatalf("%d containers of keeper run on %s: %v", len(found.Items), p.Nodes[node].Name, err)
	}
	got, err := api.CopyFromContainer(p.t.Context(), found.Items[0].ID,
		client.CopyFromContainerOptions{SourcePath: "/data/first"})
	if err != nil {
		p.t.Fatal(err)
	}
	defer got.Content.Close()
	archive := tar.NewReader(got.Content)
	if _, err := archive.Next(); err != nil {
		p.t.Fatal(err)
	}
	text, err := io.ReadAll(archive)
	if err != nil {
		p.t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

// stays waits until the keeper's one task runs, which is to be on the second node, and to have counted on.
func (p *project) stays(last int) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	node := ""
	err := p.Until(ctx, "keeper runs", func() (bool, error) {
		tasks := p.tasks("keeper")
		if len(tasks) != 1 || tasks[0].Status.State != swarm.TaskStateRunning {
			return false, nil
		}
		node = tasks[0].NodeID
		return true, nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	home, err := p.inSwarm(ctx, p.Nodes[second].Name)
	if err != nil || node != home.ID {
		p.t.Fatalf("keeper runs on %s, not on %s: %v", node, home.ID, err)
	}
	now := p.counted(second)
	if now <= last {
		p.t.Errorf("counted to %d, before to %d", now, last)
	}
	return now
}

// inSwarm is what the Swarm has of a node.
func (p *project) inSwarm(ctx context.Context, name string) (swarm.Node, error) {
	got, err := p.api().NodeList(ctx, client.NodeListOptions{Filters: make(client.Filters).Add("name", name)})
	if err != nil || len(got.Items) != 1 {
		return swarm.Node{}, fmt.Errorf("%d nodes are called %s: %w", len(got.Items), name, err)
	}
	return got.Items[0], nil
}

func (p *project) state(ctx context.Context, node int, want swarm.NodeState) {
	p.t.Helper()
	err := p.Until(ctx, p.Nodes[node].Name+" is "+string(want), func() (bool, error) {
		got, err := p.inSwarm(ctx, p.Nodes[node].Name)
		return err == nil && got.Status.State == want, err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// A service stays with its volume's data: through deploys that don't say where, and when its node dies.
func TestIntegrationVolumeKeepsItsServiceOnItsNode(t *testing.T) {
	p := newProject(t, "keep", keeper)
	t.Setenv("WHERE", "node.hostname==node2")
	last := 0
	for _, round := range []string{"1", "2", "3"} {
		t.Setenv("ROUND", round)
		plan := p.mustDeploy()
		note := func(text string) bool {
			return strings.HasPrefix(text, "volume keep_data keeps keeper on node2: ")
		}
		if !slices.ContainsFunc(plan.Notes, note) {
			t.Errorf("round %s: the plan says nothing of the volume: %q", round, plan.Notes)
		}
		last = p.stays(last)
		t.Setenv("WHERE", "node.role==manager") // which all are
	}
	p.nodeDies(last)
}

// nodeDies kills the node that has the volume: its service runs nowhere else, a deploy says why, and touches nothing.
func (p *project) nodeDies(last int) {
	t := p.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := p.Kill(second); err != nil {
		t.Fatal(err)
	}
	dead := true
	t.Cleanup(func() {
		if dead {
			_ = p.Revive(context.Background(), second)
		}
	})
	p.state(ctx, second, swarm.NodeStateDown)
	home, err := p.inSwarm(ctx, p.Nodes[second].Name)
	if err != nil {
		t.Fatal(err)
	}
	before := p.versions()
	t.Setenv("ROUND", "4")
	_, _, err = p.deploy(time.Minute)
	if err == nil {
		t.Error("a deploy to a node that is down ended well")
	} else {
		t.Log(err)
		for _, want := range []string{"keeper", "keep_data", "node2", "down"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error lacks %q: %v", want, err)
			}
		}
	}
	for service, version := range p.versions() {
		if version != before[service] {
			t.Errorf("%s was touched: version %d, before %d", service, version, before[service])
		}
	}
	for _, task := range p.tasks("keeper") {
		if task.Status.State == swarm.TaskStateRunning && task.NodeID != home.ID {
			t.Errorf("keeper runs on %s, without its data", task.NodeID)
		}
	}
	if err := p.Revive(ctx, second); err != nil {
		t.Fatal(err)
	}
	dead = false
	p.state(ctx, second, swarm.NodeStateReady)
	p.mustDeploy()
	p.stays(last)
}
