package targets

import (
	"context"
	"os"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"

	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Cleanup removes what is no longer used; never a volume with data.
//
// It prints its plan, with bytes and reasons, before it acts. By default it touches only what is provably this
// project's: its stopped, orphaned containers, unused images and networks, and build cache over the budget.
func Cleanup(ctx context.Context,
	scope *string, // project (default) or host: also what nobody uses on the whole machine
	keep *string, // build cache to keep, 10GB by default
	volumes *string, // comma-separated volumes to remove with their data
	json *bool, // print the plan as JSON; all other output goes to standard error
	dryRun *bool, // -dry-run: only print the plan
) error {
	return fault.Exit(ctx, cleanUp(ctx, cleanupChoice{
		scope: value(scope, ""), keep: value(keep, ""), volumes: volumes, json: value(json, false), dryRun: value(dryRun, false),
	}))
}

// cleanupChoice is Cleanup's options; the zero value is the safe default.
type cleanupChoice struct {
	scope, keep string
	volumes     *string
	json        bool
	dryRun      bool
}

func cleanUp(ctx context.Context, c cleanupChoice) error {
	volumes, err := names(c.volumes)
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
	o := cleanup.Options{Scope: cleanup.Scope(c.scope), Volumes: volumes}
	if c.keep != "" {
		if o.CacheBudget, err = units.RAMInBytes(c.keep); err != nil {
			return fault.New(fault.Usage, "", "-keep=%s: %w", c.keep, err)
		}
		if o.CacheBudget == 0 {
			o.CacheBudget = -1 // to the library 0 is "the default"
		}
	}
	if s.builderAddress() != "" {
		// A builder that is gone has no cache worth failing for; the build says what is wrong with it.
		if builders, err := s.connectBuilders(ctx); err == nil {
			var clients []*client.Client
			for _, b := range builders {
				defer b.Close()
				if !b.Native { // the engine's own cache is counted as the engine's
					clients = append(clients, b.Client)
				}
			}
			if len(clients) > 0 {
				o.Builder = cleanup.OnBuildKit(clients...)
			}
		}
	}
	release, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
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
