package targets

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Restart restarts what changed, in dependency order; volumes stay.
//
// A service is restarted when its image or configuration changed, or when it does not run or is unhealthy; named services are in
// any case, and what did not change stays up. Replicas go one at a time. With -rolling the new container is ready before the old
// one leaves; a service that can't be replaced like that is refused, with the reason, before anything is touched.
func Restart(ctx context.Context,
	services *string, // comma-separated services, changed or not; what changed by default
	all *bool, // every service, changed or not
	rolling *bool, // without down-time, where nothing forbids it
	timeout *time.Duration, // for the whole restart; 0 for none beyond each service's own
	takeOver *bool, // -take-over: make another checkout's containers of this project name this one's
	json *bool, // with -dry-run: print JSON
	dryRun *bool, // -dry-run: print what would be restarted, and why
) error {
	named, err := names(services)
	if err != nil {
		return fault.Exit(ctx, err)
	}
	return fault.Exit(ctx, restart(ctx, lifecycle.RestartOptions{
		Services: named, All: value(all, false), Rolling: value(rolling, false), Timeout: value(timeout, 0),
		TakeOver: value(takeOver, false),
	}, value(dryRun, false), value(json, false)))
}

// restart loads the whole stack whatever is named: others may have to go along.
func restart(ctx context.Context, o lifecycle.RestartOptions, dryRun, asJSON bool) error {
	if asJSON && !dryRun {
		return fault.New(fault.Usage, "go tool mage restart -dry-run -json", "-json of restart is for its plan")
	}
	s, err := load(ctx, nil, compose.Request{Also: o.Services})
	if err != nil {
		return err
	}
	if err := compose.CheckStartable(s.stack.Project); err != nil {
		return err
	}
	if asJSON {
		s.out = ui.New(os.Stderr)
	}
	start, err := s.startOptions()
	if err != nil {
		return err
	}
	o.Out, o.Memory, o.Records = s.out, start.Memory, start.Records
	if dryRun {
		if !o.TakeOver {
			if err := container.RefuseOthers(ctx, s.engine, s.stack.Project, "restart"); err != nil {
				return err
			}
		}
		plan, err := lifecycle.PlanRestart(ctx, s.engine, s.stack.Project, o)
		if err != nil {
			return err
		}
		if asJSON {
			err = writeJSON(os.Stdout, plan.Report(s.stack.Project.Name))
		} else {
			plan.Print(s.out.Writer())
		}
		return errors.Join(err, plan.Err())
	}
	release, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	s.out.Title("restarting %s", s.stack.Project.Name)
	s.sayFit()
	if err := lifecycle.Restart(ctx, s.engine, s.stack.Project, o); err != nil {
		return err
	}
	s.sayMisfits(ctx)
	return nil
}
