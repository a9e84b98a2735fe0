package rollout

import (
	"context"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/readiness"
)

// takeOver gives the new container the service's names, then the old one's own name. Until it is done the old one
// serves.
func (r *Rollout) takeOver(ctx, whole context.Context, service string, old container.Replica, fresh string) error {
	if ctx.Err() != nil {
		return r.undo(ctx, whole, service, fresh, context.Cause(ctx))
	}
	err := r.announce(ctx, whole, service, old.Number(), fresh)
	if err == nil {
		// It has been off its networks for a moment.
		probing, cancel := outliving(ctx, lastProbe)
		err = readiness.Wait(probing, r.Engine, fresh)
		cancel()
	}
	if err != nil {
		return r.undoServing(ctx, whole, service, fresh, err)
	}
	return r.rename(whole, service, old.Number(), old.ID, fresh)
}

// complete takes the old container out of DNS, lets it end its connections within its grace period, and stops and
// removes it when Docker calls the new one healthy. When Docker never does, the old one gets the names back. It
// says how long the connections took. After Ctrl-C the new one stays, as our own probe has passed.
func (r *Rollout) complete(
	ctx, whole context.Context,
	service string,
	old container.Replica,
	fresh string,
) (time.Duration, error) {
	r.betweenChecks(ctx, old.ID) // it may get its place back, and is healthy then
	began := time.Now()
	if err := r.withdraw(whole, old.ID); err != nil {
		// The new one serves already, so the old one goes in any case.
		r.Out.Warn("%s: connections to the old container are cut: %v", old.Name(), err)
	} else {
		r.drain(ctx, old, grace(old))
	}
	drained := time.Since(began)
	if r.UntilHealthy {
		err := readiness.WaitForDocker(ctx, r.Engine, fresh, func(every time.Duration) {
			r.Out.Info(
				"%s: waiting for Docker's own check of the new container (interval %s); the old one is kept until then",
				old.Name(),
				every,
			)
		})
		if err != nil && ctx.Err() == nil {
			return drained, r.rollBack(ctx, whole, service, old, fresh, err)
		}
		if err != nil {
			r.Out.Warn(
				"%s: interrupted before Docker's own check of the new container, which has passed ours",
				old.Name(),
			)
		}
	}
	return drained, r.remove(ctx, whole, service, old)
}

// remove stops the container within its grace period, lastStop after Ctrl-C at the latest, and removes it.
func (r *Rollout) remove(ctx, whole context.Context, service string, old container.Replica) error {
	stopping, cancel := outliving(ctx, lastStop)
	defer cancel()
	err := composelib.Stop(stopping, r.Engine, r.Project, composelib.Restriction{
		Service: service, Shows: func(id string) bool { return id == old.ID },
	})
	if err != nil && ctx.Err() == nil {
		return err
	}
	return r.discard(whole, old.ID)
}

// rename takes from one container the name that Compose would give the service's container of that number and gives
// it to the other, as far as that is not done.
func (r *Rollout) rename(ctx context.Context, service string, number int, from, to string) error {
	name := fmt.Sprintf("%s%s%s%s%d", r.Project.Name, api.Separator, service, api.Separator, number)
	for _, c := range []struct{ id, name string }{{from, nameBeside(to, name)}, {to, name}} {
		found, err := r.Engine.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
		if cerrdefs.IsNotFound(err) && c.id == from {
			continue // others have removed it
		}
		if err != nil {
			return fmt.Errorf("renaming a container of %q: %w", service, err)
		}
		if (container.Replica{InspectResponse: found.Container}).Name() == c.name {
			continue
		}
		if _, err := r.Engine.ContainerRename(ctx, c.id, client.ContainerRenameOptions{NewName: c.name}); err != nil {
			return fmt.Errorf("renaming a container of %q: %w", service, err)
		}
	}
	return nil
}

// beside names a container that stands beside another for a while, as Compose does when it replaces one.
func nameBeside(id, name string) string { return fmt.Sprintf("%.12s_%s", id, name) }
