package stack

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/trace"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// StartOptions are the choices of a start.
type StartOptions struct {
	Services []string      // these and what they depend on; empty is all
	Timeout  time.Duration // for the whole start; 0 for none beyond each service's own
	// RemoveOrphans removes the containers of services that the Compose files no longer have; nil is what
	// COMPOSE_REMOVE_ORPHANS says.
	RemoveOrphans *bool
	// TakeOver makes the containers that another checkout has made under this project's name this one's; else those
	// are an error.
	TakeOver bool
	// Events gets an [Event] as a line of JSON for each change of a service's state; nil for none.
	Events io.Writer
}

// Event is a service's new state, or at the end, without a service, what the start came to.
type Event struct {
	Time    time.Time `json:"time"`
	Project string    `json:"project"`
	Service string    `json:"service,omitempty"`
	State   string    `json:"state"`
	Seconds float64   `json:"seconds"`          // since the start began
	Waits   []string  `json:"waits,omitempty"`  // services that it waits for
	Detail  string    `json:"detail,omitempty"` // what the last probe said, or why it failed
	// Critical is, at the end, what made the start as long as it was, and Operations what was done when.
	Critical   []Link      `json:"critical,omitempty"`
	Operations []Operation `json:"operations,omitempty"`
}

// Link is one service of the critical path: the chain of services each of which waited for the one before, and the
// last of which made the start as long as it was.
type Link struct {
	Service string  `json:"service"`
	Seconds float64 `json:"seconds"`          // from when its dependencies were met until it was ready
	Queued  float64 `json:"queued,omitempty"` // of those, for room on the machine
}

// StartPlan is what a start would do.
type StartPlan struct {
	Project      string      `json:"project"`
	Steps        []StartStep `json:"steps"`          // those that wait for less first
	StartsAtOnce int         `json:"starts_at_once"` // containers that the engine is asked to start at a time
	// CPUs are the machine's: what the reservations of those that start may come to.
	CPUs    int      `json:"cpus"`
	Orphans []Orphan `json:"orphans"` // containers of services that the Compose files no longer have
	// RemoveOrphans says that the start removes them first.
	RemoveOrphans bool `json:"remove_orphans"`
	// Kept has a sentence for each volume that stays as it is though its settings changed.
	Kept       []string    `json:"kept"`
	Operations []Operation `json:"operations"` // what the steps come to, each after those that it needs

	printed printed
}

// StartStep is one service's start.
type StartStep struct {
	Service  string      `json:"service"`
	Stage    int         `json:"stage"` // 0 starts at once, n after the longest chain of n others
	Replicas int         `json:"replicas"`
	Job      bool        `json:"job"`    // others wait for it to complete: it is run to its end
	CPUs     float64     `json:"cpus"`   // reserved cores, held until it is ready; 0 for none
	Action   string      `json:"action"` // create, recreate, start or keep
	Why      string      `json:"why"`    // what changed, or is not as it should be; "" for nothing
	Waits    []StartWait `json:"waits_for"`
}

// StartWait is a dependency and the condition that it must meet.
type StartWait struct {
	Service   string `json:"service"`
	Condition string `json:"condition"` // service_started, service_healthy or service_completed_successfully
	Optional  bool   `json:"optional"`  // where the dependency fails, the service starts all the same
}

// Orphan is a container of the project whose service the Compose files no longer have, in no profile.
type Orphan struct {
	Service   string `json:"service"`
	Container string `json:"container"` // its name
	State     string `json:"state"`     // the engine's: running, exited …
}

// Print writes the plan as -dry-run does.
func (p StartPlan) Print(w io.Writer) { p.printed.to(w) }

// Start starts the services in dependency order and returns when each is ready. What is healthy stays up when something
// fails, and a second start goes on from there; the report has what was done by then.
func (s *Stack) Start(ctx context.Context, o StartOptions) (RunReport, error) {
	report, err := s.start(ctx, o)
	return report, fault.Exit(ctx, err)
}

func (s *Stack) start(ctx context.Context, o StartOptions) (RunReport, error) {
	p, err := s.loadToStart(ctx, o.Services)
	if err != nil {
		return RunReport{}, err
	}
	policy, err := orphan.ReadPolicy(p.model.Settings, o.RemoveOrphans)
	if err != nil {
		return RunReport{}, err
	}
	release, err := p.lock(ctx)
	if err != nil {
		return RunReport{}, err
	}
	defer release()
	p.out.Title("starting %s", p.model.Project.Name)
	p.sayFit()
	options, err := p.startOptions()
	if err != nil {
		return RunReport{}, err
	}
	ctx, done := trace.Begin(ctx, "start", p.model.Project.Name)
	events := &eventReader{to: o.Events}
	options.Timeout, options.Orphans, options.TakeOver, options.Events = o.Timeout, policy, o.TakeOver, events
	err = lifecycle.Start(ctx, p.engine, p.model.Project, options)
	if err == nil {
		p.sayMisfits(ctx)
	}
	p.keep(done)
	return events.report(p.model.Project.Name), err
}

// PlanStart says what Start would do, and why.
func (s *Stack) PlanStart(ctx context.Context, o StartOptions) (StartPlan, error) {
	plan, err := s.planStart(ctx, o)
	return plan, fault.Exit(ctx, err)
}

func (s *Stack) planStart(ctx context.Context, o StartOptions) (StartPlan, error) {
	p, err := s.loadToStart(ctx, o.Services)
	if err != nil {
		return StartPlan{}, err
	}
	policy, err := orphan.ReadPolicy(p.model.Settings, o.RemoveOrphans)
	if err != nil {
		return StartPlan{}, err
	}
	if !o.TakeOver {
		if err := container.RefuseOthers(ctx, p.engine, p.model.Project, "start"); err != nil {
			return StartPlan{}, err
		}
	}
	orphans, err := orphan.List(ctx, p.engine, p.model.Project)
	if err != nil {
		return StartPlan{}, err
	}
	options, err := p.startOptions()
	if err != nil {
		return StartPlan{}, err
	}
	plan, err := lifecycle.PlanStart(ctx, p.engine, p.model.Project, options.Records)
	if err != nil {
		return StartPlan{}, err
	}
	out, err := shaped[StartPlan](plan.StartReport(p.model.Project.Name, orphans, policy.Remove))
	out.printed = func(to *ui.Out) {
		for _, line := range orphan.PlanLines(orphans, policy) {
			ui.Fprintf(to.Writer(), "%s\n", line)
		}
		plan.Print(to.Writer())
	}
	return out, err
}

// startOptions are those of every start of the project.
func (p *project) startOptions() (lifecycle.StartOptions, error) {
	dir, err := state.Dir()
	if err != nil {
		return lifecycle.StartOptions{}, err
	}
	name := p.model.Project.Name
	return lifecycle.StartOptions{
		Out: p.out, SilentPorts: filepath.Join(dir, "starts", name+".json"), Records: recreate.In(dir, name),
	}, nil
}

// StopOptions are the choices of a stop.
type StopOptions struct {
	Services []string // only these; empty is all
	TakeOver bool     // also where another checkout has made the containers; else those are an error
}

// Stop stops the services, dependants first; nothing is removed.
func (s *Stack) Stop(ctx context.Context, o StopOptions) error {
	return fault.Exit(ctx, s.stop(ctx, o))
}

func (s *Stack) stop(ctx context.Context, o StopOptions) error {
	p, err := s.loadOnly(ctx, o.Services)
	if err != nil {
		return err
	}
	release, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	return lifecycle.Stop(ctx, p.engine, p.model.Project, lifecycle.StopOptions{Out: p.out, TakeOver: o.TakeOver})
}
