package targets

import (
	"context"
	"os"
	"path/filepath"

	spb "github.com/moby/buildkit/sourcepolicy/pb"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// buildChoice is what build's options say.
type buildChoice struct {
	noCache, failFast, push, attest, json, dryRun bool
	progress, platform                            string
}

// Build builds the images in parallel and loads what changed.
//
// The build cache is read from and written to CACHE_REGISTRY (default: the registry that setup made; "none" for no
// cache; also type=gha or type=local,dest=DIR); CACHE_WRITE=false only reads it. An image that fails stops no other; the
// exit code says so. BUILDKIT_HOST may list several builders, separated by commas.
func Build(ctx context.Context,
	services *string, // comma-separated services; all by default
	noCache *bool, // build every step again
	failFast *bool, // end the other images when one fails
	push *bool, // push to the registries that the image names say, instead of loading
	attest *bool, // with -push: provenance and SBOM attestations
	platform *string, // with -push: linux/amd64,linux/arm64, those that the builder has
	progress *string, // auto, plain, tty, quiet or rawjson
	json *bool, // results as one line of JSON; progress goes to standard error
	dryRun *bool, // print what would be built
) error {
	c := buildChoice{
		noCache: value(noCache, false), failFast: value(failFast, false), push: value(push, false), attest: value(attest, false),
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
	plan, err := image.MakePlan(s.stack.Project, image.PlanOptions{NoCache: c.noCache, Platforms: c.platform})
	if err != nil {
		return err
	}
	if c.dryRun {
		plan.Print(s.out.Writer(), cache)
		return nil
	}
	builders, err := s.connectBuilders(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, b := range builders {
			_ = b.Close()
		}
	}()
	dir, err := state.Dir()
	if err != nil {
		return err
	}
	policy, err := s.policy(dir)
	if err != nil {
		return err
	}
	s.out.Title("building %d images", len(plan.Targets))
	results, err := image.Build(ctx, plan, image.Options{
		Builders: builders, Engine: s.engine, Out: s.out, Progress: c.progress, Cache: cache, Memory: filepath.Join(dir, "images"),
		Explain:  explain.NewStore(filepath.Join(dir, "inputs")),
		FailFast: c.failFast, Push: c.push, Attest: c.attest,
		Environment: image.Environment{Lookup: os.LookupEnv, CABundle: provision.SourceCA(), Secrets: s.stack.Project.Secrets, Policy: policy},
	})
	if c.json {
		if jsonErr := image.WriteJSON(os.Stdout, results); err == nil {
			err = jsonErr
		}
	}
	return err
}

// policy pins the bases that are locked.
func (s *session) policy(dir string) (*spb.Policy, error) {
	lock, err := s.lockedBases(dir)
	if err != nil {
		return nil, err
	}
	return lock.Policy(), nil
}

// lockedBases are those of docker/bases.lock and, for the builder that setup made, those that setup locked.
func (s *session) lockedBases(dir string) (bases.Lock, error) {
	if s.builderAddress() == s.state.Builder {
		return bases.ReadAll(bases.File(), dir)
	}
	return bases.Read(bases.File())
}
