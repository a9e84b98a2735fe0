package targets

import (
	"context"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack"
)

// Build builds the images in parallel and loads what changed.
//
// The build cache is read from and written to CACHE_REGISTRY (default: the registry that setup made; "none" for no
// cache; also type=gha or type=local,dest=DIR); CACHE_WRITE=false only reads it. An image that fails stops no
// other; the exit code says so. BUILDKIT_HOST may list several builders, separated by commas.
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
	trace *string, // a file that gets what was done when, for ui.perfetto.dev
	dryRun *bool, // -dry-run: print what would be built
) error {
	if err := refuseTrace("build", trace, value(dryRun, false)); err != nil {
		return fault.Exit(ctx, err)
	}
	o := stack.BuildOptions{
		NoCache: value(noCache, false), Pull: value(pull, false), FailFast: value(failFast, false),
		Push:   value(push, false),
		Attest: value(attest, false), Platform: value(platform, ""), Progress: value(progress, ""),
	}
	return fault.Exit(ctx, traced(ctx, trace, "build", func(ctx context.Context) error {
		return build(ctx, services, o, value(dryRun, false), value(json, false))
	}))
}

// build builds just the named services, as docker compose build does: what they depend on may be built already.
func build(ctx context.Context, services *string, o stack.BuildOptions, dryRun, asJSON bool) (err error) {
	if o.Services, err = names(services); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	s, err := openJSON(ctx, asJSON)
	if err != nil {
		return err
	}
	if dryRun {
		plan, err := s.PlanBuild(ctx, o)
		if err != nil {
			return err
		}
		out := os.Stdout
		if asJSON {
			out = os.Stderr
		}
		plan.Print(out)
		return nil
	}
	report, err := s.Build(ctx, o)
	if asJSON && report.Images != nil {
		if jsonErr := ui.WriteJSON(os.Stdout, report, ""); err == nil {
			err = jsonErr
		}
	}
	return err
}

// Lock updates docker/bases.lock to the registry's digests.
//
// Builds take the base images of the Dockerfiles by these digests, without asking the registry. It prints what changed;
// commit the file. Bases that setup made on this machine are left as they are. BASES_LOCK names another file.
func Lock(ctx context.Context,
	check *bool, // write nothing, and fail where something would change
) error {
	collectLess()
	_, err := stack.LockBases(ctx, stack.LockOptions{Check: value(check, false)})
	return err
}
