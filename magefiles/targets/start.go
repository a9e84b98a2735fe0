package targets

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/host"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

// Start starts the services in dependency order and waits until healthy.
//
// Each service is probed with its own health check at short intervals while it starts, and what waits for it is
// released the moment it passes. What is healthy stays up when something fails; running start again goes on.
func Start(ctx context.Context,
	services *string, // comma-separated services and what they depend on; all by default
	timeout *time.Duration, // for the whole start; 0 for none beyond each service's own
	removeOrphans *bool, // -remove-orphans: also remove containers of services that the Compose files no longer have
	takeOver *bool, // -take-over: make another checkout's containers of this project name this one's
	json *bool, // one event a line as JSON, with -dry-run the plan; all other output goes to standard error
	trace *string, // a file that gets what was done when, for ui.perfetto.dev
	dryRun *bool, // -dry-run: print what would be done, why, and in which order
) error {
	if err := refuseTrace("start", trace, value(dryRun, false)); err != nil {
		return fault.Exit(ctx, err)
	}
	o := stack.StartOptions{
		Timeout: value(timeout, 0), RemoveOrphans: removeOrphans, TakeOver: value(takeOver, false),
	}
	return fault.Exit(ctx, traced(ctx, trace, "start", func(ctx context.Context) error {
		return start(ctx, services, o, value(dryRun, false), value(json, false))
	}))
}

func start(ctx context.Context, services *string, o stack.StartOptions, dryRun, asJSON bool) (err error) {
	if o.Services, err = names(services); err != nil {
		return err
	}
	s, err := openJSON(ctx, asJSON)
	if err != nil {
		return err
	}
	if dryRun {
		plan, err := s.PlanStart(ctx, o)
		if err != nil {
			return err
		}
		return show(plan, asJSON)
	}
	if asJSON {
		o.Events = os.Stdout
	}
	_, err = s.Start(ctx, o)
	return err
}

// Stop stops the services, dependants first; nothing is removed.
//
// On a deployed stack it is the Swarm that stops them, on every node; restart and deploy bring them back.
func Stop(ctx context.Context,
	services *string, // comma-separated services; all by default
	takeOver *bool, // -take-over: also where another checkout made the containers
	deployed *bool, // the stack on the Swarm, with =false the containers of start; what there is by default
) error {
	return fault.Exit(ctx, stop(ctx, services, value(takeOver, false), deployed))
}

func stop(ctx context.Context, services *string, takeOver bool, deployed *bool) error {
	named, err := names(services)
	if err != nil {
		return err
	}
	ctx, on, err := onSwarm(ctx, swarm.FindOptions{Deployed: deployed, Changes: "stop"})
	if err != nil {
		return err
	}
	if on != nil {
		if takeOver {
			return notDeployed("stop", "-take-over")
		}
		return on.Stop(ctx, named)
	}
	s, err := open(ctx)
	if err != nil {
		return err
	}
	return s.Stop(ctx, stack.StopOptions{Services: named, TakeOver: takeOver})
}

// Status shows every service's state, image and ports.
//
// The exit code is 1 where a service is not as it should be. A job that is done, a service scaled to 0 and one that
// a provider gives are. Containers of services that the Compose files no longer have are named. With -all it shows
// every Compose project on the engine, its folder and its ports, and needs no Compose file. Of a deployed stack it
// shows services, tasks and nodes.
func Status(ctx context.Context,
	services *string, // comma-separated services; all by default
	all *bool, // every Compose project on the engine
	deployed *bool, // the stack on the Swarm, with =false the containers of start; what there is by default
	json *bool, // print JSON
) error {
	if value(all, false) {
		if services != nil || deployed != nil {
			return fault.Exit(ctx, refuseAll("status"))
		}
		return fault.Exit(ctx, statusAll(ctx, value(json, false)))
	}
	return fault.Exit(ctx, status(ctx, services, deployed, value(json, false)))
}

func status(ctx context.Context, services *string, deployed *bool, asJSON bool) error {
	named, err := names(services)
	if err != nil {
		return err
	}
	ctx, on, err := onSwarm(ctx, swarm.FindOptions{Deployed: deployed})
	if err != nil {
		return err
	}
	if on != nil {
		return statusOnSwarm(ctx, on, named, asJSON)
	}
	s, err := openJSON(ctx, asJSON)
	if err != nil {
		return err
	}
	report, err := s.Status(ctx, stack.StatusOptions{Services: named})
	if err != nil {
		return err
	}
	if err := show(report, asJSON); err != nil {
		return err
	}
	return report.Err()
}

func statusAll(ctx context.Context, asJSON bool) error {
	collectLess()
	report, err := host.Projects(ctx, host.Options{})
	if err != nil {
		return err
	}
	if err := show(report, asJSON); err != nil {
		return err
	}
	return report.Err()
}

// Logs shows the services' logs.
func Logs(ctx context.Context,
	services *string, // comma-separated services; all by default
	follow *bool, // go on until Ctrl-C
	tail *string, // lines of each container; "all" for everything
	since *string, // a duration (10m) or a time
	grep *string, // only what matches this regular expression, in the order of time
	level *string, // only what is this bad or worse: trace, debug, info, warn, error
	group *bool, // how often each kind of entry occurs, numbers and names aside
	json *bool, // an object a line; all other output goes to standard error
	deployed *bool, // the stack on the Swarm, with =false the containers of start; what there is by default
) error {
	o := stack.LogsOptions{
		Follow: value(follow, false), Tail: value(tail, ""), Since: value(since, ""), Grep: value(grep, ""),
		Level: value(level, ""), Group: value(group, false), JSON: value(json, false),
	}
	return fault.Exit(ctx, logs(ctx, services, o, deployed))
}

func logs(ctx context.Context, services *string, o stack.LogsOptions, deployed *bool) (err error) {
	if o.Services, err = names(services); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	ctx, on, err := onSwarm(ctx, swarm.FindOptions{Deployed: deployed})
	if err != nil {
		return err
	}
	if on != nil {
		if o.Searches() {
			return fault.New(fault.Usage, "go tool mage logs -tail=all",
				"-grep, -level, -group and -json are not for a deployed stack")
		}
		return on.Logs(ctx, swarm.LogsOptions{Services: o.Services, Follow: o.Follow, Tail: o.Tail, Since: o.Since})
	}
	ctx, out, end := readOutput(ctx)
	defer end()
	s, err := openWith(ctx, stack.Options{Output: out})
	if err != nil {
		return err
	}
	if err = s.Logs(ctx, o); errors.Is(context.Cause(ctx), errNobodyReads) {
		return nil
	}
	return err
}
