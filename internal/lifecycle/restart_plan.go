package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// RestartPlan is what a restart does: the services in dependency order, each with why, and those that stay as they are.
type RestartPlan struct {
	Steps []RestartStep
	Left  []string // by name
	Kept  []string // a sentence for each volume that stays as it is though its settings changed
	All   bool     // every service, changed or not
}

// RestartStep is one service's restart.
type RestartStep struct {
	Service  string
	Stage    int    // as in Step
	Why      string // "its image changed"
	Recreate bool   // it gets new containers
	Start    bool   // what runs of it stays; only what is missing or stopped is started
	Replicas int    // containers that are there now
	// Roll says that the new container is ready before the old one leaves; Refused, why that can't be.
	Roll    bool
	Refused []string
}

// PlanRestart asks the engine what there is and says what Restart would do. Errors are *fault.Error of code Usage for a service
// that is not in the project; no service at all means all, an empty name does not.
func PlanRestart(ctx context.Context, e *engine.Engine, project *types.Project, o RestartOptions) (RestartPlan, error) {
	r, err := restarterOf(e, project, o)
	if err != nil {
		return RestartPlan{}, err
	}
	found, err := container.Inspect(ctx, r.engine, r.project.Name)
	if err != nil {
		return RestartPlan{}, err
	}
	compared := recreate.Comparison{Engine: e, Project: r.project, Records: o.Records}
	changes, networks, err := compared.Changes(ctx, found)
	if err != nil {
		return RestartPlan{}, err
	}
	plan := planRestart(r.project, changes, networks, o)
	if plan.Kept, err = compared.KeptVolumes(ctx); err != nil {
		return RestartPlan{}, err
	}
	rolled := r.rollout()
	for i, step := range plan.Steps {
		plan.Steps[i].Replicas = len(found[step.Service])
		running := slices.ContainsFunc(found[step.Service], container.Replica.Runs)
		if !o.Rolling || !running || step.Start {
			continue
		}
		plan.Steps[i].Roll = true
		if plan.Steps[i].Refused, err = rolled.Refusals(ctx, step.Service, found[step.Service]); err != nil {
			return RestartPlan{}, err
		}
	}
	return plan, nil
}

// planRestart picks the services and orders them. changes are those of the services that changed, networks the keys of the networks
// that are made anew.
func planRestart(project *types.Project, changes map[string]recreate.Change, networks map[string]bool, o RestartOptions) RestartPlan {
	picked := map[string]recreate.Change{}
	for _, name := range project.ServiceNames() {
		c, changed := changes[name]
		switch {
		case len(o.Services) > 0 && !slices.Contains(o.Services, name):
			continue
		case changed:
			c.Start = c.Start && !o.All && len(o.Services) == 0
		case o.All:
			c.Why = "all are"
		case len(o.Services) > 0:
			c.Why = "it is named"
		default:
			continue
		}
		picked[name] = c
	}
	addNeighbours(project, picked, changes, networks)
	addDependants(project, picked)
	plan := RestartPlan{All: o.All && len(o.Services) == 0}
	for _, s := range MakePlan(project, 1).Steps { // by stage
		if c, ok := picked[s.Service]; ok {
			plan.Steps = append(plan.Steps, RestartStep{Service: s.Service, Stage: s.Stage, Why: c.Why, Recreate: c.Recreate, Start: c.Start})
		} else {
			plan.Left = append(plan.Left, s.Service)
		}
	}
	slices.Sort(plan.Left)
	return plan
}

// addNeighbours adds the services that are in a network with one of the picked that is made anew: it can't be while they are in it.
func addNeighbours(project *types.Project, picked, changes map[string]recreate.Change, networks map[string]bool) {
	for grown := true; grown; {
		grown = false
		for key := range networks {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(picked)), func(name string) bool { return uses(project, name, key) }) {
				continue
			}
			for name, c := range changes {
				if _, ok := picked[name]; !ok && c.Recreate && uses(project, name, key) {
					picked[name], grown = c, true
				}
			}
		}
	}
}

func uses(project *types.Project, service, network string) bool {
	_, ok := project.Services[service].Networks[network]
	return ok
}

// addDependants adds the services that can't stay as they are when one of the picked is restarted: those in its namespaces,
// which end with it, and those whose file asks for it with restart: true.
func addDependants(project *types.Project, picked map[string]recreate.Change) {
	for grown := true; grown; {
		grown = false
		for _, name := range project.ServiceNames() {
			for other, c := range picked {
				why, shares := "", composelib.Shares(project.Services[name], other)
				switch dependency, depends := project.Services[name].DependsOn[other]; {
				case shares != "":
					why = fmt.Sprintf("it shares the %s of %s", shares, other)
				case depends && dependency.Restart:
					why = fmt.Sprintf("it depends on %s with restart: true", other)
				default:
					continue
				}
				mine, ok := picked[name]
				if !ok {
					mine.Why = why
				}
				recreate := mine.Recreate || shares != "" && c.Recreate
				grown = grown || !ok || recreate != mine.Recreate || mine.Start
				mine.Recreate, mine.Start = recreate, false
				picked[name] = mine
			}
		}
	}
}

// Print writes the plan, a line per service.
func (p RestartPlan) Print(w io.Writer) {
	for _, s := range p.Steps {
		do := s.action()
		if s.Roll {
			do = "replace without down-time"
		}
		ui.Fprintf(w, "stage %d: %s %s", s.Stage, do, s.Service)
		if s.Replicas > 1 && !s.Start {
			ui.Fprintf(w, ", its %d replicas one at a time", s.Replicas)
		}
		ui.Fprintf(w, ": %s\n", s.Why)
		for _, why := range s.Refused {
			ui.Fprintf(w, "  can't be: %s\n", why)
		}
	}
	if text := p.left(); text != "" {
		ui.Fprintf(w, "%s\n", text)
	}
	for _, text := range p.Kept {
		ui.Fprintf(w, "%s\n", text)
	}
}

func (p RestartPlan) left() string {
	switch {
	case len(p.Left) == 0:
		return ""
	case len(p.Steps) == 0:
		return "nothing changed in " + strings.Join(p.Left, ", ") + "; -all restarts all the same"
	}
	return "left alone: " + strings.Join(p.Left, ", ") + "; -all restarts them too"
}

func (p RestartPlan) sayLeft(out *ui.Out) {
	for _, s := range p.Steps {
		if !p.All {
			out.Info("%s: %s", s.Service, s.Why)
		}
	}
	if text := p.left(); text != "" {
		out.Info("%s", text)
	}
	for _, text := range p.Kept {
		out.Warn("%s", text)
	}
}

// Err is the error of code Config that says which services can't be replaced without down-time; nil where all can.
func (p RestartPlan) Err() error {
	var all []error
	for _, s := range p.Steps {
		if len(s.Refused) > 0 {
			all = append(all, fault.New(fault.Config, "go tool mage restart "+fault.Quote(s.Service), "%q can't be replaced without down-time; nothing was touched", s.Service).WithDetail(s.Refused...))
		}
	}
	return errors.Join(all...)
}
