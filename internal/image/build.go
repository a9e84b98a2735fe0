// Package image owns the build of a stack's images: which builder each goes to, which solves it needs, whether the
// engine has it already, and what became of it. BuildKit alone decides what is stale; what is built is buildplan's, a
// single solve is solve's, and how an image gets into the engine is imageload's.
package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	moby "github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/builddisplay"
	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/imageload"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/solve"
	"github.com/25eloquence/compose-mage/internal/trace"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Engine is what a build needs of the Docker Engine.
type Engine interface {
	imageload.Engine
	ImageHistory(ctx context.Context, image string, opts ...moby.ImageHistoryOption) (moby.ImageHistoryResult, error)
}

// Options are the surroundings of a build.
type Options struct {
	Builders    []*builder.Builder // at least one
	Engine      Engine
	Environment solve.Environment
	Cache       buildcache.Cache
	Memory      string         // directory of what builds leave for the next; "" for none
	Explain     *explain.Store // takes what each build read and which steps ran; nil for none
	Builds      *builds.Store  // takes which images the engine was given; nil for none
	FailFast    bool           // the first image that fails ends the others
	Push        bool           // to the registries that the images' names say, instead of into the engine
	Attest      bool           // pushed images get provenance and SBOM attestations
	Out         *ui.Out
	Progress    string // auto, plain, tty, quiet, rawjson
}

// errFailFast ends the other images of a build after the first failure.
var errFailFast = errors.New("stopped, since another image failed")

// run is one build of a plan.
type run struct {
	Options
	project      string
	dir          string // of the Compose files
	builders     *builderPool
	contexts     *solve.Contexts
	layers       *imageload.EngineLayers
	cacheOnly    *cacheOnlySolves
	order        *changedFirst
	outcomes     map[string]*outcome // by service
	show         *builddisplay.Display
	stop         context.CancelCauseFunc
	cacheAnswers func(context.Context) error // whether the cache's registry answers
	probe        *registry.Probe             // which registries do not give a cache's manifest

	naming   sync.Map // image name -> *sync.Mutex
	warning  sync.Mutex
	warnings []string // warnings that concern no single image, for after the progress display

	unrecorded sync.Once
}

func (r *run) warn(format string, args ...any) {
	r.warning.Lock()
	defer r.warning.Unlock()
	r.warnings = append(r.warnings, fault.Redact(fmt.Sprintf(format, args...)))
}

// lockNames keeps other images of the run that have one of these names from being loaded until release is called. Of
// several images with one name the last keeps the name, as with docker compose build, and each image is checked while
// it has the name.
func (r *run) lockNames(names []string) (release func()) {
	sorted := slices.Sorted(slices.Values(names)) // always in this order, so that two never wait for each other
	var held []*sync.Mutex
	for _, name := range slices.Compact(sorted) {
		one, _ := r.naming.LoadOrStore(name, &sync.Mutex{})
		mu := one.(*sync.Mutex)
		mu.Lock()
		held = append(held, mu)
	}
	return func() {
		for _, mu := range held {
			mu.Unlock()
		}
	}
}

// Build builds every image of the plan at the same time and gives the engine those that changed. An image that fails
// stops no other, unless FailFast asks for it. The results come in the plan's order; the error joins the failures.
func Build(ctx context.Context, plan buildplan.Plan, o Options) ([]Result, error) {
	show, err := builddisplay.New(o.Out.Screen(), o.Progress, o.Out.Terminal())
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &run{
		Options: o, project: plan.Project, dir: plan.Dir, contexts: &solve.Contexts{}, cacheOnly: newCacheOnlySolves(),
		order: newChangedFirst(len(plan.Targets)), outcomes: outcomes(plan.Targets), show: show, stop: stop,
	}
	members := r.prepare(plan)
	results := make([]Result, len(plan.Targets))
	var all sync.WaitGroup
	for i, t := range plan.Targets {
		all.Go(func() {
			start := time.Now()
			results[i] = r.build(running, t, members[t.Key])
			r.outcomes[t.Service].set(results[i].Err)
			r.order.setChanged(t.Service, false)
			r.order.setStarted(t.Service)
			results[i].Took = time.Since(start)
			timeImage(ctx, start, results[i])
		})
	}
	all.Wait()
	show.Close()
	path := endSpans(ctx, results)
	if err := ctx.Err(); err != nil {
		return results, err
	}
	printResults(o.Out, results)
	if path != "" {
		o.Out.Info("critical path: %s", path)
	}
	for _, t := range plan.Targets {
		r.warnings = append(r.warnings, solve.Notes(t, o.Environment)...)
	}
	for _, w := range slices.Concat(r.warnings, plan.Warnings, r.contexts.Warnings(plan.Dir)) {
		o.Out.Warn("%s", w)
	}
	return results, failures(results)
}

// prepare readies what the images of a run share, and gives the builder of each by the image's key.
func (r *run) prepare(plan buildplan.Plan) map[string]*member {
	var once sync.Once
	var silent error
	r.cacheAnswers = func(ctx context.Context) error {
		once.Do(func() {
			if silent = r.Cache.Answers(ctx); silent != nil && ctx.Err() == nil {
				r.warn("the build cache at %s is neither read nor written: %v", r.Cache.Prefix, silent)
			}
		})
		return silent
	}
	r.probe = registry.NewProbe(registry.AnswerWithin, func(host string) {
		r.warn("the build caches at %s are neither read nor written: the registry gave no manifest within %s", host,
			registry.AnswerWithin)
	})
	keys, names := make([]string, len(plan.Targets)), []string(nil)
	for i, t := range plan.Targets {
		keys[i], names = t.Key, append(names, t.Names...)
	}
	r.layers = imageload.NewEngineLayers(r.Engine, plan.Project, names)
	r.builders = newBuilderPool(r.Builders)
	members := r.builders.share(keys)
	placeWithNeeds(plan.Targets, members)
	return members
}

// build builds one image, and goes on with another builder where the image's own dies.
func (r *run) build(ctx context.Context, t buildplan.Target, m *member) Result {
	if err := r.waitForNeeds(ctx, t); err != nil {
		return Result{Target: t, State: Failed, Err: err}
	}
	for {
		res, rec, err := r.buildOn(ctx, t, m)
		if err == nil {
			return res
		}
		res.State = Failed
		if ctx.Err() != nil || !solve.BuilderLost(err) || m.Alive(ctx) {
			res.Err = solve.Error(ctx, r.dir, t, rec, err)
			if r.FailFast {
				r.stop(errFailFast)
			}
			return res
		}
		other, none := r.builders.next(t.Key, m)
		if none != nil {
			res.Err = noBuilderLeft(t, m.Builder, fault.BuildMessage(err.Error()))
			return res
		}
		r.warn("%s: the builder %s went away; going on with the one %s", t.Service, m.Where, other.Where)
		m = other
	}
}

// buildOn builds one image on one builder: the builder makes the image, and an engine that lacks the image is given the
// layers that it lacks. Where a step ran, the registry cache is written at the same time.
func (r *run) buildOn(ctx context.Context, t buildplan.Target, m *member) (Result, *solve.Recorder, error) {
	res := Result{Target: t}
	rec := solve.NewRecorder(t.Service, r.show)
	opt, local, err := solve.NewRequest(ctx, t, r.project, r.Environment, r.contexts)
	if err != nil {
		return res, rec, fault.New(fault.Config, fault.Correct, "building %q: %w", t.Service, err)
	}
	if err := opt.SetHostGateway(m.Builder); err != nil {
		return res, rec, fault.New(fault.Config, fault.Correct, "building %q: %w", t.Service, err)
	}
	if r.Push && !t.Local {
		return r.push(ctx, t, m, opt)
	}
	past := recall(r.Memory, r.project, t.Key)
	inputs := solve.Stamp(t, r.project, r.Environment, local)
	before := r.engineID(ctx, t)
	s := &imageSolve{run: r, target: t, member: m, opt: opt, past: past, unchanged: past.builtFrom(inputs, m.ID)}
	s.onlyConfirm = s.unchanged && confirmOnly(t, past, before)
	in, readable := r.readInputs(t, inputs, local)
	if readable && !s.unchanged && len(t.Needs) == 0 { // else what changed in a context may be another image's
		s.unchanged = r.Explain.Inputs.Unchanged(ctx, in) && m.ID == past.Builder
	}
	defer s.dropUpload()
	r.order.setChanged(t.Service, !s.unchanged)
	if s.unchanged {
		began := time.Now()
		r.order.wait(ctx)
		trace.Of(ctx).Waited(t.Service, "images that changed", began)
	}
	rec, err = s.makeOrConfirm(ctx)
	steps := res.setSteps(rec)
	if readable {
		defer r.remember(ctx, in, steps)()
	}
	if err != nil {
		return res, rec, err
	}
	r.outcomes[t.Service].set(nil)
	res.ID, s.stepsRan, s.bases = s.id(), res.Built, rec.BaseNames()
	wait := s.writeCacheIfNeeded(ctx, &past, res.Built > 0)
	if !r.Engine.ContainerdStore() { // before it is loaded: a run that is killed then leaves no image that nobody knows
		r.record(ctx, t, res.ID)
	}
	if past.engineHas(before, res.ID) {
		res.State = Unchanged
	} else {
		res.State = Loaded
		res.Loaded, err = s.timeLoad(ctx)
	}
	res.Warnings = slices.Concat(s.warnings, wait())
	if err != nil {
		return res, rec, err
	}
	past.Builder, past.Inputs, past.Bases, past.ID = m.ID, inputs, rec.Bases(), res.ID
	if res.State == Loaded {
		before = s.loadedID(ctx)
	}
	past.EngineID = before
	past.keep()
	if r.Engine.ContainerdStore() && before != "" {
		r.record(ctx, t, before)
	}
	return res, rec, nil
}
