// Package plan owns what a start or a restart does to a project's services, and why: it decides that from the model
// and from what was observed, as a step a service and as operations, and prints it. It asks nobody, and does
// nothing.
package plan

import (
	"errors"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/operation"
)

// Plan is what a start or a restart does: a step a service, and the operations that they come to.
type Plan struct {
	Steps      []Step                // those that wait for less first
	Operations []operation.Operation // each after those that it needs
	CPUs       int                   // of the machine: what the reservations of those that start may come to, in cores
	Kept       []string              // a sentence for each volume that stays as it is though its settings changed
	// Restart says that the containers that there are are stopped or replaced when their turn comes. Of a start
	// Compose makes all of them anew, that are, before the first is started.
	Restart bool
	All     bool     // of a restart: every service, changed or not
	Left    []string // of a restart: the services that stay as they are, by name
}

// Step is what is done to one service.
type Step struct {
	Service  string
	Stage    int     // 0 begins at once, n after the longest chain of n others
	Waits    []Wait  // by name
	CPUs     float64 // reserved cores, held from the start until it is ready; 0 for none
	Replicas int     // containers that it has to have
	Have     int     // containers that are there
	OneShot  bool    // others wait for it to complete: it is run to its end
	Rank     int     // the longest chain of services that wait for it: of two that could start, the higher goes first
	Do       Action
	Why      string   // what changed, or is not as it should be; "" for nothing
	Refused  []string // why it can't be replaced without down-time, where it is to be
}

// StartRank is the rank of the step's start among the starts and probes that wait for a place of the engine. The
// start goes before a probe of the step's own rank: both have as many services behind them, and the start has the
// longer way to the end. So the services that nobody waits for are probed when no start waits.
func (s Step) StartRank() int { return s.Rank + 1 }

// Action is what is done to a service, as a plan prints it.
type Action string

// The actions: those of a start, and then those of a restart, of which start is one too.
const (
	ActionCreate   Action = "create"
	ActionRecreate Action = "recreate"
	ActionStart    Action = "start"
	ActionKeep     Action = "keep"
	ActionRestart  Action = "restart"
	ActionReplace  Action = "replace" // as recreate, when its turn comes
	ActionRoll     Action = "roll"    // replace without down-time
)

// Wait is a dependency and the condition it must meet.
type Wait struct {
	Service   string
	Condition string // service_started, service_healthy, service_completed_successfully
	Optional  bool   // required: false: where the dependency fails, the service starts all the same
	Restart   bool   // restart: true: the service is stopped when the dependency is recreated, and started after it
}

// order gives the project's services a step each, ordered by depends_on. The loader has already refused cycles.
// cpus is the machine's number; jobs are the services that are run to their end.
func order(project *types.Project, cpus int, jobs map[string]bool) Plan {
	plan := Plan{CPUs: max(1, cpus)}
	stage := map[string]int{}
	var depth func(name string) int
	depth = func(name string) int {
		if d, ok := stage[name]; ok {
			return d
		}
		d := 0
		for dep := range project.Services[name].DependsOn {
			if _, ok := project.Services[dep]; ok {
				d = max(d, depth(dep)+1)
			}
		}
		stage[name] = d
		return d
	}
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		plan.Steps = append(plan.Steps, Step{
			Service: name, Stage: depth(name), Waits: waits(project, service),
			CPUs: min(reserved(service), float64(plan.CPUs)), Replicas: service.GetScale(), OneShot: jobs[name],
		})
	}
	slices.SortStableFunc(plan.Steps, func(a, b Step) int { return a.Stage - b.Stage })
	plan.rank()
	return plan
}

// waits gives the service's dependencies that the project has.
func waits(project *types.Project, service types.ServiceConfig) []Wait {
	var all []Wait
	for dep, how := range service.DependsOn {
		if _, ok := project.Services[dep]; ok {
			all = append(
				all,
				Wait{Service: dep, Condition: how.Condition, Optional: !how.Required, Restart: how.Restart},
			)
		}
	}
	slices.SortFunc(all, func(a, b Wait) int { return strings.Compare(a.Service, b.Service) })
	return all
}

// rank gives each step its rank, from the last stage to the first.
func (p Plan) rank() {
	ranks := map[string]int{}
	for i := len(p.Steps) - 1; i >= 0; i-- {
		step := &p.Steps[i]
		step.Rank = ranks[step.Service]
		for _, w := range step.Waits {
			ranks[w.Service] = max(ranks[w.Service], step.Rank+1)
		}
	}
}

// reserved is the CPU reservation in cores; 0 for none.
func reserved(s types.ServiceConfig) float64 {
	if s.Deploy != nil && s.Deploy.Resources.Reservations != nil {
		return float64(s.Deploy.Resources.Reservations.NanoCPUs)
	}
	return 0
}

// StartsAtOnce is how many containers the engine is asked to start at a time. Starting one costs it some 0.4 s of
// CPU, of which a part is waiting: on 2 cores, 12 containers took 4.6 s one by one, 3.1 s two by two, 2.6 s four by
// four and 3.0 s all at once.
func (p Plan) StartsAtOnce() int { return 2 * p.CPUs }

// WaitingFor names the services that can't start before service is ready, directly or through others.
func (p Plan) WaitingFor(service string) []string {
	waiting := map[string]bool{service: true}
	var out []string
	for _, step := range p.Steps { // ordered by stage, so one pass is enough
		for _, w := range step.Waits {
			if waiting[w.Service] && !w.Optional && !waiting[step.Service] {
				waiting[step.Service] = true
				out = append(out, step.Service)
			}
		}
	}
	return out
}

// AwaitedHealthy names a service that waits for this one to be healthy, "" where none does, and says whether one
// does that can't do without it.
func (p Plan) AwaitedHealthy(service string) (by string, needed bool) {
	for _, step := range p.Steps {
		for _, w := range step.Waits {
			if w.Service != service || w.Condition != types.ServiceConditionHealthy {
				continue
			}
			if by == "" || !needed && !w.Optional {
				by, needed = step.Service, !w.Optional
			}
		}
	}
	return by, needed
}

// Step gives the service's step; the zero value where it has none.
func (p Plan) Step(service string) Step {
	if i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Service == service }); i >= 0 {
		return p.Steps[i]
	}
	return Step{}
}

// RenewsRunning says whether a restart brings the service's containers back itself, before the service's own start.
func (p Plan) RenewsRunning(s Step) bool {
	return p.Restart && s.Do != ActionStart && (s.Do == ActionRoll || s.Have > 1)
}

// Dependencies names the step's dependencies.
func (s Step) Dependencies() []string {
	names := make([]string, len(s.Waits))
	for i, w := range s.Waits {
		names[i] = w.Service
	}
	return names
}

// Services names the services of the plan's operations, in their order.
func (p Plan) Services() []string {
	var names []string
	for _, o := range p.Operations {
		if o.Service != "" && !slices.Contains(names, o.Service) {
			names = append(names, o.Service)
		}
	}
	return names
}

// StepServices names those of the plan's steps.
func (p Plan) StepServices() []string {
	names := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		names[i] = s.Service
	}
	return names
}

// Err is the error of code Config that says which services can't be replaced without down-time; nil where all can.
func (p Plan) Err() error {
	var all []error
	for _, s := range p.Steps {
		if len(s.Refused) > 0 {
			all = append(all, fault.New(fault.Config, "go tool mage restart "+fault.Quote(s.Service),
				"%q can't be replaced without down-time; nothing was touched", s.Service).WithDetail(s.Refused...))
		}
	}
	return errors.Join(all...)
}

// Start says what a start does to the project's services, which are observed.
func Start(project *types.Project, cpus int, seen Observed) Plan {
	plan := order(project, cpus, container.Awaited(project))
	plan.Kept = seen.Kept
	for i := range plan.Steps {
		s := &plan.Steps[i]
		s.Have = len(seen.Containers[s.Service])
		s.Do, s.Why = startAction(*s, seen)
	}
	plan.Operations = operations(project, plan, seen)
	return plan
}

// startAction says what a start does to a service and why. What changed only in its state is started where it does
// not run, and otherwise awaited.
func startAction(s Step, seen Observed) (Action, string) {
	change, have := seen.Changes[s.Service], seen.Containers[s.Service]
	stopped := slices.ContainsFunc(have, func(r container.Replica) bool { return !r.Runs() && !r.State.Restarting })
	switch {
	case change.Recreate:
		return ActionRecreate, change.Why
	case len(have) == 0 && s.Replicas > 0:
		return ActionCreate, ""
	case change.Start, stopped && s.OneShot:
		return ActionStart, change.Why
	}
	return ActionKeep, change.Why
}
