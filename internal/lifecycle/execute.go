package lifecycle

import (
	"context"
	"errors"
	"sync"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/readiness"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// errDependency is the error of what was not done because of another service's failure.
var errDependency = errors.New("not started: a dependency failed")

// outcome is what becomes of an operation, or of a part of it: nothing yet, well, or an error.
type outcome struct {
	once sync.Once
	done chan struct{}
	err  error
}

func newOutcome() *outcome { return &outcome{done: make(chan struct{})} }

// settle says what became of it; only the first word counts.
func (o *outcome) settle(err error) {
	o.once.Do(func() {
		o.err = err
		close(o.done)
	})
}

// wait blocks until it is settled.
func (o *outcome) wait(ctx context.Context) error {
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *outcome) settled() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// operation executes one operation once those that it needs have ended.
func (r *run) operation(ctx context.Context, i int) {
	o := r.plan.Operations[i]
	err := r.await(ctx, o)
	r.time(i, func(o *operation.Operation, now time.Time) { o.Began = now })
	if err == nil {
		err = r.do(ctx, i, o)
	}
	r.time(i, func(o *operation.Operation, now time.Time) { o.Ended, o.Failed = now, err != nil })
	if err != nil {
		err = r.explained(ctx, o.Service, err)
		r.fails(ctx, o, err)
	} else if o.Kind == operation.Wait && o.Container == "" {
		r.progress.set(o.Service, stateReady, "")
	}
	r.healthy[i].settle(err) // unless its health check has passed before
	r.ends[i].settle(err)
}

// time notes a time of an operation.
func (r *run) time(i int, note func(o *operation.Operation, now time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	note(&r.operations[i], time.Now())
}

// fails notes the first failure of a service and says it.
func (r *run) fails(ctx context.Context, o operation.Operation, err error) {
	if ctx.Err() != nil { // it has not failed, the run ends before it
		return
	}
	r.mu.Lock()
	s := r.services[o.Service]
	first := s.err == nil
	if first {
		s.err = err
	}
	r.mu.Unlock()
	switch {
	case !first || o.Service == "":
	case errors.Is(err, errDependency):
		r.progress.set(o.Service, stateSkipped, "")
	default:
		r.progress.set(o.Service, stateFailed, err.Error())
		r.out.Failed("%s %s", o.Service, err)
	}
}

// await blocks until what the operation needs has ended.
func (r *run) await(ctx context.Context, o operation.Operation) error {
	for _, n := range o.Needs {
		r.showAwaited(o, n)
		err := r.awaited(n).wait(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !n.Optional && r.plan.Operations[n.Operation].Service == "":
			return err // a network's
		case !n.Optional:
			return errDependency
		case o.Kind != operation.Stop || !r.plan.All: // that one is stopped early, and will be said to start without it
			r.warnOptional(o.Service, r.plan.Operations[n.Operation].Service, err)
		}
	}
	return nil
}

// awaited is the outcome for which the need stands.
func (r *run) awaited(n operation.Need) *outcome {
	if n.Healthy {
		return r.healthy[n.Operation]
	}
	return r.ends[n.Operation]
}

// showAwaited shows which services the operation waits for, or that its own containers are made.
func (r *run) showAwaited(o operation.Operation, n operation.Need) {
	needed := r.plan.Operations[n.Operation]
	switch {
	case o.Service == "" || r.awaited(n).settled():
	case needed.Service == o.Service && r.plan.Together(needed):
		r.progress.set(o.Service, stateCreating, "")
	case needed.Service != o.Service && needed.Service != "":
		r.progress.set(o.Service, stateWaiting, "", r.unmet(o)...)
	}
}

// unmet names the services that the operation still waits for.
func (r *run) unmet(o operation.Operation) []string {
	var names []string
	for _, n := range o.Needs {
		if name := r.plan.Operations[n.Operation].Service; name != o.Service && name != "" && !r.awaited(n).settled() {
			names = append(names, name)
		}
	}
	return names
}

// warnOptional says once that a service does without another one.
func (r *run) warnOptional(service, other string, err error) {
	r.mu.Lock()
	said := r.warned[service+" "+other]
	r.warned[service+" "+other] = true
	r.mu.Unlock()
	if !said {
		r.out.Warn("%s starts without %s, which it can do without: %v", service, other, err)
	}
}

// do executes an operation.
func (r *run) do(ctx context.Context, i int, o operation.Operation) error {
	switch {
	case r.plan.Together(o):
		return r.creation.of(o).wait(ctx)
	case o.Kind == operation.Start && o.Container == "":
		return r.start(ctx, i, o)
	case o.Kind == operation.Wait && o.Container == "":
		return r.ready(ctx, i, o)
	case o.Container != "":
		return r.replica(ctx, o)
	}
	r.progress.set(o.Service, stateStopping, "")
	return r.renew(ctx, o, composelib.Restriction{Service: o.Service}, 0)
}

// renew stops a service's containers that shown shows, or replaces them; scale is as composelib.Recreate has it.
func (r *run) renew(ctx context.Context, o operation.Operation, shown composelib.Restriction, scale int) error {
	switch o.Kind {
	case operation.Roll:
		return r.rolls.Service(ctx, o.Service)
	case operation.Stop:
		return composelib.Stop(ctx, r.engine, r.whole, shown)
	}
	err := composelib.Recreate(ctx, r.engine, r.whole, shown, scale)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return diagnosis.Start(ctx, r.engine, r.whole, o.Service, &diagnosis.CreateError{Err: err})
}

// replica does what a restart does to one of a service's replicas.
func (r *run) replica(ctx context.Context, o operation.Operation) error {
	found, err := container.Inspect(ctx, r.engine, r.project.Name, o.Service)
	if err != nil {
		return err
	}
	for _, c := range found[o.Service] {
		if c.Name() != o.Container {
			continue
		}
		switch o.Kind {
		case operation.Wait:
			err = r.replicaReady(ctx, c)
		case operation.Start:
			err = composelib.Start(ctx, r.engine, r.whole, composelib.Restriction{Service: o.Service})
		default:
			r.progress.set(o.Service, stateStopping, "")
			err = r.renew(
				ctx,
				o,
				composelib.Restriction{Service: o.Service, Shows: func(id string) bool { return id == c.ID }},
				1,
			)
		}
		if err != nil {
			return fault.New(fault.Failed, "go tool mage logs "+fault.Quote(o.Service),
				"restarting replica %d of %q: %w", c.Number(), o.Service, err)
		}
	}
	return nil
}

// replicaReady waits for one of a service's replicas.
func (r *run) replicaReady(ctx context.Context, c container.Replica) error {
	began := time.Now()
	if err := readiness.WaitOrEnd(ctx, r.engine, c.ID); err != nil {
		return err
	}
	r.out.Done("%s ready in %s", c.Name(), ui.Seconds(time.Since(began)))
	return nil
}

// runs says whether there is nothing to start.
func runs(all []moby.Summary) bool {
	for _, c := range all {
		if c.State != moby.StateRunning {
			return false
		}
	}
	return len(all) > 0
}
