package targets

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
)

// Restart restarts what changed, in dependency order; volumes stay.
//
// A service is restarted when its image or configuration changed, or when it does not run or is unhealthy; named
// services are in any case, and what did not change stays up. Replicas go one at a time. With -rolling the new
// container is ready before the old one leaves; a service that can't be replaced like that is refused, with the
// reason, before anything is touched.
func Restart(ctx context.Context,
	services *string, // comma-separated services, changed or not; what changed by default
	all *bool, // every service, changed or not
	rolling *bool, // without down-time, where nothing forbids it
	timeout *time.Duration, // for the whole restart; 0 for none beyond each service's own
	takeOver *bool, // -take-over: make another checkout's containers of this project name this one's
	json *bool, // with -dry-run: print JSON
	dryRun *bool, // -dry-run: print what would be restarted, and why
) error {
	o := stack.RestartOptions{
		All: value(all, false), Rolling: value(rolling, false), Timeout: value(timeout, 0),
		TakeOver: value(takeOver, false),
	}
	return fault.Exit(ctx, restart(ctx, services, o, value(dryRun, false), value(json, false)))
}

func restart(ctx context.Context, services *string, o stack.RestartOptions, dryRun, asJSON bool) (err error) {
	if o.Services, err = names(services); err != nil {
		return err
	}
	if asJSON && !dryRun {
		return fault.New(fault.Usage, "go tool mage restart -dry-run -json", "-json of restart is for its plan")
	}
	s, err := openJSON(ctx, asJSON)
	if err != nil {
		return err
	}
	if !dryRun {
		_, err := s.Restart(ctx, o)
		return err
	}
	plan, err := s.PlanRestart(ctx, o)
	if err != nil {
		return err
	}
	if err := show(plan, asJSON); err != nil {
		return err
	}
	return plan.Err()
}
