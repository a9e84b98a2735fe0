package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/readiness"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/rollout"
	"github.com/25eloquence/compose-mage/internal/shim"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// RestartOptions are the choices of a restart. The zero value restarts what changed.
type RestartOptions struct {
	Out         *ui.Out
	Timeout     time.Duration // for the whole restart; 0 for none beyond each service's own
	Services    []string      // just these, changed or not; empty for all that changed
	All         bool          // every service, changed or not
	Rolling     bool          // without down-time: the new container is ready before the old one leaves
	SilentPorts string        // as in StartOptions
	Records     recreate.Records
	TakeOver    bool // as in StartOptions
}

// Restart restarts what changed, or what o names, in dependency order; what need not be touched stays up, and every volume is
// kept. What an earlier run left half done is put right first. With o.Rolling an error of code Config says which service can't
// be replaced without down-time and why, before anything is touched; a new container that never gets ready is removed while the
// old one goes on.
func Restart(ctx context.Context, e *engine.Engine, project *types.Project, o RestartOptions) error {
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, fault.New(fault.Failed, "go tool mage status", "not everything was ready again within %s", o.Timeout))
		defer cancel()
	}
	e = shim.EndingSurvivors(e, project.Name, o.Out)
	r, err := restarterOf(e, project, o)
	if err != nil {
		return err
	}
	r.untilHealthy = o.Rolling
	if !o.TakeOver {
		if err := container.RefuseOthers(ctx, e, r.project, "restart"); err != nil {
			return err
		}
	}
	if err := r.checkProject(ctx); err != nil {
		return err
	}
	if err := r.rollout().FinishEarlier(ctx); err != nil {
		return err
	}
	plan, err := PlanRestart(ctx, e, project, o)
	if err != nil {
		return err
	}
	if refused := plan.Err(); refused != nil {
		return refused
	}
	plan.sayLeft(o.Out)
	return r.run(ctx, plan)
}

// restarter runs one restart.
type restarter struct {
	engine      *engine.Engine
	project     *types.Project
	out         *ui.Out
	silentPorts string
	records     recreate.Records
	// untilHealthy makes a roll-out end when Docker calls the new container healthy, or roll back. A start or a stop that only puts
	// right what was left does not wait for that.
	untilHealthy bool
}

// rollout gives what replaces the project's containers without down-time.
func (r *restarter) rollout() *rollout.Rollout {
	return &rollout.Rollout{Engine: r.engine, Project: r.project, Out: r.out, UntilHealthy: r.untilHealthy}
}

func newRestarter(e *engine.Engine, project *types.Project, out *ui.Out) (*restarter, error) {
	project, err := container.Labelled(project.WithoutUnresolvedOptionalDependencies())
	if err != nil {
		return nil, err
	}
	return &restarter{engine: e, project: project, out: out}, nil
}

// restarterOf is newRestarter for these options. Named services of profiles that are not active count too, as they do for docker
// compose restart.
func restarterOf(e *engine.Engine, project *types.Project, o RestartOptions) (*restarter, error) {
	if err := compose.CheckNames(project, o.Services); err != nil {
		return nil, err
	}
	project, err := project.WithServicesEnabled(o.Services...)
	if err != nil {
		return nil, fmt.Errorf("restarting services of profiles that are not active: %w", err)
	}
	r, err := newRestarter(e, project, o.Out)
	if err != nil {
		return nil, err
	}
	r.silentPorts, r.records = o.SilentPorts, o.Records
	return r, nil
}

// checkProject looks for what would fail before anything is stopped.
func (r *restarter) checkProject(ctx context.Context) error {
	return refuse(ctx, r.engine, r.project, nil)
}

// run is a start of the plan's services that first does to each what its step says.
func (r *restarter) run(ctx context.Context, plan RestartPlan) error {
	if len(plan.Steps) == 0 {
		return nil
	}
	// One that is run to its end is so even where those that wait for it are not restarted.
	o := StartOptions{
		Out: r.out, SilentPorts: r.silentPorts, Records: r.records, jobs: container.Awaited(r.project), renew: map[string]renewal{},
		Orphans: orphan.Policy{Ignore: true}, TakeOver: true, // the restart has asked
	}
	var names []string
	for _, step := range plan.Steps {
		names = append(names, step.Service)
		if !step.Start {
			// Where everything is restarted, everything is down for a moment anyway.
			early := plan.All && !step.Roll && step.Replicas <= 1 && !step.Recreate
			o.renew[step.Service] = renewal{func(ctx context.Context) error { return r.renew(ctx, step) }, early}
		}
	}
	picked, err := composelib.OnlyWithProviders(r.project, names...)
	if err != nil {
		return err
	}
	return Start(ctx, r.engine, picked, o)
}

// renew makes the service's containers ready to be started anew, or starts them anew itself where they go one at a time.
func (r *restarter) renew(ctx context.Context, step RestartStep) error {
	switch {
	case step.Roll:
		return r.rollout().Service(ctx, step.Service)
	case step.Replicas > 1:
		return r.oneByOne(ctx, step)
	case step.Recreate:
		return r.recreate(ctx, composelib.Restriction{Service: step.Service}, 0)
	}
	return composelib.Stop(ctx, r.engine, r.project, composelib.Restriction{Service: step.Service})
}

// recreate makes the service's containers anew; r and scale are as composelib.Recreate has them.
func (r *restarter) recreate(ctx context.Context, shown composelib.Restriction, scale int) error {
	err := composelib.Recreate(ctx, r.engine, r.project, shown, scale)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return diagnosis.Start(ctx, r.engine, r.project, shown.Service, &diagnosis.CreateError{Err: err})
}

// oneByOne restarts a service's replicas, each only when the one before is ready.
func (r *restarter) oneByOne(ctx context.Context, step RestartStep) error {
	found, err := container.Inspect(ctx, r.engine, r.project.Name, step.Service)
	if err != nil {
		return err
	}
	for _, old := range found[step.Service] {
		alone := composelib.Restriction{Service: step.Service, Shows: func(id string) bool { return id == old.ID }}
		if step.Recreate {
			err = r.recreate(ctx, alone, 1)
		} else {
			err = composelib.Stop(ctx, r.engine, r.project, alone)
		}
		if err == nil {
			err = composelib.Start(ctx, r.engine, r.project, composelib.Restriction{Service: step.Service})
		}
		if err == nil {
			err = r.numberReady(ctx, step.Service, old.Number())
		}
		if err != nil {
			return fault.New(fault.Failed, "go tool mage logs "+fault.Quote(step.Service), "restarting replica %d of %q: %w", old.Number(), step.Service, err)
		}
	}
	return nil
}

// numberReady waits for one of a service's replicas.
func (r *restarter) numberReady(ctx context.Context, service string, number int) error {
	found, err := container.Inspect(ctx, r.engine, r.project.Name, service)
	if err != nil {
		return err
	}
	for _, c := range found[service] {
		if c.Number() != number {
			continue
		}
		began := time.Now()
		if err := readiness.WaitOrEnd(ctx, r.engine, c.ID); err != nil {
			return err
		}
		r.out.Done("%s ready in %s", c.Name(), ui.Seconds(time.Since(began)))
	}
	return nil
}
