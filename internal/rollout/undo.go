package rollout

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// undo removes the new container, which nobody has found yet, and says why, with its last lines. The old one goes on.
func (r *Rollout) undo(ctx, whole context.Context, service, fresh string, cause error) error {
	lines := diagnosis.LastLines(whole, r.Engine, fresh)
	err := r.discard(whole, fresh)
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	f := fault.New(
		fault.Failed,
		"go tool mage restart -rolling "+fault.Quote(service),
		"replacing %q: the new container: %w; it was removed, and the old one goes on serving",
		service,
		cause,
	)
	if len(lines) > 0 {
		f.Detail = append(f.Detail, "its last lines:")
		for _, l := range lines {
			f.Detail = append(f.Detail, "  "+l)
		}
	}
	return errors.Join(f, err)
}

// undoServing is undo for a new container that is found under the service's names beside the old one: requests that
// it answers end.
func (r *Rollout) undoServing(ctx, whole context.Context, service, fresh string, cause error) error {
	found, err := r.Engine.ContainerInspect(whole, fresh, client.ContainerInspectOptions{})
	if err == nil && found.Container.State.Running && r.withdraw(whole, fresh) == nil {
		c := container.Replica{InspectResponse: found.Container}
		r.drain(ctx, c, grace(c))
	}
	return r.undo(ctx, whole, service, fresh, cause)
}

// rollBack gives the old container, which has been kept running, the names back and removes the new one.
func (r *Rollout) rollBack(
	ctx, whole context.Context,
	service string,
	old container.Replica,
	fresh string,
	cause error,
) error {
	found, err := r.Engine.ContainerInspect(whole, old.ID, client.ContainerInspectOptions{})
	if err == nil && !found.Container.State.Running {
		err = errors.New("it has ended")
	}
	if err == nil {
		err = r.announce(ctx, whole, service, old.Number(), old.ID)
	}
	if err != nil {
		return fault.New(
			fault.Failed,
			"go tool mage logs "+fault.Quote(service),
			"replacing %q: the new container has taken over: %w; the old one can't have its place back: %w",
			service,
			cause,
			err,
		)
	}
	if err := r.rename(whole, service, old.Number(), fresh, old.ID); err != nil {
		return errors.Join(fmt.Errorf("replacing %q: the new container: %w", service, cause), err)
	}
	return r.undoServing(ctx, whole, service, fresh, cause)
}
