package targets

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/builddisplay"
	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/solve"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/stepnet"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// buildChoice is what build's options say.
type buildChoice struct {
	noCache, pull, failFast, push, attest, json, dryRun bool
	progress, platform                                  string
}

// Build builds the images in parallel and loads what changed.
//
// The build cache is read from and written to CACHE_REGISTRY (default: the registry that setup made; "none" for no
// cache; also type=gha or type=local,dest=DIR); CACHE_WRITE=false only reads it. An image that fails stops no other; the
// exit code says so. BUILDKIT_HOST may list several builders, separated by commas.
func Build(ctx context.Context,
	services *string, // comma-separated services; all by default
	noCache *bool, // -no-cache: build every step again
	pull *bool, // ask the registries for newer bases, and move the lock to them
	failFast *bool, // -fail-fast: end the other images when one fails
	push *bool, // push to the registries that the image names say, instead of loading
	attest *bool, // with -push: provenance and SBOM attestations
	platform *string, // with -push: linux/amd64,linux/arm64, those that the builder has
	progress *string, // auto, plain, tty, quiet or rawjson
	json *bool, // results as one line of JSON; progress goes to standard error
	dryRun *bool, // -dry-run: print what would be built
) error {
	c := buildChoice{
		noCache: value(noCache, false), pull: value(pull, false), failFast: value(failFast, false), push: value(push, false), attest: value(attest, false),
		json: value(json, false), dryRun: value(dryRun, false), progress: value(progress, "auto"), platform: value(platform, ""),
	}
	return fault.Exit(ctx, build(ctx, services, c))
}

// build builds just the named services, as docker compose build does: what they depend on may be built already.
func build(ctx context.Context, services *string, c buildChoice) error {
	if !c.push && (c.attest || c.platform != "") {
		return fault.New(fault.Usage, "add -push", "-attest and -platform are for images that are pushed: an engine holds neither")
	}
	s, err := openOnly(ctx, services)
	if err != nil {
		return err
	}
	if c.json {
		s.out = ui.New(os.Stderr)
	}
	if !c.dryRun {
		s.putRight(ctx)
	}
	return s.buildImages(ctx, c)
}

// buildImages builds the session's stack.
func (s *session) buildImages(ctx context.Context, c buildChoice) error {
	if err := compose.CheckPlatforms(s.stack.Project); err != nil {
		return err
	}
	cache, err := s.cache()
	if err != nil {
		return err
	}
	if err := builddisplay.Check(c.progress); err != nil {
		return err
	}
	plan, err := buildplan.Make(s.stack.Project, buildplan.Options{NoCache: c.noCache, Pull: c.pull, Push: c.push, Platforms: c.platform})
	if err != nil {
		return err
	}
	if c.dryRun {
		plan.Print(s.out.Writer(), cache)
		for _, w := range plan.Warnings {
			s.out.Warn("%s", w)
		}
		return nil
	}
	if len(plan.Targets) == 0 {
		s.out.Warn("no service to build: %s without a build section", strings.Join(plan.Pulled, ", "))
		if c.json {
			return image.WriteJSON(os.Stdout, nil)
		}
		return nil
	}
	results, err := s.buildPlan(ctx, c, plan, cache)
	if c.json && results != nil {
		if jsonErr := image.WriteJSON(os.Stdout, results); err == nil {
			err = jsonErr
		}
	}
	return err
}

// buildPlan builds a plan of images; the results are nil where none was begun.
func (s *session) buildPlan(ctx context.Context, c buildChoice, plan buildplan.Plan, cache buildcache.Cache) ([]image.Result, error) {
	builders, err := s.connectBuilders(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, b := range builders {
			_ = b.Close()
		}
	}()
	dir, err := state.Dir()
	if err != nil {
		return nil, err
	}
	if c.pull {
		if err := s.moveLock(ctx, builders[0]); err != nil {
			return nil, err
		}
	}
	environment, err := s.buildEnvironment(dir)
	if err != nil {
		return nil, err
	}
	s.out.Title("building %d images", len(plan.Targets))
	return image.Build(ctx, plan, image.Options{
		Builders: builders, Engine: s.engine, Out: s.out, Progress: c.progress, Cache: cache, Memory: filepath.Join(dir, "images"),
		Explain:  explain.NewStore(filepath.Join(dir, "inputs")),
		Builds:   s.builds(dir),
		FailFast: c.failFast, Push: c.push, Attest: c.attest,
		Environment: environment,
	})
}

// builds is the record of the project's built images. dir is the state's.
func (s *session) builds(dir string) *builds.Store {
	return builds.Open(dir, s.stack.Project.Name, s.stack.Project.WorkingDir, s.engine.Info.ID)
}

// buildEnvironment is what builds take from the project and this machine. dir is the state's.
func (s *session) buildEnvironment(dir string) (solve.Environment, error) {
	lock, err := s.lockedBases(dir)
	if err != nil {
		return solve.Environment{}, err
	}
	var made bases.Lock
	if s.builderAddress() == s.state.Builder {
		if made, err = bases.ReadMade(dir); err != nil {
			return solve.Environment{}, err
		}
	}
	proxies := map[string]string{}
	for name, value := range config.LoadDefaultConfigFile(ui.New(os.Stderr).Writer()).ParseProxyConfig(s.engine.Host, nil) {
		if value != nil {
			proxies[name] = *value
		}
	}
	return solve.Environment{
		Steps: s.state.StepNetwork(s.builderAddress()), Lookup: s.stack.Project.Environment.Resolve, Proxies: proxies, CABundle: stepnet.CABundle(), Secrets: s.stack.Project.Secrets,
		Policy: lock.Policy(), PullPolicy: made.Policy(),
	}, nil
}

// moveLock asks the registries for the bases of what is built, and writes the digests that they have now into the lock file. Only what
// is locked is moved: what isn't, the builder asks for itself.
func (s *session) moveLock(ctx context.Context, b *builder.Builder) error {
	file := bases.File()
	old, err := bases.Read(file)
	if err != nil {
		return err
	}
	all, err := bases.Refs(s.stack.Project)
	if err != nil {
		return err
	}
	local, err := localBases()
	if err != nil {
		return err
	}
	var refs []string
	for _, ref := range all {
		if _, made := local.Digest(ref); made {
			s.out.Info("%s stays as it is: setup made it on this machine, and no registry has it", ref)
		} else if _, locked := old.Digest(ref); locked {
			refs = append(refs, ref)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	next, changes, err := bases.Refresh(ctx, registry.Builder{Client: b.Client}, refs, old, local)
	if err != nil {
		return err
	}
	moved := 0
	for _, c := range changes {
		if c.To != "" { // the others are not built now
			s.out.Info("%s", c)
			moved++
		}
	}
	if moved == 0 {
		s.out.Info("%s: no newer base", file)
		return nil
	}
	return old.Merge(next).Write(file)
}

// lockedBases are those of docker/bases.lock and, for the builder that setup made, those that setup locked.
func (s *session) lockedBases(dir string) (bases.Lock, error) {
	if s.builderAddress() == s.state.Builder {
		return bases.ReadAll(bases.File(), dir)
	}
	return bases.Read(bases.File())
}
