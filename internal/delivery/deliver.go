package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/moby/moby/client"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// pushes is how many images are pushed at a time: the engine itself pushes several layers of each.
const pushes = 3

// Deliver carries the plan out: when it returns without an error, every image is where the nodes get it. The plan
// comes back with the digests of what was pushed and the bytes that were sent. Nothing of the Swarm is touched.
func (d *Delivery) Deliver(ctx context.Context, p Plan, out *ui.Out) (Plan, error) {
	done := Plan{Steps: slices.Clone(p.Steps)}
	for i := range done.Steps {
		done.Steps[i].Nodes = slices.Clone(done.Steps[i].Nodes)
	}
	if err := d.pushAll(ctx, done.Steps, out); err != nil {
		return done, err
	}
	return done, d.sendAll(ctx, done.Steps, out)
}

// pushAll pushes what is to be pushed. The error joins the failures.
func (d *Delivery) pushAll(ctx context.Context, steps []Step, out *ui.Out) error {
	var push []*Step
	for i := range steps {
		if steps[i].Way == Push {
			push = append(push, &steps[i])
		}
	}
	if len(push) == 0 {
		return nil
	}
	return out.Step(ctx, fmt.Sprintf("pushing %d images", len(push)),
		func(ctx context.Context, report func(string)) error {
			failed := make([]error, len(push))
			var total atomic.Int64
			var g errgroup.Group
			g.SetLimit(pushes)
			for i, step := range push {
				g.Go(func() error {
					failed[i] = d.push(ctx, step, func(bytes int64) { report(ui.Bytes(total.Add(bytes))) })
					if failed[i] == nil {
						out.Done("pushed %s", step.Reference)
					}
					return nil
				})
			}
			_ = g.Wait()
			return errors.Join(append(failed, ctx.Err())...)
		})
}

// push has the manager's engine push its image: the very one that runs there, layer for layer. The step gets the
// digest under which the registry has it.
func (d *Delivery) push(ctx context.Context, step *Step, sent func(int64)) error {
	s := d.subject(step.Image)
	_, err := d.request.Engine.ImageTag(ctx, client.ImageTagOptions{Source: s.local.id, Target: s.target})
	if err != nil {
		return fmt.Errorf("naming the image %q as %q: %w", s.name, s.target, err)
	}
	of, err := d.pushNamed(ctx, s, sent)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case fault.EngineLost(err):
		return fmt.Errorf("pushing %q: %w", s.target, err)
	case err != nil:
		return registryFault(s, s.target, err)
	}
	step.Way, step.Reference = Pushed, pinned(s.target, of)
	// What the manager is told by the digest is what the nodes will be told.
	if s.answer, err = d.ask(ctx, withoutTag(s.target)+"@"+of.String()); err != nil {
		return registryFault(s, s.target, err)
	}
	s.answer.digest = of
	return nil
}

// pushNamed pushes and gives the digest of the manifest.
func (d *Delivery) pushNamed(ctx context.Context, s *subject, sent func(int64)) (digest.Digest, error) {
	login := s.auth
	if login == "" { // engine 20.10 refuses a push without any
		login = "e30="
	}
	answer, err := d.request.Engine.ImagePush(ctx, s.target, client.ImagePushOptions{RegistryAuth: string(login)})
	if err != nil {
		return "", err
	}
	defer answer.Close()
	pushed, err := readPush(pushAnswer.Reader(answer), sent)
	if err != nil {
		return "", err
	}
	if pushed == "" && d.request.Engine.ContainerdStore() { // whose ID is the digest of what it pushes
		pushed = digest.Digest(s.local.id)
	}
	if pushed.Validate() != nil {
		return "", fmt.Errorf("the engine gave no digest for what it pushed")
	}
	return pushed, d.checkPushed(ctx, s, pushed)
}

// checkPushed checks that what was pushed is the image that was to be pushed: the tag may have been moved meanwhile.
// Of an image for several platforms that lacks some, an engine with a containerd store pushes the others under a digest
// that it does not remember.
func (d *Delivery) checkPushed(ctx context.Context, s *subject, pushed digest.Digest) error {
	found, err := d.request.Engine.ImageInspect(ctx, s.target)
	if err != nil {
		return fmt.Errorf("looking for %q after the push: %w", s.target, err)
	}
	if found.ID != s.local.id || !d.request.Engine.ContainerdStore() &&
		!slices.Contains(localOf(found).digestsIn(s.target), pushed) {
		return fault.New(fault.Failed, "the same command again",
			"%s: what was pushed as %q is not the image %q any more: another build or deploy ran meanwhile", s.who(),
			s.target, s.name)
	}
	return nil
}

// pushAnswer bounds what an engine says while it pushes: a line for each piece of each layer.
var pushAnswer = bounded.Limit{What: "the engine's answer to a push", Bytes: 64 << 20, Code: fault.Engine}
