package stack

import (
	"context"
	"io"
	"time"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/trace"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// RestartOptions are the choices of a restart.
type RestartOptions struct {
	Services []string      // these, changed or not; empty is all that changed or does not run as it should
	All      bool          // every service, changed or not
	Rolling  bool          // without down-time: the new container is ready before the old one leaves
	Timeout  time.Duration // for the whole restart; 0 for none beyond each service's own
	TakeOver bool          // as in StartOptions
	Events   io.Writer     // as in StartOptions
}

// RestartPlan is what a restart would do.
type RestartPlan struct {
	Project string        `json:"project"`
	Steps   []RestartStep `json:"steps"` // in dependency order
	Left    []string      `json:"left"`  // services that stay as they are
	Kept    []string      `json:"kept"`  // a sentence for each volume that stays as it is though its settings changed
	// Operations are what the steps come to, each after those that it needs.
	Operations []Operation `json:"operations"`

	printed printed
	refused error
}

// RestartStep is what is done to one service.
type RestartStep struct {
	Service  string   `json:"service"`
	Stage    int      `json:"stage"`
	Action   string   `json:"action"` // restart, start, replace, or roll: replace without down-time
	Why      string   `json:"why"`
	Replicas int      `json:"replicas"` // containers that are there now
	Refused  []string `json:"refused"`  // why it can't be replaced without down-time; nothing is done then
}

// Print writes the plan as -dry-run does.
func (p RestartPlan) Print(w io.Writer) { p.printed.to(w) }

// Err says which services can't be replaced without down-time, so that Restart would do nothing; nil where all can.
func (p RestartPlan) Err() error { return p.refused }

// Restart restarts what changed or what o names, in dependency order; what need not be touched stays up, and every
// volume is kept.
func (s *Stack) Restart(ctx context.Context, o RestartOptions) (RunReport, error) {
	report, err := s.restart(ctx, o)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) restart(ctx context.Context, o RestartOptions) (RunReport, error) {
	p, options, err := s.loadToRestart(ctx, o)
	if err != nil {
		return RunReport{}, err
	}
	release, err := p.lock(ctx)
	if err != nil {
		return RunReport{}, err
	}
	defer release()
	p.out.Title("restarting %s", p.model.Project.Name)
	p.sayFit()
	ctx, _ = trace.Begin(ctx, "restart", p.model.Project.Name)
	events := &eventReader{to: o.Events}
	options.Events = events
	err = lifecycle.Restart(ctx, p.engine, p.model.Project, options)
	if err == nil {
		p.sayMisfits(ctx)
	}
	return events.report(p.model.Project.Name), err
}

// PlanRestart says what Restart would do, and why.
func (s *Stack) PlanRestart(ctx context.Context, o RestartOptions) (RestartPlan, error) {
	plan, err := s.planRestart(ctx, o)
	return plan, fault.Exit(ctx, err)
}

func (s *Stack) planRestart(ctx context.Context, o RestartOptions) (RestartPlan, error) {
	p, options, err := s.loadToRestart(ctx, o)
	if err != nil {
		return RestartPlan{}, err
	}
	if !o.TakeOver {
		if err := container.RefuseOthers(ctx, p.engine, p.model.Project, "restart"); err != nil {
			return RestartPlan{}, err
		}
	}
	plan, err := lifecycle.PlanRestart(ctx, p.engine, p.model.Project, options)
	if err != nil {
		return RestartPlan{}, err
	}
	out, err := shaped[RestartPlan](plan.RestartReport(p.model.Project.Name))
	out.printed = func(to *ui.Out) { plan.Print(to.Writer()) }
	out.refused = fault.Exit(ctx, plan.Err())
	return out, err
}

// loadToRestart reads the whole project whatever is named: other services may have to go along.
func (s *Stack) loadToRestart(ctx context.Context, o RestartOptions) (*project, lifecycle.RestartOptions, error) {
	named := s.servicesOf(o.Services)
	p, err := s.load(ctx, nil, compose.Request{Also: named})
	if err == nil {
		err = compose.CheckStartable(p.model.Project)
	}
	if err != nil {
		return nil, lifecycle.RestartOptions{}, err
	}
	start, err := p.startOptions()
	return p, lifecycle.RestartOptions{
		Out: p.out, Services: named, All: o.All, Rolling: o.Rolling, Timeout: o.Timeout, TakeOver: o.TakeOver,
		SilentPorts: start.SilentPorts, Records: start.Records,
	}, err
}
