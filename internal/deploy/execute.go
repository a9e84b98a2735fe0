package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Options are the choices of an execution.
type Options struct {
	Out     *ui.Out
	Timeout time.Duration     // for the whole; 0 for none beyond each service's own
	Auth    map[string]string // what nodes show the registry of a service's image, as X-Registry-Auth has it
}

// run is one execution of a plan.
type run struct {
	engine *engine.Engine
	plan   *Plan
	Options
	started  time.Time // by the engine's clock
	before   map[string]*swarm.ServiceSpec
	progress *progress

	ends    []chan struct{} // closed when the operation has ended
	healthy []chan struct{} // closed when what it waits for is healthy, or it has ended

	mu      sync.Mutex
	errs    []error // of the operations
	ids     map[string]string
	touched []string // services, in the order in which they were
	nodes   []swarm.Node
	asked   time.Time // when the nodes were
	noted   map[int]bool
}

// errDependency is the error of what was not done because of another's failure.
var errDependency = errors.New("not touched: what it waits for failed")

// Execute carries the plan out. Where a service fails, all that was touched goes back to what it was, and the error
// says which task failed where and why. A plan without operations touches nothing.
func Execute(ctx context.Context, e *engine.Engine, p *Plan, o Options) error {
	if len(p.Operations) == 0 {
		return p.endLeft(ctx, e)
	}
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("the deploy took longer than %s", o.Timeout))
		defer cancel()
	}
	kept, err := keep(ctx, e, p, o.Out)
	if err != nil {
		return err
	}
	r := newRun(e, p, o, kept.record.Before)
	failed := r.all(ctx)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	switch {
	case failed == nil:
		return kept.done(after)
	case errors.Is(context.Cause(ctx), context.Canceled): // Ctrl-C: the next deploy goes on from here
		kept.leave(after)
		r.sayLeft()
		return context.Cause(ctx)
	}
	f, whole := r.back(context.WithoutCancel(ctx), failed)
	after, cancel = context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if !whole {
		kept.leave(after)
		return f
	}
	return errors.Join(f, kept.done(after))
}

// endLeft removes the record of a deploy that was killed when all was done.
func (p *Plan) endLeft(ctx context.Context, e *engine.Engine) error {
	for _, c := range p.cluster.Configs {
		if !isRecord(c, p.Stack) {
			continue
		}
		if left, dead, err := readRecord(ctx, e, p.Stack); err == nil && dead {
			_, err := e.ConfigRemove(ctx, left.id, client.ConfigRemoveOptions{})
			if err != nil && !cerrdefs.IsNotFound(err) {
				return fmt.Errorf("removing the record of an earlier deploy: %w", err)
			}
		}
	}
	return nil
}

func newRun(e *engine.Engine, p *Plan, o Options, before map[string]*swarm.ServiceSpec) *run {
	r := &run{
		engine: e, plan: p, Options: o, started: e.Now(), before: before, ids: map[string]string{},
		noted: map[int]bool{}, nodes: p.cluster.Nodes, asked: time.Now(),
		errs: make([]error, len(p.Operations)),
	}
	for range p.Operations {
		r.ends, r.healthy = append(r.ends, make(chan struct{})), append(r.healthy, make(chan struct{}))
	}
	for _, n := range p.cluster.Networks {
		r.ids[networkKind+n.Name] = n.ID
	}
	for _, s := range p.cluster.Secrets {
		r.ids[secretKind+s.Spec.Name] = s.ID
	}
	for _, s := range p.cluster.Configs {
		r.ids[configKind+s.Spec.Name] = s.ID
	}
	return r
}

// all executes the operations, each when what it needs is so, and gives the first failure.
func (r *run) all(ctx context.Context) error {
	r.progress = newProgress(r.Out, r.plan)
	defer r.progress.end()
	within, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	for i := range r.plan.Operations {
		running.Go(func() {
			err := r.operation(within, i)
			if err != nil && !errors.Is(err, errDependency) {
				stop(errDependency) // the others are not waited for: they go back
			}
		})
	}
	running.Wait()
	for _, err := range r.errs {
		if err != nil && !errors.Is(err, errDependency) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return r.lastLook(ctx)
}

// lastLook judges every service that was touched once more, when all are ready: one without a health check may have
// ended since.
func (r *run) lastLook(ctx context.Context) error {
	for _, name := range r.touched {
		if spec, kept := r.plan.stack.Services[name]; !kept || isJob(spec) {
			continue // it was removed, or has done its work
		}
		service, tasks, err := r.observe(ctx, name)
		if err != nil {
			return err
		}
		if s := cluster.Progress(service, tasks, r.nodesNow(ctx)); s.Running < s.Wanted {
			return &notReady{name, fmt.Sprintf("%d of %d tasks run no more", s.Wanted-s.Running, s.Wanted), s.Failures}
		}
	}
	return nil
}

// operation executes one.
func (r *run) operation(ctx context.Context, i int) error {
	err := r.await(ctx, i)
	r.time(i, func(o *operation.Operation, now time.Time) { o.Began = now })
	if err == nil {
		err = r.do(ctx, i)
	}
	r.time(i, func(o *operation.Operation, now time.Time) { o.Ended, o.Failed = now, err != nil })
	r.mu.Lock()
	r.errs[i] = err
	r.mu.Unlock()
	r.isHealthy(i)
	close(r.ends[i])
	return err
}

func (r *run) time(i int, note func(o *operation.Operation, now time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	note(&r.plan.Operations[i], time.Now())
}

// isHealthy releases those that wait for health alone; once.
func (r *run) isHealthy(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.noted[i] {
		r.noted[i] = true
		r.plan.Operations[i].Healthy = time.Now()
		close(r.healthy[i])
	}
}

// await blocks until what the operation needs is so.
func (r *run) await(ctx context.Context, i int) error {
	for _, n := range r.plan.Operations[i].Needs {
		awaited := r.ends[n.Operation]
		if n.Healthy {
			awaited = r.healthy[n.Operation]
		}
		select {
		case <-awaited:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		r.mu.Lock()
		err := r.errs[n.Operation]
		r.mu.Unlock()
		if err != nil && !n.Optional {
			return errDependency
		}
	}
	return ctx.Err()
}

// do executes an operation whose needs are met.
func (r *run) do(ctx context.Context, i int) error {
	o := r.plan.Operations[i]
	switch {
	case o.Kind == operation.Wait:
		return r.wait(ctx, i, o.Service)
	case o.Kind == operation.Remove && o.Resource != "":
		return r.removeResource(ctx, o.Resource)
	case o.Kind == operation.Remove:
		r.touch(o.Service)
		_, err := r.engine.ServiceRemove(ctx, r.plan.cluster.Services[o.Service].ID, client.ServiceRemoveOptions{})
		return wrap("removing", o.Service, err)
	case o.Resource != "":
		return r.makeResource(ctx, o.Resource)
	case o.Kind == operation.Create:
		return r.create(ctx, o.Service)
	}
	return r.update(ctx, o.Service)
}

func wrap(doing, service string, err error) error {
	if err == nil || cerrdefs.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("%s %q: %w", doing, service, err)
}

func (r *run) touch(service string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.touched = append(r.touched, service)
}

// sayLeft names what was touched, where a deploy ends in the middle.
func (r *run) sayLeft() {
	if len(r.touched) > 0 {
		r.Out.Warn("touched so far: %s; the Swarm goes on with those. Deploying again goes on from there",
			strings.Join(r.touched, ", "))
	}
}
