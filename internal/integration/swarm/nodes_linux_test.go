//go:build integration && linux

package swarm

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"
)

// build makes an image of the probe and a file of random bytes on the first node, and gives its ID.
func (p *project) build(name string) string {
	p.t.Helper()
	data := make([]byte, 1<<20)
	if _, err := rand.Read(data); err != nil {
		p.t.Fatal(err)
	}
	var tarball bytes.Buffer
	w := tar.NewWriter(&tarball)
	dockerfile := []byte("FROM probe:1\nCOPY data /data\n")
	for name, data := range map[string][]byte{"Dockerfile": dockerfile, "data": data} {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.api().ImageBuild(p.t.Context(), &tarball,
		client.ImageBuildOptions{Tags: []string{name}, Version: build.BuilderV1, Remove: true})
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		p.t.Fatal(err)
	}
	found, err := p.api().ImageInspect(p.t.Context(), name)
	if err != nil {
		p.t.Fatalf("building %s: %v", name, err)
	}
	return found.ID
}

// runs checks that each node runs one container of the project's, of that image.
func (p *project) runs(id string) {
	p.t.Helper()
	for _, n := range p.Nodes {
		got, err := n.Client.ContainerList(p.t.Context(), client.ContainerListOptions{Filters: p.mine()})
		if err != nil || len(got.Items) != 1 || got.Items[0].ImageID != id {
			p.t.Errorf("on %s there run %+v, %v; not %s", n.Name, got.Items, err, id)
		}
	}
}

// An image that only the manager's engine has goes to three nodes without a registry, and so does its next build. A
// node that can't get it stops the deploy before anything is touched.
func TestIntegrationDeployWithoutARegistry(t *testing.T) {
	const service = "services:\n  web: {image: 'nodes/web:1', build: ., deploy: {mode: global}}\n"
	p := newProject(t, "nodes", service)
	nodes := service + "x-compose-mage: {nodes: {node2: '" + p.Nodes[1].Host + "'"
	first := p.build("nodes/web:1")
	p.write("compose.yaml", "name: nodes\n"+nodes+"}}\n")
	_, _, err := p.deploy(time.Minute)
	if err == nil || !strings.Contains(err.Error(), `service "web": image "nodes/web:1" does not get to node3`) {
		t.Errorf("without an address of node3: %v", err)
	}
	if left := p.versions(); len(left) > 0 {
		t.Errorf("the deploy that was stopped left %v", left)
	}
	p.write("compose.yaml", "name: nodes\n"+nodes+", node3: '"+p.Nodes[2].Host+"'}}\n")
	p.mustDeploy()
	p.runs(first)
	if plan := p.mustDeploy(); len(plan.Operations) > 0 {
		t.Errorf("of nothing: %+v", plan.Operations)
	}
	second := p.build("nodes/web:1")
	p.mustDeploy()
	p.runs(second)
}
