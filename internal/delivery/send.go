package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/imageload"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// receiver is a node that gets one image.
type receiver struct {
	*nodeEngine
	node  *Node // of the plan
	lacks []int // layers of the image, bottom first
	err   error
}

// sendAll brings the images to the nodes that lack them: one image after the other, to all its nodes at the same time.
func (d *Delivery) sendAll(ctx context.Context, steps []Step, out *ui.Out) error {
	for _, step := range steps {
		var to []*receiver
		var names []string
		for i := range step.Nodes {
			if n := &step.Nodes[i]; !n.Has {
				to, names = append(to, &receiver{nodeEngine: d.nodes[n.ID], node: n}), append(names, n.Name)
			}
		}
		if len(to) == 0 {
			continue
		}
		title := fmt.Sprintf("sending %s to %s", step.Image, strings.Join(names, ", "))
		err := out.Step(ctx, title, func(ctx context.Context, report func(string)) error {
			defer showTraffic(to, report)()
			return d.send(ctx, d.subject(step.Image), to)
		})
		if err != nil {
			return err
		}
		for _, r := range to {
			out.Info("%s to %s", ui.Bytes(r.node.Sent), r.node.Name)
		}
	}
	return nil
}

// showTraffic reports what has gone to the nodes, until stop is called.
func showTraffic(to []*receiver, report func(string)) (stop func()) {
	sum := func() (n int64) {
		for _, r := range to {
			n += r.traffic.sent.Load()
		}
		return n
	}
	before, tick, ended := sum(), time.NewTicker(time.Second/2), make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		for {
			select {
			case <-tick.C:
				report(ui.Bytes(sum() - before))
			case <-ended:
				return
			}
		}
	})
	return func() {
		tick.Stop()
		close(ended)
		shown.Wait()
	}
}

// layersOf is what is known of the layers that a node's engine holds.
func (d *Delivery) layersOf(node string) *imageload.EngineLayers {
	n := d.nodes[node]
	if n.layers == nil {
		var names []string
		for _, s := range d.subjects {
			if !s.isID() {
				names = append(names, s.label())
			}
		}
		n.layers = imageload.NewEngineLayers(n, d.request.Project.Name, names)
	}
	return n.layers
}

// send brings one image to its nodes. The error names the nodes that did not get it.
func (d *Delivery) send(ctx context.Context, s *subject, to []*receiver) error {
	if d.request.Engine.ContainerdStore() {
		each(to, func(r *receiver) error { return d.sendWhole(ctx, s, r) })
	} else if err := d.sendLayers(ctx, s, to); err != nil {
		return err
	}
	failed := make([]error, len(to))
	for i, r := range to {
		failed[i] = r.err
		r.node.Has = r.err == nil
	}
	return errors.Join(failed...)
}

// each runs f for all receivers that have not failed, some at a time.
func each(to []*receiver, f func(*receiver) error) {
	var g errgroup.Group
	g.SetLimit(connections)
	for _, r := range to {
		if r.err == nil {
			g.Go(func() error {
				r.err = f(r)
				return nil
			})
		}
	}
	_ = g.Wait()
}

// sendLayers gives each node the layers that it lacks. A node that refuses these gets all: a layer that it held may be
// gone.
func (d *Delivery) sendLayers(ctx context.Context, s *subject, to []*receiver) error {
	each(to, func(r *receiver) error {
		r.lacks = nil
		d.layersOf(r.id)
		// Of an image that was built again one layer is new most often; the search for more than that ends when all of
		// the node's images were looked at.
		if err := r.layers.Find(ctx, s.local.layers, nil, 1); err != nil {
			return r.fault(err)
		}
		lacks, done, err := r.layers.Reserve(ctx, s.local.layers)
		if err != nil {
			return err
		}
		done(false) // nothing else is sent meanwhile
		r.lacks = lacks
		return nil
	})
	if err := d.sendSaved(ctx, s, to); err != nil {
		return err
	}
	var again []*receiver
	for _, r := range to {
		if r.err != nil && len(r.lacks) < len(s.local.layers) && ctx.Err() == nil && !fault.EngineLost(r.err) {
			r.layers.Forget(s.local.layers)
			r.err, r.lacks = nil, all(s.local.layers)
			again = append(again, r)
		}
	}
	if len(again) == 0 {
		return nil
	}
	return d.sendSaved(ctx, s, again)
}

func all(layers []digest.Digest) []int {
	out := make([]int, len(layers))
	for i := range layers {
		out[i] = i
	}
	return out
}

// sendSaved takes the layers that any of the nodes lacks out of the manager's engine, and sends each node its own.
func (d *Delivery) sendSaved(ctx context.Context, s *subject, to []*receiver) error {
	var wanted []int
	for _, r := range to {
		wanted = append(wanted, r.lacks...)
	}
	image, err := imageload.ReadSaved(ctx, d.request.Engine, s.local.id, s.local.layers, wanted)
	if err != nil {
		return fmt.Errorf("taking the image %q out of the manager's engine: %w", s.name, err)
	}
	defer image.Close()
	var names []string
	if !s.isID() {
		names = []string{s.label()}
	}
	each(to, func(r *receiver) error {
		err := r.load(ctx, func(w io.Writer) error { return image.WriteTarball(ctx, w, image, names, r.lacks) })
		if err != nil {
			return err
		}
		return r.verify(ctx, s)
	})
	return ctx.Err()
}

// sendWhole streams the image as the manager's engine gives it: an engine with a containerd store takes no tarball that
// lacks a layer.
func (d *Delivery) sendWhole(ctx context.Context, s *subject, r *receiver) error {
	name := s.local.id
	if !s.isID() {
		name = s.label()
	}
	saved, err := d.request.Engine.ImageSave(ctx, []string{name})
	if err != nil {
		return fmt.Errorf("taking the image %q out of the manager's engine: %w", s.name, err)
	}
	defer saved.Close()
	if err := r.load(ctx, func(w io.Writer) error { _, err := io.Copy(w, saved); return err }); err != nil {
		return err
	}
	return r.verify(ctx, s)
}

// load streams what write writes to the node's engine, packed: networks are slower than packing, and an engine unpacks
// what it loads.
func (r *receiver) load(ctx context.Context, write func(io.Writer) error) error {
	before := r.traffic.sent.Load()
	defer func() { r.node.Sent += r.traffic.sent.Load() - before }()
	reader, writer := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		packed, err := gzip.NewWriterLevel(writer, gzip.BestSpeed)
		if err == nil {
			err = errors.Join(write(packed), packed.Close())
		}
		_ = writer.CloseWithError(err)
		wrote <- err
	}()
	err := imageload.LoadArchive(ctx, r, reader)
	_ = reader.CloseWithError(io.ErrClosedPipe) // ends write where the engine gave up
	if sending := <-wrote; err == nil || sending != nil && !errors.Is(sending, io.ErrClosedPipe) {
		err = errors.Join(sending)
	}
	switch {
	case err == nil:
		return nil
	case fault.DiskFull(err):
		return fault.New(fault.Resources, "docker -H "+fault.Quote(r.address)+" system df",
			"node %q: loading the image: %w", r.name, cut{err})
	}
	return r.fault(fmt.Errorf("loading the image: %w", err))
}

// verify checks that the node now has the image under the ID that its tasks will be given.
func (r *receiver) verify(ctx context.Context, s *subject) error {
	found, err := r.ImageInspect(ctx, s.local.id)
	if err != nil {
		return r.fault(fmt.Errorf("looking for the image %q after the load: %w", s.name, err))
	}
	if found.ID != s.local.id {
		return r.fault(fmt.Errorf("after the load the image %q is %s there, not %s", s.name, found.ID, s.local.id))
	}
	return nil
}
