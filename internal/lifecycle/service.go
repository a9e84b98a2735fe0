package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/readiness"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// step takes one service to its end, and tells those that wait for it.
func (s *starter) step(ctx context.Context, step Step) {
	err := s.bring(ctx, step)
	name := step.Service
	s.mu.Lock()
	s.errs[name] = err
	s.mu.Unlock()
	switch {
	case err == nil:
		s.progress.set(name, stateReady, "")
	case ctx.Err() != nil: // it has not failed, the start ends before it
	case errors.Is(err, errDependency):
		s.progress.set(name, stateSkipped, "")
	default:
		s.progress.set(name, stateFailed, err.Error())
		s.out.Failed("%s %s", name, err)
	}
	for _, outcomes := range []map[string]*outcome{s.started, s.healthy, s.completed} {
		outcomes[name].settle(err) // those that are settled already stay as they are
	}
}

// bring waits for what the service depends on, for its containers and for room, starts it, and waits until it is ready.
func (s *starter) bring(ctx context.Context, step Step) error {
	t := timing{released: s.began}
	renewal := s.renew[step.Service]
	if renewal.early {
		if err := s.renewEarly(ctx, step, renewal); err != nil {
			return err
		}
	}
	for _, w := range step.Waits {
		s.progress.set(step.Service, stateWaiting, "", s.unmet(step)...)
		met, err := s.await(ctx, step.Service, w)
		if err != nil {
			return err
		}
		if met.After(t.released) {
			t.released, t.by = met, w.Service
		}
	}
	if !settled(s.created[step.Service]) {
		s.progress.set(step.Service, stateCreating, "")
	}
	if err := s.created[step.Service].wait(ctx); err != nil {
		return err
	}
	if step.Replicas == 0 {
		return nil
	}
	renewed := renewal.do != nil
	if renewed && !renewal.early {
		s.progress.set(step.Service, stateStopping, "")
		if err := renewal.do(ctx); err != nil {
			return err
		}
	}
	return s.up(ctx, step, t, renewed)
}

// renewEarly renews a service once what it waits for has been started.
func (s *starter) renewEarly(ctx context.Context, step Step, r renewal) error {
	s.progress.set(step.Service, stateWaiting, "", s.unmet(step)...)
	for _, w := range step.Waits {
		if err := s.started[w.Service].wait(ctx); err != nil && !w.Optional {
			return errDependency
		}
	}
	s.progress.set(step.Service, stateStopping, "")
	return r.do(ctx)
}

// up starts the service's containers and waits until they are ready.
func (s *starter) up(ctx context.Context, step Step, t timing, renewed bool) error {
	found, err := container.List(ctx, s.engine, s.project.Name, step.Service)
	if err != nil {
		return err
	}
	all := found[step.Service]
	if err := s.finish(ctx, all); err != nil {
		return err
	}
	running, ready := running(all), func() {}
	if !running {
		s.progress.set(step.Service, stateQueued, "")
		if err := s.cpus.Acquire(ctx, milli(step.CPUs), step.Rank); err != nil {
			return err
		}
		giveBack := sync.OnceFunc(func() { s.cpus.Release(milli(step.CPUs)) })
		defer giveBack()
		ready = giveBack
		if err := s.places.Acquire(ctx, 1, step.Rank+1); err != nil {
			return err
		}
		t.room = time.Now()
		s.progress.set(step.Service, stateStarting, "")
		all, err = s.launchAll(ctx, step.Service, all)
		s.places.Release(1)
		if err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.found[step.Service] = all
	s.mu.Unlock()
	s.started[step.Service].settle(nil)
	s.progress.set(step.Service, stateProbing, "")
	ended, err := s.awaitReady(ctx, step, all, ready)
	if err != nil {
		return err
	}
	t.ready = time.Now()
	s.mu.Lock()
	s.timings[step.Service] = t
	s.mu.Unlock()
	if !renewed || !running { // else it has said so
		s.sayReady(step, t, running && !ended, ended)
	}
	return nil
}

// removeDuplicateNetworks is removeDuplicateNetworks for one service at a time: the next that asks is told that there were some.
func (s *starter) removeDuplicateNetworks(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.duplicates {
		var err error
		s.duplicates, err = removeDuplicateNetworks(ctx, s.engine, s.project.Name)
		return s.duplicates, err
	}
	return true, nil
}

// running says whether there is nothing to start.
func running(all []moby.Summary) bool {
	for _, c := range all {
		if c.State != moby.StateRunning {
			return false
		}
	}
	return len(all) > 0
}

func (s *starter) sayReady(step Step, t timing, before, ended bool) {
	what := "ready"
	if ended {
		what = "completed"
	}
	after := ""
	if t.by != "" {
		after = fmt.Sprintf(", after %s for %s", ui.Seconds(t.released.Sub(s.began)), strings.Join(waited(step), ", "))
	}
	if before {
		s.out.Done("%s runs already, ready", step.Service)
		return
	}
	s.out.Done("%s %s in %s%s", step.Service, what, ui.Seconds(t.ready.Sub(t.released)), after)
}

func waited(step Step) []string {
	names := make([]string, len(step.Waits))
	for i, w := range step.Waits {
		names[i] = w.Service
	}
	return names
}

// unmet names the dependencies that the service still waits for.
func (s *starter) unmet(step Step) []string {
	var names []string
	for _, w := range step.Waits {
		if !settled(s.condition(w)) {
			names = append(names, w.Service)
		}
	}
	return names
}

func settled(o *outcome) bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// condition is what the dependency has to come to.
func (s *starter) condition(w Wait) *outcome {
	switch w.Condition {
	case types.ServiceConditionHealthy:
		return s.healthy[w.Service]
	case types.ServiceConditionCompletedSuccessfully:
		return s.completed[w.Service]
	}
	return s.started[w.Service]
}

// await blocks until the dependency meets its condition, and says when it did.
func (s *starter) await(ctx context.Context, service string, w Wait) (time.Time, error) {
	o := s.condition(w)
	err := o.wait(ctx)
	switch {
	case err == nil:
		return o.at, nil
	case ctx.Err() != nil:
		return time.Time{}, context.Cause(ctx)
	case w.Optional:
		s.out.Warn("%s starts without %s, which it can do without: %v", service, w.Service, err)
		return o.at, nil
	}
	return time.Time{}, errDependency
}

// awaitReady waits for every replica, and tells when they are ready, before it is known whether they stay so. A one-shot service is
// ready when it has completed, and healthy as soon as its check says so. ended says that all of them have completed.
func (s *starter) awaitReady(ctx context.Context, step Step, all []moby.Summary, ready func()) (ended bool, err error) {
	if err := s.checkless(ctx, step, all); err != nil {
		return false, err
	}
	waiters := make([]*readiness.Waiter, len(all))
	g, within := errgroup.WithContext(ctx)
	for i, c := range all {
		waiters[i] = s.waiter(c, step)
		g.Go(func() error { return s.awaitOne(within, step, waiters[i]) })
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	ready()
	g, within = errgroup.WithContext(ctx)
	for _, w := range waiters {
		g.Go(func() error { return w.WaitStable(within) })
	}
	err = g.Wait()
	return !slices.ContainsFunc(waiters, func(w *readiness.Waiter) bool { return w.Ended() == nil }) && len(waiters) > 0, err
}

// awaitOne waits for one replica.
func (s *starter) awaitOne(ctx context.Context, step Step, w *readiness.Waiter) error {
	if !step.OneShot {
		return w.WaitReady(ctx)
	}
	if by, _ := s.awaitedHealthy(step.Service); by != "" {
		err := w.WaitReady(ctx)
		switch {
		case err == nil && w.Ended() == nil:
			s.healthy[step.Service].settle(nil)
		case err != nil && !readiness.IsNotReady(err):
			return err
		}
	}
	return w.WaitCompleted(ctx)
}

// checkless returns an error where others wait for the service to be healthy, and it has no check that could say so. Where all of
// them can do without it, they are told, and it is no failure of the service.
func (s *starter) checkless(ctx context.Context, step Step, all []moby.Summary) error {
	by, needed := s.awaitedHealthy(step.Service)
	if by == "" || len(all) == 0 {
		return nil
	}
	found, err := s.engine.ContainerInspect(ctx, all[0].ID, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspecting the container of %q: %w", step.Service, err)
	}
	if (container.Replica{InspectResponse: found.Container}).Checked() {
		return nil
	}
	lacks := &readiness.NotReady{
		Why:  "has no health check, neither its own nor its image's, and " + by + " waits until it is healthy",
		Next: "give " + fault.Quote(step.Service) + " a healthcheck, or let " + fault.Quote(by) + " wait for it with service_started; then go tool mage start",
	}
	if needed {
		return lacks
	}
	s.healthy[step.Service].settle(lacks)
	return nil
}

// awaitedHealthy names a service that waits for this one to be healthy, "" where none does, and says whether one does that can't
// do without it.
func (s *starter) awaitedHealthy(service string) (by string, needed bool) {
	for _, step := range s.plan.Steps {
		for _, w := range step.Waits {
			if w.Service != service || w.Condition != types.ServiceConditionHealthy {
				continue
			}
			if by == "" || !needed && !w.Optional {
				by, needed = step.Service, !w.Optional
			}
		}
	}
	return by, needed
}
