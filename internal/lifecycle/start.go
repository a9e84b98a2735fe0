// Package lifecycle owns the start, the restart and the stop of a stack: a plan of operations, which prints, and
// its execution. The Compose library creates the containers, and we start each as what it depends on gets ready. It
// never removes a volume.
package lifecycle

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/rollout"
	"github.com/25eloquence/compose-mage/internal/shim"
	"github.com/25eloquence/compose-mage/internal/trace"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// StartOptions are the choices of a start.
type StartOptions struct {
	Out     *ui.Out
	Timeout time.Duration // for the whole start; 0 for none beyond each service's own
	Events  io.Writer     // where events are written as JSON, one a line; nil for nowhere
	// SilentPorts is a file that remembers the services whose published ports nobody listened on, which are waited for
	// less; "" for none.
	SilentPorts string
	Records     recreate.Records // what containers were made from, so that the keys can be named that changed
	// Orphans says what is done about containers of services that the files no longer have; they are named by default.
	Orphans orphan.Policy
	// TakeOver makes the containers of another checkout this one's; else such containers are an error.
	TakeOver bool
}

// Start creates what is missing or changed and starts the project's services as their dependencies get ready. What is
// healthy stays up when something fails, and a second start goes on from there. An error of code Config says that the
// containers are another checkout's.
func Start(ctx context.Context, e *engine.Engine, project *types.Project, o StartOptions) error {
	began := time.Now()
	ctx, cancel := limited(ctx, o.Timeout, "not everything was ready within %s")
	defer cancel()
	project, err := container.Labelled(project.WithoutUnresolvedOptionalDependencies())
	if err != nil {
		return err
	}
	e = shim.EndingSurvivors(e, project.Name, o.Out)
	ended := trace.Of(ctx).Time("put right what is in the way")
	err = prepare(ctx, e, project, o)
	if ended(); err != nil {
		return err
	}
	compared := recreate.Comparison{Engine: e, Project: project, Records: o.Records}
	seen, err := observe(ctx, e, project, compared)
	if err != nil {
		return err
	}
	if err := compared.NetworksAreFree(ctx, seen.Networks, project, seen.Containers); err != nil {
		return err
	}
	p := plan.Start(project, e.Machine().CPUs, seen)
	p.Announce(o.Out)
	r, err := newRun(
		e,
		project,
		p,
		compared,
		seen,
		runOptions{out: o.Out, events: o.Events, silentPorts: o.SilentPorts, began: began, spans: trace.Of(ctx)},
	)
	if err != nil {
		return err
	}
	return r.run(ctx)
}

// PlanStart gives what a start would do to the project's services, and why.
func PlanStart(
	ctx context.Context,
	e *engine.Engine,
	project *types.Project,
	records recreate.Records,
) (plan.Plan, error) {
	project, err := container.Labelled(project.WithoutUnresolvedOptionalDependencies())
	if err != nil {
		return plan.Plan{}, err
	}
	seen, err := observe(ctx, e, project, recreate.Comparison{Engine: e, Project: project, Records: records})
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.Start(project, e.Machine().CPUs, seen), nil
}

// limited gives a context that ends with an error of that text, which has the limit, when the limit is over; 0 is
// none.
func limited(ctx context.Context, limit time.Duration, text string) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, limit, fault.New(fault.Failed, "go tool mage status", text, limit))
}

// prepare refuses what can't be started, and puts right what is in the way.
func prepare(ctx context.Context, e *engine.Engine, project *types.Project, o StartOptions) error {
	all, err := container.All(ctx, e, project.Name)
	if err != nil {
		return err
	}
	if others := container.CheckoutsAmong(all, project); len(others) > 0 && !o.TakeOver {
		return container.Refusal(others, project, "start")
	}
	if _, err := orphan.Settle(ctx, e, orphan.Among(all, project), o.Orphans, o.Out); err != nil {
		return err
	}
	if err := refuse(ctx, e, project, container.ByService(all)); err != nil {
		return err
	}
	if slices.ContainsFunc(all, rollout.Replacement) {
		return rollout.Finish(ctx, e, project, o.Out)
	}
	return nil
}
