// Package rollout owns how a service's containers are replaced without down-time, and puts right what a roll-out
// left that was killed. Which services are replaced, and when, is decided elsewhere.
package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/readiness"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Rollout replaces containers of a project.
type Rollout struct {
	Engine  *engine.Engine
	Project *types.Project // with Compose's labels
	Out     *ui.Out
	// UntilHealthy makes a roll-out end when Docker calls the new container healthy, or roll back. A start or a
	// stop that only puts right what an earlier run left does not wait for that.
	UntilHealthy bool
}

// replacesLabel is on a container that was made to replace another without down-time: that one's ID. By it a run
// that was killed is put right by the next.
const replacesLabel = "com.25eloquence.replaces"

// After Ctrl-C Mage leaves a target five seconds. What a roll-out must not leave half done has endWithin in all,
// and of that in turn:
const (
	endWithin = 4500 * time.Millisecond
	lastProbe = time.Second // until a new container that has just taken over answers
	lastCalls = time.Second // requests under way end well; connections that are kept open are cut
	lastStop  = time.Second // the old container ends by its stop signal
)

// outliving gives a context that ends d after ctx does: what has ended gets d from now.
func outliving(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return whole, func() {
		stop()
		cancel()
	}
}

// Service replaces the service's containers, one at a time, without down-time. Of those that do not run nothing is
// kept.
func (r *Rollout) Service(ctx context.Context, service string) error {
	found, err := container.Inspect(ctx, r.Engine, r.Project.Name)
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
			if err := r.replace(ctx, service, old); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace brings the new container up beside the old one, lets it take over the name, and lets the old one end its
// connections. What Ctrl-C must not leave half done goes by a context of its own, whole.
func (r *Rollout) replace(ctx context.Context, service string, old container.Replica) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	whole, cancel := outliving(ctx, endWithin)
	defer cancel()
	began := time.Now()
	fresh, err := r.bringUp(ctx, whole, service, old)
	if err != nil {
		return err
	}
	upIn := time.Since(began)
	if err := r.takeOver(ctx, whole, service, old, fresh); err != nil {
		return err
	}
	r.Out.Info("%s: the new container is ready after %s and has taken over", old.Name(), ui.Seconds(upIn))
	drained, err := r.complete(ctx, whole, service, old, fresh)
	if err != nil {
		return err
	}
	r.Out.Done(
		"%s replaced in %s, of which the old container drained for %s",
		old.Name(),
		ui.Seconds(time.Since(began)),
		ui.Seconds(drained),
	)
	return context.Cause(ctx) // interrupted, but whole
}

// bringUp makes, starts and awaits the new container, which nobody finds in DNS yet. One that does not get ready is
// removed.
func (r *Rollout) bringUp(ctx, whole context.Context, service string, old container.Replica) (id string, err error) {
	defer func() {
		if err != nil && id != "" {
			err = r.undo(ctx, whole, service, id, err)
		}
	}()
	// Not interrupted by Ctrl-C: the engine would go on, and nobody would know the container's ID.
	if id, err = r.createBeside(whole, service, old); err != nil {
		return id, err
	}
	both := composelib.Restriction{Service: service, Shows: func(c string) bool { return c == old.ID || c == id }}
	if err := composelib.Start(ctx, r.Engine, r.Project, both); err != nil {
		return id, err
	}
	return id, readiness.Wait(ctx, r.Engine, id)
}

// createBeside lets Compose make one more container of the service, with the old one's number.
func (r *Rollout) createBeside(ctx context.Context, service string, old container.Replica) (string, error) {
	project, err := composelib.OnlyWithProviders(r.Project, service)
	if err != nil {
		return "", err
	}
	s := project.Services[service]
	s.SetScale(2) // the old one, which is all that Compose sees, and the new one
	project.Services[service] = s
	fresh := &composelib.Unnamed{
		Name: nameBeside(old.ID, old.Name()), Number: old.Number(), Labels: map[string]string{replacesLabel: old.ID},
	}
	library, err := composelib.Restricted(r.Engine, r.Project, composelib.Restriction{
		Service: service, Shows: func(id string) bool { return id == old.ID }, Unnamed: fresh,
	})
	if err != nil {
		return "", err
	}
	err = library.Create(ctx, project, api.CreateOptions{
		Services: []string{
			service,
		}, Recreate: api.RecreateNever, RecreateDependencies: api.RecreateNever, IgnoreOrphans: true, QuietPull: true,
	})
	if err != nil && ctx.Err() != nil {
		return fresh.ID, context.Cause(ctx)
	}
	if err != nil {
		return fresh.ID, diagnosis.Start(ctx, r.Engine, r.Project, service, &diagnosis.CreateError{Err: err})
	}
	if fresh.ID == "" {
		return "", fmt.Errorf("replacing %q: Compose made no container", service)
	}
	return fresh.ID, nil
}

// discard removes a container at once, unless others have. It has no volume that holds data: services with such are
// not replaced this way.
func (r *Rollout) discard(ctx context.Context, id string) error {
	if _, err := r.Engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true}); err != nil &&
		!cerrdefs.IsNotFound(err) {
		return fmt.Errorf("removing the container %.12s: %w", id, err)
	}
	return nil
}

// grace is how long the container may take to stop.
func grace(c container.Replica) time.Duration {
	if c.Config.StopTimeout != nil {
		return time.Duration(*c.Config.StopTimeout) * time.Second
	}
	return 10 * time.Second // Docker's default
}
