package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	moby "github.com/moby/moby/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/builddisplay"
	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/cacheprobe"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Engine is what a build needs of the Docker Engine.
type Engine interface {
	ImageInspect(ctx context.Context, image string, opts ...moby.ImageInspectOption) (moby.ImageInspectResult, error)
	ImageHistory(ctx context.Context, image string, opts ...moby.ImageHistoryOption) (moby.ImageHistoryResult, error)
	ImageList(ctx context.Context, options moby.ImageListOptions) (moby.ImageListResult, error)
	ImageLoad(ctx context.Context, input io.Reader, opts ...moby.ImageLoadOption) (moby.ImageLoadResult, error)
	ContainerdStore() bool // it then names an image by its manifest, and a load has to be whole
}

// Options are the surroundings of a build.
type Options struct {
	Builders    []*Builder // at least one
	Engine      Engine
	Environment Environment
	Cache       Cache
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
	project  string
	dir      string // of the Compose files
	pool     *pool
	contexts *contexts
	layers   *engineLayers
	quick    *quick
	order    *order
	outcomes map[string]*outcome // by service
	show     *builddisplay.Display
	stop     context.CancelCauseFunc
	asked    func(context.Context) error // whether the cache's registry answers
	probe    *cacheprobe.Probe           // which registries do not give a cache's manifest

	naming sync.Map // image name -> *sync.Mutex
	noting sync.Mutex
	notes  []string // warnings that concern no single image, for after the progress display

	unrecorded sync.Once
}

func (r *run) note(format string, args ...any) {
	r.noting.Lock()
	defer r.noting.Unlock()
	r.notes = append(r.notes, fault.Redact(fmt.Sprintf(format, args...)))
}

// hold keeps other images of the run that have one of these names from being loaded until the function that it returns is called:
// of several the last one keeps the name, as with docker compose build, and each is checked while it has it.
func (r *run) hold(names []string) (release func()) {
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
func Build(ctx context.Context, plan Plan, o Options) ([]Result, error) {
	show, err := builddisplay.New(o.Out.Screen(), o.Progress, o.Out.Terminal())
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &run{Options: o, project: plan.Project, dir: plan.Dir, contexts: &contexts{}, quick: newQuick(), order: newOrder(len(plan.Targets)), outcomes: outcomes(plan.Targets), show: show, stop: stop}
	var once sync.Once
	var silent error
	r.asked = func(ctx context.Context) error {
		once.Do(func() {
			if silent = o.Cache.reach(ctx); silent != nil && ctx.Err() == nil {
				r.note("the build cache at %s is neither read nor written: %v", o.Cache.Prefix, silent)
			}
		})
		return silent
	}
	r.probe = cacheprobe.New(cacheWithin, func(registry string) {
		r.note("the build caches at %s are neither read nor written: the registry gave no manifest within %s", registry, cacheWithin)
	})
	r.pool = newPool(o.Builders)
	keys, names := make([]string, len(plan.Targets)), []string(nil)
	for i, t := range plan.Targets {
		keys[i], names = t.Key, append(names, t.Names...)
	}
	r.layers = newEngineLayers(o.Engine, plan.Project, names)
	members := r.pool.share(keys)
	near(plan.Targets, members)
	results := make([]Result, len(plan.Targets))
	var all sync.WaitGroup
	for i, t := range plan.Targets {
		all.Go(func() {
			start := time.Now()
			results[i] = r.build(running, t, members[t.Key])
			r.outcomes[t.Service].tell(results[i].Err)
			r.order.decide(t.Service, false)
			r.order.underway(t.Service)
			results[i].Took = time.Since(start)
		})
	}
	all.Wait()
	show.Close()
	if err := ctx.Err(); err != nil {
		return results, err
	}
	printResults(o.Out, results)
	for _, t := range plan.Targets {
		r.notes = slices.Concat(r.notes, t.unset(o.Environment), t.network(o.Environment))
	}
	for _, w := range slices.Concat(r.notes, plan.Warnings, r.contexts.warnings(plan.Dir)) {
		o.Out.Warn("%s", w)
	}
	return results, failures(results)
}

// build builds one image, on another builder where its own dies.
func (r *run) build(ctx context.Context, t Target, m *member) Result {
	if err := r.await(ctx, t); err != nil {
		return Result{Target: t, State: Failed, Err: err}
	}
	for {
		res, rec, err := r.on(ctx, t, m)
		if err == nil {
			return res
		}
		res.State = Failed
		if ctx.Err() != nil || !lost(err) || m.alive(ctx) {
			res.Err = buildError(ctx, t, rec, r.unquoted(t, err))
			if r.FailFast {
				r.stop(errFailFast)
			}
			return res
		}
		other, none := r.pool.next(t.Key, m)
		if none != nil {
			code := fault.Builder
			if m.Native {
				code = fault.Engine
			}
			res.Err = fault.New(code, fault.Again, "building %q: the builder %s went away in mid-build: %s", t.Service, m.Where, lastLine(err.Error()))
			return res
		}
		r.note("%s: the builder %s went away; going on with the one %s", t.Service, m.Where, other.Where)
		m = other
	}
}

// on builds one image on one builder. It solves the target; where the engine has the result that is all, else the engine
// gets the layers that it lacks. The registry cache is written at the same time, where a step ran.
func (r *run) on(ctx context.Context, t Target, m *member) (Result, *recorder, error) {
	res := Result{Target: t}
	rec := newRecorder(t.Service, r.show)
	opt, local, err := t.solveOpt(ctx, r.project, r.Environment, r.contexts)
	if err != nil {
		return res, rec, fault.New(fault.Config, fault.Correct, "building %q: %w", t.Service, err)
	}
	if err := opt.hostGateway(m.Builder); err != nil {
		return res, rec, fault.New(fault.Config, fault.Correct, "building %q: %w", t.Service, err)
	}
	if r.Push && !t.Local {
		return r.push(ctx, t, m, opt)
	}
	past := recall(r.Memory, r.project, t.Key)
	inputs := t.stamp(r.project, r.Environment, local)
	before := r.engineID(ctx, t)
	s := &solving{run: r, target: t, member: m, opt: opt, past: past, same: inputs != "" && inputs == past.Inputs && m.ID == past.Builder}
	s.known = s.same && past.loaded(before) && !t.fresh() && !t.Build.Pull
	in, readable := r.inputs(t, inputs, local)
	if readable && !s.same && len(t.Needs) == 0 { // what changed in a context may be another image's
		s.same = r.Explain.Unchanged(ctx, in) && m.ID == past.Builder
	}
	defer s.drop()
	r.order.decide(t.Service, !s.same)
	if s.same {
		r.order.wait(ctx)
	}
	rec, err = s.confirm(ctx)
	rec.into(&res)
	if readable {
		defer r.remember(ctx, in, res.ran)()
	}
	if err != nil {
		return res, rec, err
	}
	r.outcomes[t.Service].tell(nil)
	res.ID, s.ran, s.bases = s.id(), res.Built, rec.baseNames()
	wait := s.export(ctx, &past, res.Built > 0)
	if !r.Engine.ContainerdStore() { // before it is loaded: a run that is killed then leaves no image that nobody knows
		r.record(ctx, t, res.ID)
	}
	if before == res.ID || before != "" && res.ID == past.ID && before == past.EngineID {
		res.State = Unchanged
	} else {
		res.State = Loaded
		res.Loaded, err = s.load(ctx)
	}
	res.Warnings = slices.Concat(s.warnings, wait())
	if err != nil {
		return res, rec, err
	}
	past.Builder, past.Inputs, past.Bases, past.ID = m.ID, inputs, rec.bases(), res.ID
	if res.State == Loaded {
		before = s.given(ctx)
	}
	past.EngineID = before
	past.keep()
	if r.Engine.ContainerdStore() && before != "" {
		r.record(ctx, t, before)
	}
	return res, rec, nil
}

// record writes down that the engine's image of that ID is one that a build made, which is worth no failure.
func (r *run) record(ctx context.Context, t Target, id string) {
	if err := r.Builds.Add(ctx, id, t.Key, t.Names); err != nil && ctx.Err() == nil {
		r.unrecorded.Do(func() {
			r.note("no cleanup will take these images for its own, since the build could not be recorded: %v", err)
		})
	}
}

// remember has explain keep what was built, beside the load, and gives the function that waits for that. Where it fails, explain says
// that it knows nothing.
func (r *run) remember(ctx context.Context, in explain.Inputs, ran []explain.Step) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Explain.Remember(ctx, in, ran)
	}()
	return func() { <-done }
}

// inputs gives what explain reads of an image, its local contexts as they were walked; false where it has nothing to say of it.
func (r *run) inputs(t Target, stamp string, local map[string]*localContext) (explain.Inputs, bool) {
	if r.Explain == nil {
		return explain.Inputs{}, false
	}
	in, err := t.Explained(r.project).Inputs()
	in.Stamp = stamp
	if lc := local["context"]; lc != nil {
		in.Context.Files = lc.files
	}
	for name, tree := range in.Contexts {
		if lc := local[namedContext+name]; lc != nil {
			tree.Files = lc.files
			in.Contexts[name] = tree
		}
	}
	return in, err == nil
}

// engineID is what the engine has under all of the target's names; "" where it lacks one, or they differ.
func (r *run) engineID(ctx context.Context, t Target) string {
	id := ""
	for _, name := range t.Names {
		found := r.named(ctx, name)
		if found == "" || id != "" && found != id {
			return ""
		}
		id = found
	}
	return id
}

// named is the ID of the engine's image of that name; "" where there is none. An engine with a containerd store measures an image to
// inspect it, which takes 27 ms of CPU; its history tells the ID in 11.
func (r *run) named(ctx context.Context, name string) string {
	if r.Engine.ContainerdStore() {
		steps, err := r.Engine.ImageHistory(ctx, name)
		if err != nil {
			return ""
		}
		if len(steps.Items) > 0 && strings.HasPrefix(steps.Items[0].ID, "sha256:") {
			return steps.Items[0].ID
		}
	}
	found, err := r.Engine.ImageInspect(ctx, name)
	if err != nil {
		return ""
	}
	return found.ID
}

// push builds an image, for several platforms where the target says so, and pushes it to the registry of its names.
func (r *run) push(ctx context.Context, t Target, m *member, opt request) (Result, *recorder, error) {
	res := Result{Target: t, State: Pushed}
	rec := newRecorder(t.Service, r.show)
	if t.Chosen {
		has, lacks := split(t.Platform, m.Platforms)
		if len(has) == 0 {
			return res, rec, fault.New(fault.Usage, "", "the builder %s can't build for %s", m.Where, t.Platform)
		}
		if len(lacks) > 0 {
			res.Warnings = append(res.Warnings, fmt.Sprintf("not built for %s, which the builder %s can't build for", strings.Join(lacks, ", "), m.Where))
		}
		opt.platform(strings.Join(has, ","))
	}
	t.attest(opt.FrontendAttrs, r.Attest)
	opt.CacheImports = r.importable(ctx, t, m)
	opt.CacheExports = append(r.exportable(ctx, t, m), t.inline()...)
	opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
		"name": strings.Join(t.Names, ","), "push": "true", "oci-mediatypes": "true",
	}}}
	resp, without, err := solveOrGiveUp(ctx, m.Builder, opt, rec)
	rec.into(&res)
	if without != "" {
		res.Warnings = append(res.Warnings, without)
	}
	if rec.warning != "" {
		res.Warnings = append(res.Warnings, "the build cache was not written: "+lastLine(rec.warning))
	}
	if err != nil {
		return res, rec, err
	}
	res.ID = resp.ExporterResponse[exptypes.ExporterImageDigestKey]
	if res.ID == "" {
		return res, rec, fmt.Errorf("the builder gave no digest for the pushed image")
	}
	return res, rec, nil
}

// split says which platforms of a list ("linux/amd64,linux/arm64") are among those that a builder has.
func split(list string, have []ocispecs.Platform) (has, lacks []string) {
	for want := range strings.SplitSeq(list, ",") {
		want = strings.TrimSpace(want)
		p, err := platforms.Parse(want)
		if err == nil && slices.ContainsFunc(have, func(h ocispecs.Platform) bool { return platforms.Only(h).Match(p) }) {
			has = append(has, want)
		} else {
			lacks = append(lacks, want)
		}
	}
	return has, lacks
}
