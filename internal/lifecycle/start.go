// Package lifecycle owns the start, the restart and the stop of a stack: the Compose library creates its containers, and we start each as
// what it depends on gets ready. It never removes a volume.
package lifecycle

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/containerevents"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/readiness"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/rollout"
	"github.com/25eloquence/compose-mage/internal/semaphore"
	"github.com/25eloquence/compose-mage/internal/shim"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// StartOptions are the choices of a start.
type StartOptions struct {
	Out     *ui.Out
	Timeout time.Duration // for the whole start; 0 for none beyond each service's own
	Events  io.Writer     // where events are written as JSON, one a line; nil for nowhere
	// SilentPorts is a file that remembers the services whose published ports nobody listened on, which are waited for less; "" for
	// none.
	SilentPorts string
	Records     recreate.Records // what containers were made from, so that the keys can be named that changed
	Orphans     orphan.Policy    // what is done about containers of services that the files no longer have; they are named by default
	// TakeOver makes the containers of another checkout this one's; else such containers are an error.
	TakeOver bool

	jobs map[string]bool // services that are run to their end, whether or not another one of the project waits for it
	// renew makes the start a restart: by service, what is done to its containers before those are started that don't run then.
	// Nothing else is made anew, whatever has changed. nil for a start.
	renew map[string]renewal
}

// renewal is what a restart does to a service's containers, when what the service waits for is ready; early is when that has only been
// started, so that it is stopped while that gets ready.
type renewal struct {
	do    func(context.Context) error
	early bool
}

// Start creates what is missing or changed and starts the project's services as their dependencies get ready. What is
// healthy stays up when something fails, and a second start goes on from there. An error of code Config says that the
// containers are another checkout's.
func Start(ctx context.Context, e *engine.Engine, project *types.Project, o StartOptions) error {
	began := time.Now()
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, fault.New(fault.Failed, "go tool mage status", "not everything was ready within %s", o.Timeout))
		defer cancel()
	}
	project, err := container.Labelled(project.WithoutUnresolvedOptionalDependencies())
	if err != nil {
		return err
	}
	e = shim.EndingSurvivors(e, project.Name, o.Out)
	there, err := prepare(ctx, e, project, o)
	if err != nil {
		return err
	}
	s, err := newStarter(ctx, e, project, o, began, there)
	if err != nil {
		return err
	}
	return s.run(ctx)
}

// prepare refuses what can't be started, and puts right what is in the way. It gives the containers that there are then, by service.
func prepare(ctx context.Context, e *engine.Engine, project *types.Project, o StartOptions) (map[string][]moby.Summary, error) {
	all, err := container.All(ctx, e, project.Name)
	if err != nil {
		return nil, err
	}
	if others := container.CheckoutsAmong(all, project); len(others) > 0 && !o.TakeOver {
		return nil, container.Refusal(others, project, "start")
	}
	removed, err := orphan.Settle(ctx, e, orphan.Among(all, project), o.Orphans, o.Out)
	if err != nil {
		return nil, err
	}
	if err := refuse(ctx, e, project, container.ByService(all)); err != nil {
		return nil, err
	}
	rolled := slices.ContainsFunc(all, rollout.Replacement)
	if rolled {
		if err := rollout.Finish(ctx, e, project, o.Out); err != nil {
			return nil, err
		}
	}
	if rolled || removed {
		return container.List(ctx, e, project.Name)
	}
	return container.ByService(all), nil
}

// starter runs one start.
type starter struct {
	engine  *engine.Engine
	compose api.Compose
	project *types.Project
	out     *ui.Out
	plan    Plan
	began   time.Time
	before  map[string][]moby.Summary // the containers that were there, by service

	compared recreate.Comparison
	outdated map[string]string // services that are made anew although Compose would keep them, and why

	places *semaphore.Ranked // container starts and execs that the engine is asked for at a time
	cpus   *semaphore.Ranked // thousandths of cores
	shells *readiness.Shells
	silent *readiness.SilentPorts
	events *containerevents.Feed
	renew  map[string]renewal // as in StartOptions

	creation *creation
	progress *progress
	// What becomes of each service, by name.
	created, started, healthy, completed map[string]*outcome

	mu         sync.Mutex
	errs       map[string]error
	timings    map[string]timing
	found      map[string][]moby.Summary // the containers that there are now, by service, as far as the start has come
	duplicates bool                      // networks of one name were found, and all but one removed
}

func newStarter(
	ctx context.Context, e *engine.Engine, project *types.Project, o StartOptions, began time.Time, there map[string][]moby.Summary,
) (*starter, error) {
	library, err := composelib.New(e)
	if err != nil {
		return nil, err
	}
	s := &starter{
		engine: e, compose: library, project: project, out: o.Out, began: began, plan: MakePlan(project, e.Machine().CPUs),
		silent: readiness.ReadSilentPorts(o.SilentPorts), shells: readiness.NewShells(), events: containerevents.New(), renew: o.renew,
		created: map[string]*outcome{}, started: map[string]*outcome{}, healthy: map[string]*outcome{}, completed: map[string]*outcome{},
		errs: map[string]error{}, timings: map[string]timing{}, found: map[string][]moby.Summary{},
		compared: recreate.Comparison{Engine: e, Project: project, Records: o.Records}, before: there,
	}
	s.places, s.cpus = semaphore.New(int64(s.plan.startsAtOnce())), semaphore.New(milli(float64(s.plan.CPUs)))
	for i, step := range s.plan.Steps {
		s.plan.Steps[i].OneShot = step.OneShot || o.jobs[step.Service]
		for _, outcomes := range []map[string]*outcome{s.created, s.started, s.healthy, s.completed} {
			outcomes[step.Service] = newOutcome()
		}
	}
	if err := s.compare(ctx); err != nil {
		return nil, err
	}
	if s.creation, err = newCreation(ctx, s); err != nil {
		return nil, err
	}
	s.progress = newProgress(o.Out, o.Events, project.Name, s.plan, began)
	return s, nil
}

// compare finds what Compose would leave outdated, and what would keep it from making a network anew. A restart has its
// plan for the former.
func (s *starter) compare(ctx context.Context) error {
	var networks map[string]bool
	var err error
	if s.renew == nil {
		s.outdated, networks, err = s.compared.BeyondCompose(ctx, s.before)
	} else {
		networks, err = s.compared.DivergedNetworks(ctx)
	}
	if err != nil {
		return err
	}
	return s.compared.NetworksAreFree(ctx, networks, s.before)
}

func (s *starter) run(ctx context.Context) error {
	listening, stop := context.WithCancel(ctx)
	defer stop()
	var all, aside sync.WaitGroup
	aside.Go(func() { s.events.Follow(listening, s.engine, s.project.Name) })
	all.Go(func() { s.creation.run(ctx, slices.Sorted(maps.Keys(s.outdated))) })
	for _, step := range s.plan.Steps {
		all.Go(func() { s.step(ctx, step) })
	}
	all.Wait()
	stop()
	aside.Wait()
	s.silent.Save()
	if ctx.Err() == nil {
		if err := s.keepRecords(ctx); err != nil {
			s.out.Warn("the next restart can't name the keys that changed: %v", err)
		}
	}
	var err error
	if ctx.Err() != nil {
		err = s.cutShort(ctx)
	} else if away := s.lastLook(ctx); len(s.errs) > 0 {
		if err = s.failures(ctx); err == nil && away != nil {
			err = fault.New(fault.Engine, fault.Again, "the engine went away: %w", away)
		}
	}
	chain := critical(s.timings)
	s.progress.end(err, chain)
	if err == nil && s.launched() {
		sayCritical(s.out, time.Since(s.began), chain)
	}
	return err
}

// cutShort is why the start ended before its time: where that was its timeout, with how far each service is that is not ready.
func (s *starter) cutShort(ctx context.Context) error {
	var late *fault.Error
	if cause := context.Cause(ctx); !errors.As(cause, &late) {
		return cause
	}
	said := *late
	return said.WithDetail(s.progress.unfinished()...)
}

// launched says whether anything had to be started.
func (s *starter) launched() bool {
	for _, t := range s.timings {
		if !t.room.IsZero() {
			return true
		}
	}
	return false
}

// waiter waits for one container of the service.
func (s *starter) waiter(c moby.Summary, step Step) *readiness.Waiter {
	return &readiness.Waiter{
		API: s.engine, ID: c.ID, Service: step.Service, HeedDocker: true,
		Places: s.places, Rank: step.Rank, Shells: s.shells, Events: s.events.Of(c.ID),
		Local: s.engine.Local(), SharesNetwork: s.engine.SharesNetwork(), Silent: s.silent,
		ReadyOnceStarted: extension.ReadyOnceStarted(s.project.Services[step.Service]),
		Progress:         func(last string) { s.progress.set(step.Service, stateProbing, last) },
		Warn:             s.out.Warn,
	}
}

func milli(cores float64) int64 { return int64(cores * 1000) }
