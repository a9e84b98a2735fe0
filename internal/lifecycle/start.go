package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// StartOptions are the choices of a start.
type StartOptions struct {
	Out     *ui.Out
	Timeout time.Duration // for the whole start; 0 for none beyond each service's own
	Events  io.Writer     // where events are written as JSON, one a line; nil for nowhere
	Memory  string        // a file that keeps how long services took to get ready, which saves probes; "" for none

	jobs map[string]bool // services that are run to their end, whether or not another one of the project waits for it
}

// Start creates what is missing or changed and starts the project's services as their dependencies get ready. What is
// healthy stays up when something fails, and a second start goes on from there.
func Start(ctx context.Context, e *engine.Engine, project *types.Project, o StartOptions) error {
	began := time.Now()
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, fault.New(fault.Failed, "go tool mage status", "not everything was ready within %s", o.Timeout))
		defer cancel()
	}
	project, err := labelled(project.WithoutUnresolvedOptionalDependencies())
	if err != nil {
		return err
	}
	if err := checkFiles(project); err != nil {
		return err
	}
	if err := checkImages(ctx, e, project); err != nil {
		return err
	}
	if err := finishRollouts(ctx, e, project, o.Out); err != nil {
		return err
	}
	s, err := newStarter(ctx, e, project, o, began)
	if err != nil {
		return err
	}
	return s.run(ctx)
}

// starter runs one start.
type starter struct {
	engine  *engine.Engine
	compose api.Compose
	project *types.Project
	out     *ui.Out
	plan    Plan
	began   time.Time
	before  map[string][]container.Summary // the containers that were there, by service

	starts *room // containers that the engine starts at a time
	cpus   *room // thousandths of cores
	budget *budget
	shells *shells
	memory *memory
	news   *news

	creation *creation
	progress *progress
	// What becomes of each service, by name.
	created, started, healthy, completed map[string]*outcome

	mu      sync.Mutex
	errs    map[string]error
	timings map[string]timing
	twins   bool // networks of one name were found, and all but one removed
}

func newStarter(ctx context.Context, e *engine.Engine, project *types.Project, o StartOptions, began time.Time) (*starter, error) {
	library, err := newCompose(e)
	if err != nil {
		return nil, err
	}
	s := &starter{
		engine: e, compose: library, project: project, out: o.Out, began: began, plan: MakePlan(project, e.Machine().CPUs),
		memory: recall(o.Memory), shells: newShells(), news: newNews(),
		created: map[string]*outcome{}, started: map[string]*outcome{}, healthy: map[string]*outcome{}, completed: map[string]*outcome{},
		errs: map[string]error{}, timings: map[string]timing{},
	}
	s.starts, s.cpus, s.budget = newRoom(int64(s.plan.startsAtOnce())), newRoom(milli(float64(s.plan.CPUs))), newBudget(s.plan.CPUs)
	for _, image := range s.memory.NoShell {
		s.shells.lack(image)
	}
	for i, step := range s.plan.Steps {
		s.plan.Steps[i].OneShot = step.OneShot || o.jobs[step.Service]
		s.memory.of(step.Service) // all of them now: the map is not written to later
		for _, outcomes := range []map[string]*outcome{s.created, s.started, s.healthy, s.completed} {
			outcomes[step.Service] = newOutcome()
		}
	}
	if s.before, err = existing(ctx, e, project.Name); err != nil {
		return nil, err
	}
	if s.creation, err = newCreation(s); err != nil {
		return nil, err
	}
	s.progress = newProgress(o.Out, o.Events, project.Name, s.plan, began)
	return s, nil
}

func (s *starter) run(ctx context.Context) error {
	listening, stop := context.WithCancel(ctx)
	defer stop()
	var all, aside sync.WaitGroup
	aside.Go(func() { s.news.follow(listening, s.engine, s.project.Name) })
	stale := s.stale()
	all.Go(func() { s.creation.run(ctx, stale) })
	for _, step := range s.plan.Steps {
		all.Go(func() { s.step(ctx, step) })
	}
	all.Wait()
	stop()
	aside.Wait()
	s.memory.NoShell = s.shells.images()
	s.memory.keep()
	var err error
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if away := s.stayed(ctx); len(s.errs) > 0 {
		if err = s.failures(ctx); err == nil && away != nil {
			err = fault.New(fault.Engine, "go tool mage start", "the engine went away: %w", away)
		}
	}
	chain := critical(s.timings)
	s.progress.end(err, chain)
	if err == nil && s.launched() {
		sayCritical(s.out, time.Since(s.began), chain)
	}
	return err
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
	case errors.Is(err, errDependency):
		s.progress.set(name, stateSkipped, "")
	default:
		s.progress.set(name, stateFailed, err.Error())
		if ctx.Err() == nil {
			s.out.Failed("%s %s", name, err)
		}
	}
	for _, outcomes := range []map[string]*outcome{s.started, s.healthy, s.completed} {
		outcomes[name].settle(err) // those that are settled already stay as they are
	}
}

// bring waits for what the service depends on, for its containers and for room, starts it, and waits until it is ready.
func (s *starter) bring(ctx context.Context, step Step) error {
	t := timing{released: s.began}
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
	return s.up(ctx, step, t)
}

// up starts the service's containers and waits until they are ready.
func (s *starter) up(ctx context.Context, step Step, t timing) error {
	all, err := s.replicas(ctx, step.Service)
	if err == nil {
		err = s.finish(ctx, all)
	}
	if err != nil {
		return err
	}
	running := running(all)
	if !running {
		s.progress.set(step.Service, stateQueued, "")
		if err := s.cpus.take(ctx, milli(step.CPUs), step.Rank); err != nil {
			return err
		}
		defer s.cpus.give(milli(step.CPUs))
		if err := s.starts.take(ctx, 1, step.Rank); err != nil {
			return err
		}
		t.room = time.Now()
		s.progress.set(step.Service, stateStarting, "")
		err := s.launch(ctx, step.Service, all)
		if ambiguous(err) {
			if dropped, _ := s.dropTwins(ctx); dropped {
				err = s.launch(ctx, step.Service, all)
			}
		}
		s.starts.give(1)
		if err != nil {
			return err
		}
	}
	s.started[step.Service].settle(nil)
	s.progress.set(step.Service, stateProbing, "")
	if err := s.ready(ctx, step, all, !running); err != nil {
		return err
	}
	t.ready = time.Now()
	s.mu.Lock()
	s.timings[step.Service] = t
	s.mu.Unlock()
	s.sayReady(step, t, running)
	return nil
}

// dropTwins is dropTwins for one service at a time: the next that asks is told that there were some.
func (s *starter) dropTwins(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.twins {
		var err error
		s.twins, err = dropTwins(ctx, s.engine, s.project.Name)
		return s.twins, err
	}
	return true, nil
}

// running says whether there is nothing to start.
func running(all []container.Summary) bool {
	for _, c := range all {
		if c.State != container.StateRunning {
			return false
		}
	}
	return len(all) > 0
}

func (s *starter) sayReady(step Step, t timing, before bool) {
	what := "ready"
	if step.OneShot {
		what = "completed"
	}
	after := ""
	if t.by != "" {
		after = fmt.Sprintf(", after %s for %s", ui.Seconds(t.released.Sub(s.began)), strings.Join(waited(step), ", "))
	}
	if before && !step.OneShot {
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

// ready waits for every replica. A one-shot service is ready when it has completed, and healthy as soon as its check says so.
func (s *starter) ready(ctx context.Context, step Step, all []container.Summary, fresh bool) error {
	g, within := errgroup.WithContext(ctx)
	for _, c := range all {
		g.Go(func() error {
			r := s.readiness(c, step, fresh && len(all) == 1)
			if !step.OneShot {
				return r.wait(within)
			}
			if s.awaitedHealthy(step.Service) {
				if err := r.wait(within); err == nil {
					s.healthy[step.Service].settle(nil)
				} else if !isNotReady(err) {
					return err
				}
			}
			return r.completed(within)
		})
	}
	return g.Wait()
}

// awaitedHealthy says whether others wait for the service to be healthy.
func (s *starter) awaitedHealthy(service string) bool {
	for _, step := range s.plan.Steps {
		for _, w := range step.Waits {
			if w.Service == service && w.Condition == types.ServiceConditionHealthy {
				return true
			}
		}
	}
	return false
}

// readiness waits for one container of the service; fresh is one that this start has started, whose time is worth remembering.
func (s *starter) readiness(c container.Summary, step Step, fresh bool) *readiness {
	r := &readiness{
		api: s.engine, id: c.ID, budget: s.budget, shells: s.shells, crowded: s.starts.crowded, rank: step.Rank, news: s.news.of(c.ID),
		local: s.engine.Local(), inside: s.engine.SharesNetwork(), warn: s.out.Warn,
		tell: func(last string) { s.progress.set(step.Service, stateProbing, last) },
	}
	if fresh {
		r.past, r.like = s.memory.of(step.Service), s.memory.like(c.ImageID)
		if !r.past.knows() && r.like.knows() {
			r.past, r.like = r.like, r.past // what this one sees is still kept for its own next start
		}
	}
	return r
}

func milli(cores float64) int64 { return int64(cores * 1000) }
