package lifecycle

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/containerevents"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/readiness"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/rollout"
	"github.com/25eloquence/compose-mage/internal/semaphore"
	"github.com/25eloquence/compose-mage/internal/trace"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// run executes one plan.
type run struct {
	engine   *engine.Engine
	library  api.Compose
	project  *types.Project // the services of the plan
	whole    *types.Project // of a restart: with all the others
	out      *ui.Out
	spans    *trace.Live // what is done when; nil for nobody
	plan     plan.Plan
	began    time.Time
	seen     plan.Observed
	compared recreate.Comparison
	rolls    *rollout.Rollout // of a restart

	places *semaphore.Ranked // container starts and execs that the engine is asked for at a time
	cpus   *semaphore.Ranked // thousandths of cores
	shells *readiness.Shells
	silent *readiness.SilentPorts
	events *containerevents.Feed

	creation *creation
	progress *progress
	ends     []*outcome // of each operation: its end
	healthy  []*outcome // of each that waits for the end of a job: its health check has passed, or it has ended

	mu         sync.Mutex
	operations []operation.Operation // the plan's, with their times
	services   map[string]*serviceRun
	warned     map[string]bool // services that start without a dependency that they can do without, and that one
	duplicates bool            // networks of one name were found, and all but one removed
}

// serviceRun is what a run has come to with a service.
type serviceRun struct {
	err        error          // why it is not ready: errDependency where that is another's fault
	containers []moby.Summary // those that were started, or ran
	ran        bool           // all of them ran before
	giveBack   func()         // returns the CPUs that it holds until it is ready
}

// runOptions are the choices that a start and a restart have in common.
type runOptions struct {
	out    *ui.Out
	events io.Writer // as in StartOptions
	// silentPorts is as in StartOptions.
	silentPorts string
	began       time.Time
	spans       *trace.Live
}

func newRun(
	e *engine.Engine,
	project *types.Project,
	p plan.Plan,
	compared recreate.Comparison,
	seen plan.Observed,
	o runOptions,
) (*run, error) {
	library, err := composelib.New(e)
	if err != nil {
		return nil, err
	}
	r := &run{
		engine: e, library: library, project: project, whole: project, out: o.out, spans: o.spans,
		plan: p, began: o.began, seen: seen, compared: compared,
		places: semaphore.New(int64(p.StartsAtOnce())), cpus: semaphore.New(milli(float64(p.CPUs))),
		shells: readiness.NewShells(), silent: readiness.ReadSilentPorts(o.silentPorts),
		events: containerevents.New(), operations: slices.Clone(p.Operations),
		services: map[string]*serviceRun{}, warned: map[string]bool{},
	}
	for _, o := range p.Operations {
		r.services[o.Service] = &serviceRun{giveBack: func() {}}
		r.ends, r.healthy = append(r.ends, newOutcome()), append(r.healthy, newOutcome())
	}
	r.creation = newCreation(r)
	r.progress = newProgress(o.out, o.events, project.Name, p, o.began)
	return r, nil
}

// run executes the plan's operations, each when those that it needs have ended, and says what they came to.
func (r *run) run(ctx context.Context) error {
	listening, stop := context.WithCancel(ctx)
	defer stop()
	var all, aside sync.WaitGroup
	aside.Go(func() { r.events.Follow(listening, r.engine, r.project.Name) })
	if r.plan.Composes() {
		all.Go(func() { r.creation.execute(ctx) })
	}
	for i := range r.operations {
		all.Go(func() { r.operation(ctx, i) })
	}
	all.Wait()
	stop()
	aside.Wait()
	r.silent.Save()
	if ctx.Err() == nil {
		if err := r.keepRecords(ctx); err != nil {
			r.out.Warn("the next restart can't name the keys that changed: %v", err)
		}
	}
	ended := r.spans.Time("look whether all stayed ready")
	err := r.result(ctx)
	ended()
	chain := operation.Critical(operation.Timings(r.operations, r.began))
	r.progress.end(err, chain, r.operations)
	r.spans.AddAll(trace.Operations(r.operations, r.began))
	r.spans.End(err != nil, operation.ChainText(chain))
	if err == nil && r.launched() {
		r.out.Info("all ready in %s; critical path: %s", ui.Seconds(time.Since(r.began)), operation.ChainText(chain))
	}
	return err
}

// result is the error of the run, once all operations have ended.
func (r *run) result(ctx context.Context) error {
	if ctx.Err() != nil {
		return r.cutShort(ctx)
	}
	away := r.lastLook(ctx)
	if !r.failed() {
		return nil
	}
	if err := r.failures(ctx); err != nil || away == nil {
		return err
	}
	return fault.New(fault.Engine, fault.Again, "the engine went away: %w", away)
}

// cutShort is why the run ended before its time: where that was its timeout, with how far each service is that is
// not ready.
func (r *run) cutShort(ctx context.Context) error {
	var late *fault.Error
	if cause := context.Cause(ctx); !errors.As(cause, &late) {
		return cause
	}
	said := *late
	return said.WithDetail(r.progress.unfinished()...)
}

// failed says whether a service is not ready.
func (r *run) failed() bool {
	for _, s := range r.services {
		if s.err != nil {
			return true
		}
	}
	return false
}

// launched says whether anything had to be started.
func (r *run) launched() bool {
	for _, o := range r.operations {
		if !o.Admitted.IsZero() {
			return true
		}
	}
	return false
}

// waiter waits for one container of the service.
func (r *run) waiter(c moby.Summary, step plan.Step) *readiness.Waiter {
	return &readiness.Waiter{
		API: r.engine, ID: c.ID, Service: step.Service, HeedDocker: true,
		Places: r.places, Rank: step.Rank, Shells: r.shells, Events: r.events.Of(c.ID),
		Local: r.engine.Local(), SharesNetwork: r.engine.SharesNetwork(), Silent: r.silent,
		ReadyOnceStarted: extension.ReadyOnceStarted(r.project.Services[step.Service]),
		Progress:         func(last string) { r.progress.set(step.Service, stateProbing, last) },
		Warn:             r.out.Warn,
		Probed:           r.probed(step.Service),
	}
}

func milli(cores float64) int64 { return int64(cores * 1000) }
