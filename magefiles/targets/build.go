package targets

import (
	"context"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/provision"
)

// Build builds the images in parallel and loads what changed.
//
// The build cache is read from and written to CACHE_REGISTRY (default: the registry that setup made; "none" for no
// cache). An image that fails stops no other; the exit code says so.
func Build(ctx context.Context,
	services *string, // comma-separated services; all by default
	noCache *bool, // build every step again
	progress *string, // auto, plain, tty, quiet or rawjson
	dryRun *bool, // print what would be built
) error {
	return fault.Exit(ctx, build(ctx, services, value(noCache, false), value(progress, "auto"), value(dryRun, false)))
}

// build builds just the named services, as docker compose build does: what they depend on may be built already.
func build(ctx context.Context, services *string, noCache bool, progress string, dryRun bool) error {
	s, err := openOnly(ctx, services)
	if err != nil {
		return err
	}
	return s.buildImages(ctx, noCache, progress, dryRun)
}

// buildImages builds the session's stack.
func (s *session) buildImages(ctx context.Context, noCache bool, progress string, dryRun bool) error {
	plan, err := image.MakePlan(s.stack.Project, image.PlanOptions{CacheRegistry: s.cacheRegistry(), NoCache: noCache})
	if err != nil {
		return err
	}
	if dryRun {
		plan.Print(s.out.Writer())
		return nil
	}
	builder, err := s.connectBuilder(ctx)
	if err != nil {
		return err
	}
	defer builder.Close()
	s.out.Title("building %d images", len(plan.Targets))
	_, err = image.Build(ctx, plan, image.Options{
		Builder: builder, Engine: s.engine, Out: s.out, Progress: progress,
		Environment: image.Environment{Lookup: os.LookupEnv, CABundle: provision.SourceCA(), Secrets: s.stack.Project.Secrets},
	})
	return err
}
