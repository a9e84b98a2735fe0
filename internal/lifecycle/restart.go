package lifecycle

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/rollout"
	"github.com/25eloquence/compose-mage/internal/shim"
	"github.com/25eloquence/compose-mage/internal/trace"
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
	TakeOver    bool      // as in StartOptions
	Events      io.Writer // as in StartOptions
}

// Restart restarts what changed, or what o names, in dependency order; what need not be touched stays up, and every
// volume is kept. What an earlier run left half done is put right first. With o.Rolling an error of code Config
// says which service can't be replaced without down-time and why, before anything is touched; a new container that
// never gets ready is removed while the old one goes on.
func Restart(ctx context.Context, e *engine.Engine, project *types.Project, o RestartOptions) error {
	began := time.Now()
	ctx, cancel := limited(ctx, o.Timeout, "not everything was ready again within %s")
	defer cancel()
	e = shim.EndingSurvivors(e, project.Name, o.Out)
	project, err := restartable(project, o.Services)
	if err != nil {
		return err
	}
	if !o.TakeOver {
		if err := container.RefuseOthers(ctx, e, project, "restart"); err != nil {
			return err
		}
	}
	if err := refuse(ctx, e, project, nil); err != nil {
		return err
	}
	rolls := &rollout.Rollout{Engine: e, Project: project, Out: o.Out, UntilHealthy: o.Rolling}
	if err := rolls.FinishEarlier(ctx); err != nil {
		return err
	}
	compared := recreate.Comparison{Engine: e, Project: project, Records: o.Records}
	p, seen, err := observeRestart(ctx, e, compared, rolls, o)
	if err != nil {
		return err
	}
	if refused := p.Err(); refused != nil {
		return refused
	}
	p.Announce(o.Out)
	if len(p.Steps) == 0 {
		return nil
	}
	picked, err := composelib.OnlyWithProviders(project, p.StepServices()...)
	if err != nil {
		return err
	}
	if err := compared.NetworksAreFree(ctx, seen.Networks, picked, seen.Containers); err != nil {
		return err
	}
	r, err := newRun(e, picked, p, compared, seen,
		runOptions{out: o.Out, events: o.Events, silentPorts: o.SilentPorts, began: began, spans: trace.Of(ctx)})
	if err != nil {
		return err
	}
	r.whole, r.rolls = project, rolls
	return r.run(ctx)
}

// PlanRestart asks the engine what there is and gives what Restart would do. Errors are *fault.Error of code Usage
// for a service that is not in the project; no service at all means all, an empty name does not.
func PlanRestart(ctx context.Context, e *engine.Engine, project *types.Project, o RestartOptions) (plan.Plan, error) {
	project, err := restartable(project, o.Services)
	if err != nil {
		return plan.Plan{}, err
	}
	compared := recreate.Comparison{Engine: e, Project: project, Records: o.Records}
	p, _, err := observeRestart(ctx, e, compared, &rollout.Rollout{Engine: e, Project: project, Out: o.Out}, o)
	return p, err
}

// restartable gives the project with Compose's labels. Named services of profiles that are not active count too, as
// they do for docker compose restart.
func restartable(project *types.Project, named []string) (*types.Project, error) {
	if err := compose.CheckNames(project, named); err != nil {
		return nil, err
	}
	project, err := project.WithServicesEnabled(named...)
	if err != nil {
		return nil, fmt.Errorf("restarting services of profiles that are not active: %w", err)
	}
	return container.Labelled(project.WithoutUnresolvedOptionalDependencies())
}

// observeRestart gives the plan, and what the plan was made from. Whether a service can be replaced without
// down-time is asked only of those that are to be.
func observeRestart(
	ctx context.Context, e *engine.Engine, compared recreate.Comparison, rolls *rollout.Rollout, o RestartOptions,
) (plan.Plan, plan.Observed, error) {
	seen, err := observe(ctx, e, compared.Project, compared)
	if err != nil {
		return plan.Plan{}, seen, err
	}
	p := plan.Restart(
		compared.Project,
		e.Machine().CPUs,
		seen,
		plan.Choice{Services: o.Services, All: o.All, Rolling: o.Rolling},
	)
	for i, s := range p.Steps {
		if s.Do != plan.ActionRoll {
			continue
		}
		if p.Steps[i].Refused, err = rolls.Refusals(ctx, s.Service, seen.Containers[s.Service]); err != nil {
			return plan.Plan{}, seen, err
		}
	}
	return p, seen, nil
}
