package targets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/logstream"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/status"
	"github.com/25eloquence/compose-mage/internal/ui"
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
	dryRun *bool, // -dry-run: print what would be done, why, and in which order
) error {
	return fault.Exit(ctx, start(ctx, services, startChoice{
		timeout: value(timeout, 0), removeOrphans: removeOrphans, takeOver: value(takeOver, false), json: value(json, false), dryRun: value(dryRun, false),
	}))
}

// startChoice is what start's options say.
type startChoice struct {
	timeout       time.Duration
	removeOrphans *bool // nil: as COMPOSE_REMOVE_ORPHANS says
	takeOver      bool
	json, dryRun  bool
}

func start(ctx context.Context, services *string, c startChoice) error {
	s, err := open(ctx, services)
	if err != nil {
		return err
	}
	policy, err := orphan.ReadPolicy(s.stack.Settings, c.removeOrphans)
	if err != nil {
		return err
	}
	if c.dryRun {
		return s.showStart(ctx, c, policy)
	}
	if c.json {
		s.out = ui.New(os.Stderr)
	}
	release, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	s.out.Title("starting %s", s.stack.Project.Name)
	s.sayFit()
	o, err := s.startOptions()
	if err != nil {
		return err
	}
	o.Timeout, o.Orphans, o.TakeOver = c.timeout, policy, c.takeOver
	if c.json {
		o.Events = os.Stdout
	}
	if err := lifecycle.Start(ctx, s.engine, s.stack.Project, o); err != nil {
		return err
	}
	s.sayMisfits(ctx)
	return nil
}

// showStart prints what a start would do.
func (s *session) showStart(ctx context.Context, c startChoice, policy orphan.Policy) error {
	if !c.takeOver {
		if err := container.RefuseOthers(ctx, s.engine, s.stack.Project, "start"); err != nil {
			return err
		}
	}
	orphans, err := orphan.List(ctx, s.engine, s.stack.Project)
	if err != nil {
		return err
	}
	o, err := s.startOptions()
	if err != nil {
		return err
	}
	plan, err := lifecycle.PlanStart(ctx, s.engine, s.stack.Project, o.Records)
	if err != nil {
		return err
	}
	if c.json {
		return writeJSON(os.Stdout, plan.Report(s.stack.Project.Name, orphans, policy.Remove))
	}
	for _, line := range orphan.PlanLines(orphans, policy) {
		ui.Fprintf(s.out.Writer(), "%s\n", line)
	}
	plan.Print(s.out.Writer())
	return nil
}

// sayMisfits warns of limits that the engine did not put in force, and of sums that exceed the machine.
func (s *session) sayMisfits(ctx context.Context) {
	found, err := status.Misfits(ctx, s.engine, s.stack.Project)
	if err != nil {
		s.out.Warn("what the engine made of the limits is not known: %v", err)
	}
	for _, text := range found {
		s.out.Warn("%s", text)
	}
}

// startOptions are those of every start of the session's stack.
func (s *session) startOptions() (lifecycle.StartOptions, error) {
	dir, err := state.Dir()
	if err != nil {
		return lifecycle.StartOptions{}, err
	}
	name := s.stack.Project.Name
	return lifecycle.StartOptions{Out: s.out, Memory: filepath.Join(dir, "starts", name+".json"), Records: recreate.In(dir, name)}, nil
}

// Stop stops the services, dependants first; nothing is removed.
func Stop(ctx context.Context,
	services *string, // comma-separated services; all by default
	takeOver *bool, // -take-over: also where another checkout made the containers
) error {
	return fault.Exit(ctx, stop(ctx, services, value(takeOver, false)))
}

func stop(ctx context.Context, services *string, takeOver bool) error {
	s, err := openOnly(ctx, services)
	if err != nil {
		return err
	}
	release, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	return lifecycle.Stop(ctx, s.engine, s.stack.Project, lifecycle.StopOptions{Out: s.out, TakeOver: takeOver})
}

// Status shows every service's state, image and ports.
//
// The exit code is 1 where a service is not as it should be. A job that is done, a service scaled to 0 and one that a provider
// gives are. Containers of services that the Compose files no longer have are named.
func Status(ctx context.Context,
	services *string, // comma-separated services; all by default
	json *bool, // print JSON
) error {
	return fault.Exit(ctx, showStatus(ctx, services, value(json, false)))
}

func showStatus(ctx context.Context, services *string, asJSON bool) error {
	s, err := openOnly(ctx, services)
	if err != nil {
		return err
	}
	s.putRight(ctx)
	report, err := status.Of(ctx, s.engine, s.stack.Project)
	if err != nil {
		return err
	}
	if services == nil && !s.stack.Settings.IgnoreOrphans {
		if report.Orphans, err = orphan.List(ctx, s.engine, s.stack.Project); err != nil {
			return err
		}
	}
	if asJSON {
		err = writeJSON(os.Stdout, report)
	} else {
		report.Print(s.out)
		orphan.Warn(s.out, report.Orphans)
	}
	if err == nil && !report.Fine {
		err = fault.New(fault.Failed, report.Next(), "not every service of %q is as it should be", s.stack.Project.Name)
	}
	return err
}

// Logs shows the services' logs.
func Logs(ctx context.Context,
	services *string, // comma-separated services; all by default
	follow *bool, // go on until Ctrl-C
	tail *string, // lines of each container; "all" for everything
	since *string, // a duration (10m) or a time
) error {
	err := logs(ctx, services, logstream.Options{
		Follow: value(follow, false), Tail: value(tail, "100"), Since: value(since, ""),
	})
	if value(follow, false) && errors.Is(ctx.Err(), context.Canceled) {
		return nil // Ctrl-C is how following ends
	}
	return fault.Exit(ctx, err)
}

func logs(ctx context.Context, services *string, o logstream.Options) error {
	if _, err := strconv.Atoi(o.Tail); err != nil && o.Tail != "all" {
		return fault.New(fault.Usage, "go tool mage logs -tail=100", "-tail=%s is neither a number of lines nor all", o.Tail)
	}
	s, err := openOnly(ctx, services)
	if err != nil {
		return err
	}
	s.putRight(ctx)
	return logstream.Print(ctx, s.engine, s.stack.Project, os.Stdout, o)
}
