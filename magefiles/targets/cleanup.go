package targets

import (
	"context"
	"os"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Cleanup removes what is no longer used; never a volume with data.
//
// It prints its plan, with bytes and reasons, before it acts. By default it touches only what is provably this project's and can be
// made again: its stopped, orphaned containers, unused networks, and old images that builds here made. What else there is, it lists.
func Cleanup(ctx context.Context,
	scope *string, // project (default) or host: also what nobody uses on the whole machine
	keep *string, // with -scope=host: build cache to keep, 10GB by default
	volumes *string, // comma-separated volumes to remove with their data
	images *string, // comma-separated images to remove, by name or ID
	takeOver *bool, // -take-over: also what another checkout made under this project's name
	json *bool, // print the plan as JSON; all other output goes to standard error
	dryRun *bool, // -dry-run: only print the plan
) error {
	return fault.Exit(ctx, cleanUp(ctx, cleanupChoice{
		scope: value(scope, ""), keep: value(keep, ""), volumes: volumes, images: images, takeOver: value(takeOver, false),
		json: value(json, false), dryRun: value(dryRun, false),
	}))
}

// cleanupChoice is Cleanup's options; the zero value is the safe default.
type cleanupChoice struct {
	scope, keep string
	volumes     *string
	images      *string
	takeOver    bool
	json        bool
	dryRun      bool
}

func cleanUp(ctx context.Context, c cleanupChoice) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	s, err := openUnstarted(ctx, nil)
	if err != nil {
		return err
	}
	if c.json {
		s.out = ui.New(os.Stderr)
	}
	dir, err := state.Dir()
	if err != nil {
		return err
	}
	o.Builds = s.builds(dir)
	if err := o.Builds.Check(); err != nil {
		s.out.Warn("%v", err)
	}
	builder, closeBuilder := s.builderBeside(ctx)
	defer closeBuilder()
	o.Builder = builder
	if !c.dryRun {
		s.putRight(ctx)
	}
	release, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	if !c.takeOver {
		if err := container.RefuseOthers(ctx, s.engine, s.stack.Project, "cleanup"); err != nil {
			return err
		}
	}
	plan, err := cleanup.MakePlan(ctx, s.engine, s.stack.Project, o)
	if err != nil {
		return err
	}
	if c.json {
		err = writeJSON(os.Stdout, plan.Report(c.dryRun))
	} else {
		plan.Print(s.out)
	}
	if c.dryRun || err != nil {
		return err
	}
	return cleanup.Execute(ctx, s.engine, plan, s.out)
}

// options reads what can be understood without an engine.
func (c cleanupChoice) options() (cleanup.Options, error) {
	o := cleanup.Options{Scope: cleanup.Scope(c.scope), TakeOver: c.takeOver}
	var err error
	if o.Volumes, err = names(c.volumes); err != nil {
		return o, err
	}
	if o.Images, err = names(c.images); err != nil {
		return o, err
	}
	if c.keep == "" {
		return o, nil
	}
	if o.Scope == "" || o.Scope == cleanup.Project {
		return o, fault.New(fault.Usage, "go tool mage cleanup -scope=host -keep="+fault.Quote(c.keep)+" -dry-run, to see what else that removes",
			"-keep is for the build caches, which other projects build with too: nothing was done")
	}
	if o.CacheBudget, err = units.RAMInBytes(c.keep); err != nil {
		return o, fault.New(fault.Usage, "", "-keep=%s: %w", c.keep, err)
	}
	if o.CacheBudget == 0 {
		o.CacheBudget = -1 // to the library 0 is "the default"
	}
	return o, nil
}

// builderBeside is the cache of the builders other than the engine's own, which is counted as the engine's; nil where there is none. One
// that is gone has no cache worth failing for; the build says what is wrong with it.
func (s *session) builderBeside(ctx context.Context) (cleanup.Builder, func()) {
	nothing := func() {}
	if s.builderAddress() == "" {
		return nil, nothing
	}
	builders, err := s.connectBuilders(ctx)
	if err != nil {
		return nil, nothing
	}
	var clients []*client.Client
	for _, b := range builders {
		if b.Native {
			_ = b.Close()
			continue
		}
		clients = append(clients, b.Client)
	}
	if len(clients) == 0 {
		return nil, nothing
	}
	return cleanup.OnBuildKit(clients...), func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}
}
