package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/swarm"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Way is how an image gets onto the nodes.
type Way string

// The ways.
const (
	Pull   Way = "pull"   // the nodes pull what the registry answered
	Push   Way = "push"   // it is pushed, and the nodes pull it
	Pushed Way = "pushed" // the registry has just this image; the nodes pull it
	Send   Way = "send"   // it is sent to the engines of the nodes
)

// Plan is what a delivery does, image by image.
type Plan struct {
	Steps []Step `json:"steps"`
}

// Step is what is done for one image.
type Step struct {
	Image    string   `json:"image"` // as the model names it, with its tag
	Services []string `json:"services"`
	Way      Way      `json:"way"`
	// Reference is what the tasks run: name:tag@sha256:…, or sha256:…. Before a push the digest is not known.
	Reference string `json:"reference"`
	ID        string `json:"id,omitempty"`    // on the manager's engine
	Nodes     []Node `json:"nodes,omitempty"` // of a Send: those on which a task may run
	Why       string `json:"why,omitempty"`   // where it is another way than the image's name says
}

// Node is one that an image is sent to.
type Node struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Has  bool   `json:"has"` // it has the image
	// Sent are the bytes that went over its connections for the image.
	Sent int64 `json:"sent,omitempty"`
}

// Pushes says whether an image is pushed, whose digest is known only then.
func (p Plan) Pushes() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Way == Push })
}

// Print writes the plan as a table.
func (p Plan) Print(w io.Writer) {
	var rows [][]string
	for _, s := range p.Steps {
		rows = append(rows, []string{s.Image, strings.Join(s.Services, ", "), string(s.Way), s.what()})
	}
	if len(rows) > 0 {
		ui.Table(w, []string{"IMAGE", "SERVICES", "WAY", "WHAT"}, rows)
	}
	for _, s := range p.Steps {
		if s.Why != "" {
			ui.Fprintf(w, "   %s: %s\n", s.Image, s.Why)
		}
	}
}

// what says where the image comes from, or goes to.
func (s Step) what() string {
	switch s.Way {
	case Push:
		return "to " + s.Reference
	case Send:
		var lack, have []string
		for _, n := range s.Nodes {
			if n.Has {
				have = append(have, n.Name)
			} else {
				lack = append(lack, n.Name)
			}
		}
		var parts []string
		if len(lack) > 0 {
			parts = append(parts, "to "+strings.Join(lack, ", "))
		}
		if len(have) > 0 {
			parts = append(parts, strings.Join(have, ", ")+" has it")
		}
		return strings.Join(parts, "; ")
	}
	return s.Reference
}

// route decides how an image gets onto the nodes on which its services may run.
func (d *Delivery) route(ctx context.Context, s *subject, fits []swarm.Node) (Step, error) {
	step := Step{Image: s.name, Services: s.services, ID: s.image().ID}
	if s.instead != nil {
		step.Why = "the manager's own image goes to the nodes, since its registry gives none: " + cause(s.instead)
	}
	if len(s.several) > 0 {
		step.Why = fmt.Sprintf("for %s alone, not for %s: an engine holds one platform, and tasks run on its nodes",
			s.local.platform.OS+"/"+s.local.platform.Architecture, strings.Join(s.several, ", "))
	}
	switch {
	case s.target != "" && s.answer != nil:
		step.Way, step.Reference = Pushed, pinned(s.target, s.answer.digest)
	case s.target != "":
		step.Way, step.Reference = Push, s.target
	case s.answer != nil:
		step.Way, step.Reference = Pull, pinned(s.name, s.answer.digest)
	default:
		step.Way, step.Reference = Send, s.local.id
		var err error
		step.Nodes, err = d.receivers(ctx, s, fits)
		return step, err
	}
	return step, nil
}

// cause is the first line of an error.
func cause(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		err = f.Err
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// pinned is a name with the digest that it has.
func pinned(name string, of digest.Digest) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	if _, digested := named.(reference.Digested); digested {
		return name
	}
	canonical, err := reference.WithDigest(named, of)
	if err != nil {
		return name
	}
	return reference.FamiliarString(canonical)
}

// receivers are the nodes that an image without a registry has to be on. The error says which of them can't get it.
func (d *Delivery) receivers(ctx context.Context, s *subject, fits []swarm.Node) ([]Node, error) {
	out, failed := make([]Node, len(fits)), make([]error, len(fits))
	var unconnected []string
	var asked sync.WaitGroup
	for i, n := range fits {
		to := &out[i]
		to.ID, to.Name = n.ID, nodeName(n)
		engine := d.nodes[n.ID]
		switch {
		case n.ID == d.request.Self:
			to.Has = true
		case engine == nil:
			unconnected = append(unconnected, to.Name)
		case engine.failed != nil:
			failed[i] = fmt.Errorf("%s: image %q: %w", s.who(), s.name, engine.failed)
		case engine.ContainerdStore() != d.request.Engine.ContainerdStore():
			failed[i] = otherStore(s, to.Name)
		default:
			asked.Go(func() { to.Has, failed[i] = engine.has(ctx, s.local.id) })
		}
	}
	asked.Wait()
	if len(unconnected) > 0 {
		failed = append(failed, d.unreachable(s, unconnected))
	}
	slices.SortFunc(out, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out, errors.Join(failed...)
}

// unreachable is the error of an image that some nodes can't get.
func (d *Delivery) unreachable(s *subject, names []string) error {
	why := "no registry has it"
	switch {
	case s.instead != nil:
		why = cause(s.instead)
	case s.built && s.own != "":
		why = "it is built here, and " + loopback(s.own)
	case s.built:
		why = "it is built here, and its name has no registry"
	}
	next := "go tool mage deploy -registry=HOST:PORT, or -nodes=" + fault.Quote(names[0]+"=ssh://"+names[0])
	if len(d.request.Means.Connections) > 0 {
		next = "add the address to -nodes or to x-compose-mage.nodes: " + fault.Quote(names[0]+"=ssh://"+names[0])
	}
	return fault.New(fault.Registry, next, "%s: image %q does not get to %s: %s", s.who(), s.name,
		strings.Join(names, ", "), why)
}

// otherStore is the error of a node that would know the image by another ID.
func otherStore(s *subject, node string) error {
	return fault.New(fault.Engine, "go tool mage deploy -registry=HOST:PORT",
		"%s: image %q: the engine of %s keeps its images in another kind of store than the manager's (containerd's "+
			"or its own), and the two name the same image differently: a Swarm of both needs a registry",
		s.who(), s.name, node)
}

func nodeName(n swarm.Node) string {
	if n.Description.Hostname == "" {
		return n.ID
	}
	return n.Description.Hostname
}
