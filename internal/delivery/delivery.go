// Package delivery owns how a stack's images get onto the nodes of a Swarm: which ones are pushed to a registry that
// the nodes reach, which ones the nodes pull from where they are, which ones are sent to the nodes' engines one by one,
// and under which reference the tasks then run. It builds no image, and touches no service.
package delivery

import (
	"context"
	"errors"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/imageload"
)

// Engine is what a delivery needs of the manager's engine.
type Engine interface {
	imageload.Engine
	imageload.Saver
	ImageTag(ctx context.Context, options client.ImageTagOptions) (client.ImageTagResult, error)
	ImagePush(ctx context.Context, image string, o client.ImagePushOptions) (client.ImagePushResponse, error)
	DistributionInspect(
		ctx context.Context, image string, o client.DistributionInspectOptions,
	) (client.DistributionInspectResult, error)
}

// Request is what is to be delivered, from where, and by which means.
type Request struct {
	Project *types.Project
	// Engine is the manager's that is asked. The images that are built here are on it.
	Engine Engine
	Self   string       // the ID of its node
	Nodes  []swarm.Node // the Swarm's
	Means  Means
	// Credentials give the X-Registry-Auth for an image's registry; nil for none.
	Credentials func(image string) (Credential, error)
}

// Credential is an X-Registry-Auth: a login, encoded. What prints it does not show it.
type Credential string

// String implements fmt.Stringer.
func (c Credential) String() string {
	if c == "" {
		return "none"
	}
	return "hidden"
}

// GoString implements fmt.GoStringer.
func (c Credential) GoString() string { return c.String() }

// MarshalText implements encoding.TextMarshaler.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Image is what is known of a service's image before anything is touched.
type Image struct {
	Name      string                  // with its tag or digest, as a person writes it
	ID        string                  // on the manager's engine; "" where that lacks it
	Checks    *container.HealthConfig // the image's own health check; nil for none, or where it is not known
	Platforms []swarm.Platform        // nil where they are not known
}

// Pinned is what a service's tasks run.
type Pinned struct {
	Reference  string     // name:tag@sha256:…, or sha256:… of an image that was sent to the nodes
	ImageLabel string     // name:tag, for people
	Auth       Credential // for the nodes that pull it
	Image
}

// Delivery is what was found out of a request. It holds connections to nodes until it is closed.
type Delivery struct {
	request  Request
	subjects []*subject // by name
	nodes    map[string]*nodeEngine
}

// Look asks the engine and the registries for the images of all services, and connects to the nodes that have an
// address. Nothing is changed anywhere. The error joins all that stops a deploy.
func Look(ctx context.Context, r Request) (*Delivery, error) {
	d := &Delivery{request: r, subjects: subjectsOf(r.Project), nodes: map[string]*nodeEngine{}}
	addresses, err := matchNodes(r.Means.Connections, r.Nodes)
	if err != nil {
		return nil, err
	}
	if err := d.inspect(ctx); err != nil {
		return nil, err
	}
	d.connect(ctx, addresses)
	if err := d.resolve(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close ends the connections to the nodes.
func (d *Delivery) Close() {
	for _, n := range d.nodes {
		n.close()
	}
}

// Images gives what is known of the images, by service.
func (d *Delivery) Images() map[string]Image {
	out := map[string]Image{}
	for _, s := range d.subjects {
		for _, service := range s.services {
			out[service] = s.image()
		}
	}
	return out
}

// Pinned gives what the tasks of each service run, as far as it is known: an image that is yet to be pushed has no
// digest.
func (d *Delivery) Pinned(p Plan) map[string]Pinned {
	out := map[string]Pinned{}
	for _, step := range p.Steps {
		s := d.subject(step.Image)
		pin := Pinned{Reference: step.Reference, ImageLabel: s.label(), Image: s.image()}
		if step.Way != Send {
			pin.Auth = s.auth
		}
		for _, service := range step.Services {
			out[service] = pin
		}
	}
	return out
}

// Plan decides how each image gets onto the nodes. fits are the IDs of the nodes on which a service may run, by
// service; nil is all nodes. The error joins all that stops a deploy.
func (d *Delivery) Plan(ctx context.Context, fits map[string][]string) (Plan, error) {
	steps, failed := make([]Step, len(d.subjects)), make([]error, len(d.subjects))
	var g errgroup.Group
	g.SetLimit(questions)
	for i, s := range d.subjects {
		g.Go(func() error {
			steps[i], failed[i] = d.route(ctx, s, d.fitting(s, fits))
			return nil
		})
	}
	_ = g.Wait()
	return Plan{Steps: steps}, errors.Join(append(failed, ctx.Err())...)
}

// fitting are the nodes on which any of the image's services may run, in the Swarm's order.
func (d *Delivery) fitting(s *subject, fits map[string][]string) []swarm.Node {
	var out []swarm.Node
	for _, n := range d.request.Nodes {
		for _, service := range s.services {
			ids, said := fits[service]
			if !said && fits == nil || slices.Contains(ids, n.ID) {
				out = append(out, n)
				break
			}
		}
	}
	return out
}

func (d *Delivery) subject(name string) *subject {
	i := slices.IndexFunc(d.subjects, func(s *subject) bool { return s.name == name })
	return d.subjects[i]
}
