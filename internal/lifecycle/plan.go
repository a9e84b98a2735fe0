package lifecycle

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Plan is the order of a start: each service with what it waits for, those that wait for less first.
type Plan struct {
	Steps []Step
	CPUs  int      // of the machine: what the reservations of those that start may come to, in cores
	Kept  []string // as in RestartPlan
}

// Step is one service's start.
type Step struct {
	Service  string
	Stage    int     // 0 starts at once, n after the longest chain of n others
	Waits    []Wait  // by name
	CPUs     float64 // reserved cores, held from the start until it is ready; 0 for none
	Replicas int
	OneShot  bool // others wait for it to complete: it is run to its end
	Rank     int  // the longest chain of services that wait for it: of two that could start, the higher goes first
	// Do is what is done to it, and Why; both are "" where the engine was not asked.
	Do, Why string
}

// What is done to a service, as a plan prints it.
const (
	doCreate   = "create"
	doRecreate = "recreate"
	doStart    = "start"
	doKeep     = "keep"
)

// Wait is a dependency and the condition it must meet.
type Wait struct {
	Service   string
	Condition string // service_started, service_healthy, service_completed_successfully
	Optional  bool   // required: false: where the dependency fails, the service starts all the same
	Restart   bool   // restart: true: the service is stopped when the dependency is recreated, and started after it
}

// PlanStart is MakePlan, with what a start would do to each service and why.
func PlanStart(ctx context.Context, e *engine.Engine, project *types.Project, records recreate.Records) (Plan, error) {
	plan := MakePlan(project, e.Machine().CPUs)
	project, err := container.Labelled(project.WithoutUnresolvedOptionalDependencies())
	if err != nil {
		return plan, err
	}
	found, err := container.Inspect(ctx, e, project.Name)
	if err != nil {
		return plan, err
	}
	compared := recreate.Comparison{Engine: e, Project: project, Records: records}
	changes, _, err := compared.Changes(ctx, found)
	if err != nil {
		return plan, err
	}
	plan.act(changes, found)
	plan.Kept, err = compared.KeptVolumes(ctx)
	return plan, err
}

// act says of each step what is done. What changed only in its state is started where it does not run, and otherwise awaited.
func (p *Plan) act(changes map[string]recreate.Change, found map[string][]container.Replica) {
	for i := range p.Steps {
		s := &p.Steps[i]
		c, have := changes[s.Service], found[s.Service]
		stopped := slices.ContainsFunc(have, func(r container.Replica) bool { return !r.Runs() && !r.State.Restarting })
		switch {
		case c.Recreate:
			s.Do, s.Why = doRecreate, c.Why
		case len(have) == 0 && s.Replicas > 0:
			s.Do = doCreate
		case c.Start, stopped && s.OneShot:
			s.Do, s.Why = doStart, c.Why
		default:
			s.Do, s.Why = doKeep, c.Why
		}
	}
}

// MakePlan orders the project's services by depends_on. The loader has already refused cycles. cpus is the machine's number.
func MakePlan(project *types.Project, cpus int) Plan {
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
		step := Step{Service: name, Stage: depth(name), CPUs: min(reserved(service), float64(plan.CPUs)), Replicas: service.GetScale()}
		for dep, how := range service.DependsOn {
			if _, ok := project.Services[dep]; ok {
				step.Waits = append(step.Waits, Wait{Service: dep, Condition: how.Condition, Optional: !how.Required, Restart: how.Restart})
			}
		}
		slices.SortFunc(step.Waits, func(a, b Wait) int { return strings.Compare(a.Service, b.Service) })
		plan.Steps = append(plan.Steps, step)
	}
	slices.SortStableFunc(plan.Steps, func(a, b Step) int { return a.Stage - b.Stage })
	plan.rank(container.Awaited(project))
	return plan
}

// rank gives each step its rank, from the last stage to the first, and marks the one-shot ones.
func (p Plan) rank(waitedFor map[string]bool) {
	ranks := map[string]int{}
	for i := len(p.Steps) - 1; i >= 0; i-- {
		step := &p.Steps[i]
		step.Rank, step.OneShot = ranks[step.Service], waitedFor[step.Service]
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

// startsAtOnce is how many containers the engine is asked to start at a time. Starting one costs it some 0.4 s of CPU, of
// which a part is waiting: on 2 cores, 12 containers took 4.6 s one by one, 3.1 s two by two, 2.6 s four by four and 3.0 s
// all at once.
func (p Plan) startsAtOnce() int { return 2 * p.CPUs }

// waitingFor names the services that can't start before service is ready, directly or through others.
func (p Plan) waitingFor(service string) []string {
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

// Print writes the plan, a line per service: its stage, what it waits for, and what it holds of the machine meanwhile.
func (p Plan) Print(w io.Writer) {
	for _, s := range p.Steps {
		ui.Fprintf(w, "stage %d: %s\n", s.Stage, s)
	}
	held := 0.0
	for _, s := range p.Steps {
		held += s.CPUs
	}
	ui.Fprintf(w, "at most %d containers start at a time", p.startsAtOnce())
	if held > 0 {
		ui.Fprintf(w, "; services that reserve CPUs start as long as those still starting fit %d", p.CPUs)
	}
	ui.Fprintf(w, "\n")
	for _, text := range p.Kept {
		ui.Fprintf(w, "%s\n", text)
	}
}

// String says what the step does: "start web (3 replicas) when db is healthy; holds 0.5 CPUs until ready",
// "recreate web when db is healthy: its image changed".
func (s Step) String() string {
	var b strings.Builder
	verb := s.Do
	switch {
	case s.OneShot && (verb == "" || verb == doStart):
		verb = "run"
	case verb == "":
		verb = doStart
	}
	b.WriteString(verb + " " + s.Service)
	if s.Replicas != 1 {
		fmt.Fprintf(&b, " (%d replicas)", s.Replicas)
	}
	for i, wait := range s.Waits {
		sep := ", "
		if i == 0 {
			sep = " when "
		}
		b.WriteString(sep + wait.String())
	}
	if s.CPUs > 0 {
		fmt.Fprintf(&b, "; holds %g CPUs until ready", s.CPUs)
	}
	if s.Why != "" {
		b.WriteString(": " + s.Why)
	}
	return b.String()
}

// String says what must be true: "db is healthy", "migrate has completed (optional)".
func (w Wait) String() string {
	out := w.Service + " " + map[string]string{
		types.ServiceConditionHealthy: "is healthy", types.ServiceConditionCompletedSuccessfully: "has completed",
	}[w.Condition]
	if w.Condition == types.ServiceConditionStarted || w.Condition == "" {
		out += "is started"
	}
	switch {
	case w.Optional && w.Restart:
		out += " (optional, restarts with it)"
	case w.Optional:
		out += " (optional)"
	case w.Restart:
		out += " (restarts with it)"
	}
	return out
}
