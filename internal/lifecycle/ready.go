package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/readiness"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// start starts the service's containers that do not run, once the machine has room for them.
func (r *run) start(ctx context.Context, i int, o operation.Operation) error {
	step, s := r.plan.Step(o.Service), r.services[o.Service]
	found, err := container.List(ctx, r.engine, r.project.Name, o.Service)
	if err != nil {
		return err
	}
	all := found[o.Service]
	if err := r.finishNames(ctx, all); err != nil {
		return err
	}
	s.ran = runs(all)
	if !s.ran {
		r.progress.set(o.Service, stateQueued, "")
		if err := r.cpus.Acquire(ctx, milli(step.CPUs), step.Rank); err != nil {
			return err
		}
		s.giveBack = sync.OnceFunc(func() { r.cpus.Release(milli(step.CPUs)) })
		if err := r.places.Acquire(ctx, 1, step.StartRank()); err != nil {
			return err
		}
		r.time(i, func(o *operation.Operation, now time.Time) { o.Admitted = now })
		r.progress.set(o.Service, stateStarting, "")
		all, err = r.launchAll(ctx, o.Service, all)
		r.places.Release(1)
		if err != nil {
			s.giveBack()
			return err
		}
	}
	s.containers = all
	return nil
}

// ready waits until the service's containers are ready and have stayed so, and says that they are.
func (r *run) ready(ctx context.Context, i int, o operation.Operation) error {
	step, s := r.plan.Step(o.Service), r.services[o.Service]
	defer s.giveBack()
	if step.Replicas == 0 {
		return nil
	}
	r.progress.set(o.Service, stateProbing, "")
	if err := r.checkless(ctx, i, step, s.containers); err != nil {
		return err
	}
	waiters := make([]*readiness.Waiter, len(s.containers))
	g, within := errgroup.WithContext(ctx)
	for at, c := range s.containers {
		waiters[at] = r.waiter(c, step)
		g.Go(func() error { return r.replicaDone(within, i, step, waiters[at]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	s.giveBack() // before it is known whether they stay ready
	g, within = errgroup.WithContext(ctx)
	for _, w := range waiters {
		g.Go(func() error { return w.WaitStable(within) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	ended := len(waiters) > 0 &&
		!slices.ContainsFunc(waiters, func(w *readiness.Waiter) bool { return w.Ended() == nil })
	if text := r.readyText(step, s.ran && !ended, ended, time.Now()); text != "" {
		r.out.Done("%s", text)
	}
	return nil
}

// replicaDone waits for one replica. A job is done when it has completed, and healthy as soon as its check says so.
func (r *run) replicaDone(ctx context.Context, i int, step plan.Step, w *readiness.Waiter) error {
	if !step.OneShot {
		return w.WaitReady(ctx)
	}
	if by, _ := r.plan.AwaitedHealthy(step.Service); by != "" {
		err := w.WaitReady(ctx)
		switch {
		case err == nil && w.Ended() == nil:
			r.time(i, func(o *operation.Operation, now time.Time) { o.Healthy = now })
			r.healthy[i].settle(nil)
		case err != nil && !readiness.IsNotReady(err):
			return err
		}
	}
	return w.WaitCompleted(ctx)
}

// readyText says that a service is ready; "" where a restart has said so of each of its replicas, and none had to
// be started since. before says that it ran already, ended that it has completed.
func (r *run) readyText(step plan.Step, before, ended bool, now time.Time) string {
	if r.services[step.Service].ran && r.plan.RenewsRunning(step) {
		return ""
	}
	if before {
		return step.Service + " runs already, ready"
	}
	r.mu.Lock()
	t := operation.Timings(r.operations, r.began)[step.Service]
	r.mu.Unlock()
	what := "ready"
	if ended {
		what = "completed"
	}
	after := ""
	if t.By != "" {
		after = fmt.Sprintf(
			", after %s for %s",
			ui.Seconds(t.Released.Sub(r.began)),
			strings.Join(step.Dependencies(), ", "),
		)
	}
	return fmt.Sprintf("%s %s in %s%s", step.Service, what, ui.Seconds(now.Sub(t.Released)), after)
}

// checkless returns an error where others wait for the service to be healthy, and it has no check that could say
// so. Where all of them can do without it, they are told, and it is no failure of the service.
func (r *run) checkless(ctx context.Context, i int, step plan.Step, all []moby.Summary) error {
	by, needed := r.plan.AwaitedHealthy(step.Service)
	if by == "" || len(all) == 0 {
		return nil
	}
	found, err := r.engine.ContainerInspect(ctx, all[0].ID, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspecting the container of %q: %w", step.Service, err)
	}
	if (container.Replica{InspectResponse: found.Container}).Checked() {
		return nil
	}
	lacks := &readiness.NotReady{
		Why: "has no health check, neither its own nor its image's, and " + by + " waits until it is healthy",
		Next: "give " + fault.Quote(step.Service) + " a healthcheck, or let " + fault.Quote(by) +
			" wait for it with service_started; then go tool mage start",
	}
	if needed {
		return lacks
	}
	r.time(i, func(o *operation.Operation, now time.Time) { o.Healthy = now })
	r.healthy[i].settle(lacks)
	return nil
}
