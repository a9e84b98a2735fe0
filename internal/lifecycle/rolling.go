package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/readiness"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// replacesLabel is on a container that was made to replace another without down-time: that one's ID. By it a run that was
// killed is put right by the next.
const replacesLabel = "com.25eloquence.replaces"

// cleanWithin bounds what is done after Ctrl-C to leave nothing half done.
const cleanWithin = 30 * time.Second

// roll replaces the service's containers, one at a time, without down-time. Of those that do not run nothing is kept.
func (r *restarter) roll(ctx context.Context, service string) error {
	found, err := container.Inspect(ctx, r.engine, r.project.Name)
	if err != nil {
		return err
	}
	for _, old := range found[service] {
		if old.Runs() {
			continue
		}
		if err := r.discard(ctx, old.ID); err != nil {
			return err
		}
	}
	for _, old := range found[service] {
		if old.Runs() {
			if err := r.rollOne(ctx, service, old); err != nil {
				return err
			}
		}
	}
	return nil
}

// rollOne brings the new container up beside the old one, lets it take over the name, and lets the old one end its connections.
func (r *restarter) rollOne(ctx context.Context, service string, old container.Replica) (err error) {
	began := time.Now()
	fresh, err := r.bringUp(ctx, service, old)
	if err != nil {
		return err
	}
	upIn := time.Since(began)
	if err := r.takeOver(ctx, service, old, fresh); err != nil {
		return err
	}
	r.out.Info("%s: the new container is ready after %s and has taken over", old.Name(), ui.Seconds(upIn))
	drained, err := r.retire(ctx, service, old)
	if err != nil {
		return err
	}
	r.out.Done("%s replaced in %s, of which the old container drained for %s", old.Name(), ui.Seconds(time.Since(began)), ui.Seconds(drained))
	return nil
}

// bringUp makes, starts and awaits the new container, which nobody finds in DNS yet. One that does not get ready is removed.
func (r *restarter) bringUp(ctx context.Context, service string, old container.Replica) (id string, err error) {
	defer func() {
		if err != nil && id != "" {
			err = r.undo(ctx, service, id, err)
		}
	}()
	if id, err = r.createBeside(ctx, service, old); err != nil {
		return id, err
	}
	if err := r.start(ctx, view{service: service, seen: func(c string) bool { return c == old.ID || c == id }}); err != nil {
		return id, err
	}
	return id, readiness.Wait(ctx, r.engine, id)
}

// createBeside lets Compose make one more container of the service, with the old one's number.
func (r *restarter) createBeside(ctx context.Context, service string, old container.Replica) (string, error) {
	project, err := r.only(service)
	if err != nil {
		return "", err
	}
	s := project.Services[service]
	s.SetScale(2) // the old one, which is all that Compose sees, and the new one
	project.Services[service] = s
	var made string
	compose, err := r.compose(view{service: service, seen: func(id string) bool { return id == old.ID }, replaces: &old, made: &made})
	if err != nil {
		return "", err
	}
	// Not interrupted by Ctrl-C: the engine would go on, and nobody would know the container's ID.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWithin)
	defer cancel()
	err = compose.Create(whole, project, api.CreateOptions{
		Services: []string{service}, Recreate: api.RecreateNever, RecreateDependencies: api.RecreateNever, IgnoreOrphans: true, QuietPull: true,
	})
	if err != nil {
		return made, r.notCreated(ctx, service, err)
	}
	if made == "" {
		return "", fmt.Errorf("replacing %q: Compose made no container", service)
	}
	return made, nil
}

// undo removes the new container and says why, with its last lines. The old one goes on.
func (r *restarter) undo(ctx context.Context, service, id string, cause error) error {
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWithin)
	defer cancel()
	lines := tail(clean, r.engine, id)
	err := r.discard(clean, id)
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	f := fault.New(fault.Failed, "go tool mage restart -rolling "+service, "replacing %q: the new container: %w; it was removed, and the old one goes on serving", service, cause)
	if len(lines) > 0 {
		f.Detail = append(f.Detail, "its last lines:")
		for _, l := range lines {
			f.Detail = append(f.Detail, "  "+l)
		}
	}
	return errors.Join(f, err)
}

// discard removes a container at once. It has no volume that holds data: services with such are not replaced this way.
func (r *restarter) discard(ctx context.Context, id string) error {
	if _, err := r.engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true}); err != nil {
		return fmt.Errorf("removing the container %.12s: %w", id, err)
	}
	return nil
}

// takeOver gives the new container the service's names, then the old one's own name. Until it is done the old one serves; it is
// not interrupted by Ctrl-C.
func (r *restarter) takeOver(ctx context.Context, service string, old container.Replica, fresh string) error {
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWithin)
	defer cancel()
	err := ctx.Err()
	if err == nil {
		err = r.announce(whole, service, old.Number(), fresh)
	}
	if err == nil {
		err = readiness.Wait(whole, r.engine, fresh) // it has been off its networks for a moment
	}
	if err != nil {
		return r.undo(ctx, service, fresh, err)
	}
	return r.rename(whole, service, old, fresh)
}

// rename swaps the containers' names, as far as that is not done: what is new has the name that Compose would give it.
func (r *restarter) rename(ctx context.Context, service string, old container.Replica, fresh string) error {
	name := fmt.Sprintf("%s%s%s%s%d", r.project.Name, api.Separator, service, api.Separator, old.Number())
	for _, c := range []struct{ id, name string }{{old.ID, beside(fresh, name)}, {fresh, name}} {
		found, err := r.engine.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
		if err != nil {
			return fmt.Errorf("renaming a container of %q: %w", service, err)
		}
		if (container.Replica{InspectResponse: found.Container}).Name() == c.name {
			continue
		}
		if _, err := r.engine.ContainerRename(ctx, c.id, client.ContainerRenameOptions{NewName: c.name}); err != nil {
			return fmt.Errorf("renaming a container of %q: %w", service, err)
		}
	}
	return nil
}

// beside names a container that stands beside another for a while, as Compose does when it replaces one.
func beside(id, name string) string { return fmt.Sprintf("%.12s_%s", id, name) }

// retire takes the old container out of DNS, lets it end its connections within its grace period, stops and removes it. It says
// how long the connections took.
func (r *restarter) retire(ctx context.Context, service string, old container.Replica) (time.Duration, error) {
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWithin+grace(old))
	defer cancel()
	began := time.Now()
	if err := r.withdraw(whole, old.ID); err != nil {
		// The new one serves already, so the old one goes in any case.
		r.out.Warn("%s: connections to the old container are cut: %v", old.Name(), err)
	} else {
		r.drain(ctx, old, grace(old))
	}
	drained := time.Since(began)
	if err := r.stop(whole, view{service: service, seen: func(id string) bool { return id == old.ID }}); err != nil {
		return drained, err
	}
	return drained, r.discard(whole, old.ID)
}

// grace is how long the container may take to stop.
func grace(c container.Replica) time.Duration {
	if c.Config.StopTimeout != nil {
		return time.Duration(*c.Config.StopTimeout) * time.Second
	}
	return 10 * time.Second // Docker's default
}
