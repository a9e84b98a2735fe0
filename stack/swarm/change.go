package swarm

import (
	"context"
	"io"
	"time"

	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/cluster"
	stacks "github.com/25eloquence/compose-mage/internal/deployed"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// RestartOptions are the choices of a restart.
type RestartOptions struct {
	Services []string      // these in any case; empty is those that are not as they should be
	All      bool          // every service
	Timeout  time.Duration // for the whole restart; 0 for none beyond each service's own
}

// Restart replaces the tasks of what o names, or of what is not as it should be, in the order of depends_on, and starts
// what was stopped. The next service is touched when the tasks of the one before are healthy.
func (s *Stack) Restart(ctx context.Context, o RestartOptions) error {
	return fault.Exit(ctx, s.restart(ctx, o))
}

func (s *Stack) restart(ctx context.Context, o RestartOptions) error {
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, fault.New(fault.Failed, "go tool mage status",
			"restarting %s took more than %s", s.name, o.Timeout))
		defer cancel()
	}
	found, _, release, err := s.lock(ctx, nil)
	if err != nil {
		return err
	}
	defer release()
	plan, err := found.PlanRestart(o.Services, o.All)
	if err != nil {
		return err
	}
	return stacks.Restart(ctx, s.engine, found, plan, s.out)
}

// PlanRestart says what Restart would do, and why.
func (s *Stack) PlanRestart(ctx context.Context, o RestartOptions) (RestartPlan, error) {
	plan, err := s.planRestart(ctx, o)
	return plan, fault.Exit(ctx, err)
}

func (s *Stack) planRestart(ctx context.Context, o RestartOptions) (RestartPlan, error) {
	found, _, err := s.look(ctx, nil)
	if err != nil {
		return RestartPlan{}, err
	}
	plan, err := found.PlanRestart(o.Services, o.All)
	if err != nil {
		return RestartPlan{}, err
	}
	var out RestartPlan
	err = sameJSON(plan, &out)
	out.show = plan.Print
	return out, err
}

// Stop stops the named services, or all, dependants first. Nothing is removed: Restart and Deploy bring them back.
func (s *Stack) Stop(ctx context.Context, services []string) error {
	return fault.Exit(ctx, s.stop(ctx, services))
}

func (s *Stack) stop(ctx context.Context, named []string) error {
	found, services, release, err := s.lock(ctx, named)
	if err != nil {
		return err
	}
	defer release()
	return stacks.Stop(ctx, s.engine, found, services, s.out)
}

// CleanupOptions are the choices of a cleanup.
type CleanupOptions struct {
	Volumes []string // volumes to remove with their data, on every node that can be asked
	DryRun  bool     // only say what would go
	// Before is called with the plan before anything is removed; an error of its ends the cleanup. Where it is nil
	// the plan is printed.
	Before func(CleanupReport) error
}

// Cleanup removes what of the stack no service has any more: secrets, configs, networks, and old images on the nodes
// whose engines can be asked.
func (s *Stack) Cleanup(ctx context.Context, o CleanupOptions) (CleanupReport, error) {
	report, err := s.cleanup(ctx, o)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) cleanup(ctx context.Context, o CleanupOptions) (CleanupReport, error) {
	found, _, release, err := s.lock(ctx, nil)
	if err != nil {
		return CleanupReport{}, err
	}
	defer release()
	engines, closeAll, err := s.engines(ctx, found)
	if err != nil {
		return CleanupReport{}, err
	}
	defer closeAll()
	built, err := s.built()
	if err != nil {
		return CleanupReport{}, err
	}
	plan, err := found.PlanCleanup(stacks.Stores(ctx, found, engines), o.Volumes, built)
	if err != nil {
		return CleanupReport{}, err
	}
	return s.carryOut(ctx, found, plan, engines, o)
}

// built are the images that builds here made for the project, by ID.
func (s *Stack) built() (map[string]bool, error) {
	dir, err := state.Dir()
	if err != nil {
		return nil, err
	}
	store := builds.Open(dir, s.name, s.model.Project.WorkingDir, s.engine.Info.ID)
	if err := store.Check(); err != nil {
		s.errors.Warn("%v", err)
	}
	out := map[string]bool{}
	for _, r := range store.Records() {
		out[r.ID] = true
	}
	return out, nil
}

func (s *Stack) carryOut(
	ctx context.Context, found stacks.Stack, plan stacks.CleanupPlan, engines stacks.Engines, o CleanupOptions,
) (CleanupReport, error) {
	plan.DryRun = o.DryRun
	var out CleanupReport
	if err := sameJSON(plan, &out); err != nil {
		return out, err
	}
	out.show = func(w io.Writer) { plan.Print(ui.New(w)) }
	if o.Before == nil {
		plan.Print(s.out)
	} else if err := o.Before(out); err != nil {
		return out, err
	}
	if o.DryRun {
		return out, nil
	}
	return out, stacks.CleanUp(ctx, s.engine, found, plan, engines, s.out)
}

// Remove removes the stack of that name from the Swarm: services, networks, secrets and configs. Volumes and images
// stay on the nodes. It needs no Compose file. The options' Volumes are not used.
func Remove(ctx context.Context, name string, f FindOptions, o CleanupOptions) (CleanupReport, error) {
	report, err := remove(ctx, name, f, o)
	return report, fault.Exit(ctx, err)
}

func remove(ctx context.Context, name string, f FindOptions, o CleanupOptions) (CleanupReport, error) {
	if len(o.Volumes) > 0 {
		return CleanupReport{}, fault.New(fault.Usage, "go tool mage cleanup -volumes=NAME",
			"a stack's removal leaves volumes: remove them before, by name")
	}
	s, err := connect(ctx, f)
	if err != nil {
		return CleanupReport{}, err
	}
	if err := cluster.Check(s.engine); err != nil {
		return CleanupReport{}, err
	}
	s.name = name
	release, err := state.LockProject(ctx, name, s.out)
	if err != nil {
		return CleanupReport{}, err
	}
	defer release()
	found, err := stacks.Look(ctx, s.engine, name, nil)
	if err != nil {
		return CleanupReport{}, err
	}
	plan, err := found.PlanRemoval()
	if err != nil {
		return CleanupReport{}, err
	}
	return s.carryOut(ctx, found, plan, nil, o)
}
