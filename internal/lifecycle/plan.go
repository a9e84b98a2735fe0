package lifecycle

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Plan is the order of a start: each service with what it waits for, those that wait for less first.
type Plan struct {
	Steps []Step
}

// Step is one service's start.
type Step struct {
	Service string
	Stage   int     // 0 starts at once, n after the longest chain of n others
	Waits   []Wait  // by name
	CPUs    float64 // cores it is counted with while it starts
}

// Wait is a dependency and the condition it must meet.
type Wait struct {
	Service   string
	Condition string // service_started, service_healthy, service_completed_successfully
}

// startingCPUs is what a service without a CPU reservation is counted with while it starts, in cores: most services
// read files and wait for their neighbours, so two share a core.
const startingCPUs = 0.5

// MakePlan orders the project's services by depends_on. The loader has already refused cycles.
func MakePlan(project *types.Project) Plan {
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
	var plan Plan
	for _, name := range project.ServiceNames() {
		step := Step{Service: name, Stage: depth(name), CPUs: reserved(project.Services[name])}
		for dep, how := range project.Services[name].DependsOn {
			if _, ok := project.Services[dep]; ok {
				step.Waits = append(step.Waits, Wait{Service: dep, Condition: how.Condition})
			}
		}
		slices.SortFunc(step.Waits, func(a, b Wait) int { return strings.Compare(a.Service, b.Service) })
		plan.Steps = append(plan.Steps, step)
	}
	slices.SortStableFunc(plan.Steps, func(a, b Step) int { return a.Stage - b.Stage })
	return plan
}

// reserved is the CPU reservation in cores, or startingCPUs.
func reserved(s types.ServiceConfig) float64 {
	if s.Deploy != nil && s.Deploy.Resources.Reservations != nil && s.Deploy.Resources.Reservations.NanoCPUs > 0 {
		return float64(s.Deploy.Resources.Reservations.NanoCPUs)
	}
	return startingCPUs
}

// waitingFor names the services that can't start before service is ready, directly or through others.
func (p Plan) waitingFor(service string) []string {
	waiting := map[string]bool{service: true}
	var out []string
	for _, step := range p.Steps { // ordered by stage, so one pass is enough
		for _, w := range step.Waits {
			if waiting[w.Service] && !waiting[step.Service] {
				waiting[step.Service] = true
				out = append(out, step.Service)
			}
		}
	}
	return out
}

// Print writes the plan, a line per service.
func (p Plan) Print(w io.Writer) {
	for _, s := range p.Steps {
		fmt.Fprintf(w, "stage %d: start %s", s.Stage, s.Service)
		for i, wait := range s.Waits {
			sep := ", "
			if i == 0 {
				sep = " when "
			}
			fmt.Fprintf(w, "%s%s is %s", sep, wait.Service, strings.ReplaceAll(strings.TrimPrefix(wait.Condition, "service_"), "_", " "))
		}
		fmt.Fprintln(w)
	}
}
