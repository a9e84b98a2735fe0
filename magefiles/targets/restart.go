package targets

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/heal"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

// Restart restarts what changed, in dependency order; volumes stay.
//
// A service is restarted when its image or configuration changed, or when it does not run or is unhealthy; named
// services are in any case, and what did not change stays up. Replicas go one at a time. With -rolling the new
// container is ready before the old one leaves; a service that can't be replaced like that is refused, with the
// reason, before anything is touched. On a deployed stack what changed is for deploy: what is named, or is not as it
// should be, is replaced as its update_config says, each service when those before it are healthy.
func Restart(ctx context.Context,
	services *string, // comma-separated services, changed or not; what changed by default
	all *bool, // every service, changed or not
	rolling *bool, // without down-time, where nothing forbids it
	timeout *time.Duration, // for the whole restart; 0 for none beyond each service's own
	takeOver *bool, // -take-over: make another checkout's containers of this project name this one's
	deployed *bool, // the stack on the Swarm, with =false the containers of start; what there is by default
	json *bool, // with -dry-run: print JSON
	trace *string, // a file that gets what was done when, for ui.perfetto.dev
	dryRun *bool, // -dry-run: print what would be restarted, and why
) error {
	if err := refuseTrace("restart", trace, value(dryRun, false)); err != nil {
		return fault.Exit(ctx, err)
	}
	o := stack.RestartOptions{
		All: value(all, false), Rolling: value(rolling, false), Timeout: value(timeout, 0),
		TakeOver: value(takeOver, false),
	}
	return fault.Exit(ctx, traced(ctx, trace, "restart", func(ctx context.Context) error {
		return restart(ctx, services, o, deployed, value(dryRun, false), value(json, false))
	}))
}

func restart(
	ctx context.Context, services *string, o stack.RestartOptions, deployed *bool, dryRun, asJSON bool,
) (err error) {
	if o.Services, err = names(services); err != nil {
		return err
	}
	if asJSON && !dryRun {
		return fault.New(fault.Usage, "go tool mage restart -dry-run -json", "-json of restart is for its plan")
	}
	find := swarm.FindOptions{Deployed: deployed, Changes: "restart"}
	if dryRun {
		find.Changes = "restart -dry-run"
	}
	ctx, on, err := onSwarm(ctx, find)
	if err != nil {
		return err
	}
	if on != nil {
		if isTraced(ctx) {
			return notDeployed("restart", "-trace")
		}
		return restartOnSwarm(ctx, on, o, dryRun, asJSON)
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

// Heal restarts services while they are unhealthy.
//
// Only those that are named or have x-compose-mage: {heal: true}, at most three times an hour each, and never while
// another run is at work on the project. It goes on until Ctrl-C; schedule heal has the machine run it.
func Heal(ctx context.Context,
	services *string, // comma-separated services; those that ask for it by default
) error {
	named, err := names(services)
	if err != nil {
		return fault.Exit(ctx, err)
	}
	return fault.Exit(ctx, heal.Run(ctx, heal.Options{Services: named}))
}
