package delivery

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
)

const imageID = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

func TestFirstWay(t *testing.T) {
	here := &local{id: imageID}
	registry := Means{Registry: "r.example"}
	nodes := Means{Connections: map[string]string{"a": "ssh://a"}}
	for name, c := range map[string]struct {
		subject subject
		means   Means
		way     Way
		target  string
		err     string
	}{
		"built, with a registry of its own": {
			subject{name: "ghcr.io/me/api:1", built: true, local: here}, Means{}, Push, "ghcr.io/me/api:1", "",
		},
		"its own before the deploy's": {
			subject{name: "ghcr.io/me/api:1", built: true, local: here}, registry, Push, "ghcr.io/me/api:1", "",
		},
		"built, without a registry": {
			subject{name: "me/api:1", built: true, local: here}, registry, Push, "r.example/me/api:1", "",
		},
		"built, on loopback": {
			subject{name: "[::1]:5000/me/api:1", built: true, local: here}, registry, Push, "r.example/me/api:1", "",
		},
		"built, on loopback, and no other": {
			subject{name: "localhost:5000/me/api:1", built: true, local: here}, Means{}, Send, "", "",
		},
		"built, no registry":     {subject{name: "me/api:1", built: true, local: here}, Means{}, Send, "", ""},
		"built, nodes":           {subject{name: "ghcr.io/me/api:1", built: true, local: here}, nodes, Send, "", ""},
		"built, not there":       {subject{name: "me/api:1", built: true}, registry, "", "", "mage build web"},
		"third party":            {subject{name: "postgres:16"}, registry, Pull, "", ""},
		"third party, here":      {subject{name: "postgres:16", local: here}, registry, Pull, "", ""},
		"third party, nodes":     {subject{name: "postgres:16", local: here}, nodes, Send, "", ""},
		"third party, not here":  {subject{name: "postgres:16"}, nodes, Pull, "", ""},
		"third party, loopback":  {subject{name: "127.0.0.1:5/x:1", local: here}, registry, Push, "r.example/x:1", ""},
		"loopback, not here":     {subject{name: "localhost:5000/x:1"}, registry, Pull, "", ""},
		"an ID":                  {subject{name: imageID, local: here}, registry, Push, "r.example/p-web:latest", ""},
		"an ID, nodes":           {subject{name: imageID, local: here}, nodes, Send, "", ""},
		"an ID that is not here": {subject{name: imageID}, registry, "", "", "no registry knows an image by its ID"},
	} {
		c.subject.project, c.subject.services = "p", []string{"web"}
		c.subject.own = ownRegistry(c.subject.name)
		way, target, err := firstWay(&c.subject, c.means)
		if way != c.way || target != c.target || (err == nil) != (c.err == "") ||
			err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q %q %v", name, way, target, err)
		}
	}
}

// TestNobodyIsLeftWithoutTheImage holds what is refused before anything is touched.
func TestNobodyIsLeftWithoutTheImage(t *testing.T) {
	node := func(id string) swarm.Node {
		return swarm.Node{ID: id, Description: swarm.NodeDescription{Hostname: id + ".example"}}
	}
	here := &local{id: imageID}
	for name, c := range map[string]struct {
		subject subject
		means   Means
		nodes   map[string]*nodeEngine
		fits    []swarm.Node
		err     []string // none: it is sent
	}{
		"only the manager": {subject: subject{name: "x:1", built: true}, fits: []swarm.Node{node("self")}},
		"no node":          {subject: subject{name: "x:1", built: true}},
		"built": {
			subject: subject{name: "x:1", built: true}, fits: []swarm.Node{node("self"), node("a"), node("b")},
			err: []string{
				`service "web": image "x:1" does not get to a.example, b.example: it is built here, and its name`,
				"-registry=HOST:PORT, or -nodes=a.example=ssh://a.example",
			},
		},
		"on loopback": {
			subject: subject{name: "localhost:5000/x:1", built: true}, fits: []swarm.Node{node("a")},
			err: []string{"localhost:5000 is each machine's own"},
		},
		"pulled": {
			subject: subject{name: "x:1", instead: fault.New(fault.Registry, "", "Docker Hub is away")},
			fits:    []swarm.Node{node("a")}, err: []string{"Docker Hub is away"},
		},
		"one of two connected": {
			subject: subject{name: "x:1", built: true}, means: Means{Connections: map[string]string{"b": "ssh://b"}},
			nodes: map[string]*nodeEngine{"b": {failed: errors.New("node b is away")}},
			fits:  []swarm.Node{node("a"), node("b")},
			err:   []string{"node b is away", "does not get to a.example", "x-compose-mage.nodes: a.example=ssh"},
		},
		"another store": {
			subject: subject{name: "x:1", built: true}, nodes: map[string]*nodeEngine{"b": {containerd: true}},
			fits: []swarm.Node{node("b")}, err: []string{"the engine of b.example keeps its images in another kind"},
		},
	} {
		c.subject.local, c.subject.services = here, []string{"web"}
		c.subject.own = ownRegistry(c.subject.name)
		d := &Delivery{request: Request{Self: "self", Means: c.means, Engine: storeEngine{}}, nodes: c.nodes}
		step, err := d.route(context.Background(), &c.subject, c.fits)
		if len(c.err) == 0 && (err != nil || step.Way != Send || step.Reference != imageID) {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
		for _, want := range c.err {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwithout: %s", name, err, want)
			}
		}
	}
}

// storeEngine is one whose images are not in containerd's store.
type storeEngine struct{ Engine }

// ContainerdStore implements imageload.Engine.
func (storeEngine) ContainerdStore() bool { return false }

func TestReferences(t *testing.T) {
	of := digest.FromString("x")
	for name, want := range map[string]string{
		"postgres:16":         "postgres:16@" + of.String(),
		"ghcr.io/me/api:1":    "ghcr.io/me/api:1@" + of.String(),
		"r.example:5000/me/x": "r.example:5000/me/x@" + of.String(),
		"postgres@" + imageID: "postgres@" + imageID,
	} {
		if got := pinned(name, of); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestFittingNodes(t *testing.T) {
	d := &Delivery{request: Request{Nodes: []swarm.Node{{ID: "a"}, {ID: "b"}, {ID: "c"}}}}
	s := &subject{services: []string{"web", "worker"}}
	for name, c := range map[string]struct {
		fits map[string][]string
		want string
	}{
		"not said":   {nil, "abc"},
		"of either":  {map[string][]string{"web": {"c"}, "worker": {"a"}, "other": {"b"}}, "ac"},
		"of none":    {map[string][]string{"web": nil, "worker": {}}, ""},
		"not listed": {map[string][]string{"other": {"b"}}, ""},
	} {
		got := ""
		for _, n := range d.fitting(s, c.fits) {
			got += n.ID
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
