package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/recreate"
)

// Choice is what is to be restarted. The zero value is what changed.
type Choice struct {
	Services []string // just these, changed or not; empty for all that changed
	All      bool     // every service, changed or not
	Rolling  bool     // without down-time: the new container is ready before the old one leaves
}

// Restart picks the services that are restarted, says what is done to each and orders them. project is the whole one.
func Restart(project *types.Project, cpus int, seen Observed, o Choice) Plan {
	picked := pick(project, seen.Changes, o)
	addNeighbours(project, picked, seen)
	addDependants(project, picked)
	// One that is run to its end is so even where those that wait for it are not restarted.
	whole := order(project, cpus, container.Awaited(project))
	plan := Plan{CPUs: whole.CPUs, Kept: seen.Kept, Restart: true, All: o.All && len(o.Services) == 0}
	for _, s := range whole.Steps {
		c, ok := picked[s.Service]
		if !ok {
			plan.Left = append(plan.Left, s.Service)
			continue
		}
		s.Have, s.Why = len(seen.Containers[s.Service]), c.Why
		runs := slices.ContainsFunc(seen.Containers[s.Service], container.Replica.Runs)
		s.Do = restartAction(c, runs && o.Rolling)
		s.Waits = slices.DeleteFunc(s.Waits, func(w Wait) bool { _, ok := picked[w.Service]; return !ok })
		plan.Steps = append(plan.Steps, s)
	}
	slices.Sort(plan.Left)
	plan.rank()
	plan.Operations = operations(project, plan, seen)
	return plan
}

// restartAction says what a restart does to a service that changed, or was picked for another reason. rolls says
// that it can be replaced without down-time, as it runs, and is to be.
func restartAction(c recreate.Change, rolls bool) Action {
	switch {
	case c.Start:
		return ActionStart
	case rolls:
		return ActionRoll
	case c.Recreate:
		return ActionReplace
	}
	return ActionRestart
}

// pick gives the services that the options name, or else those that changed, and why each is restarted. A provider
// is asked again where a service is restarted that depends on it.
func pick(project *types.Project, changes map[string]recreate.Change, o Choice) map[string]recreate.Change {
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
	return picked
}

// addNeighbours adds the services that are in a network with one of the picked that is made anew: it can't be while
// they are in it.
func addNeighbours(project *types.Project, picked map[string]recreate.Change, seen Observed) {
	for grown := true; grown; {
		grown = false
		for key := range seen.Networks {
			uses := func(name string) bool { return usesNetwork(project, name, key) }
			if !slices.ContainsFunc(slices.Collect(maps.Keys(picked)), uses) {
				continue
			}
			for name, c := range seen.Changes {
				if _, ok := picked[name]; !ok && c.Recreate && uses(name) {
					picked[name], grown = c, true
				}
			}
		}
	}
}

func usesNetwork(project *types.Project, service, key string) bool {
	_, ok := project.Services[service].Networks[key]
	return ok
}

// addDependants adds the services that can't stay as they are when one of the picked is restarted: those in its
// namespaces, which end with it, and those whose file asks for it with restart: true.
func addDependants(project *types.Project, picked map[string]recreate.Change) {
	for grown := true; grown; {
		grown = false
		for _, name := range project.ServiceNames() {
			for _, other := range slices.Sorted(maps.Keys(picked)) {
				c := picked[other]
				why, shares := dependsOnRestart(project.Services[name], other)
				if why == "" {
					continue
				}
				mine, ok := picked[name]
				if !ok {
					mine.Why = why
				}
				recreated := mine.Recreate || shares && c.Recreate
				grown = grown || !ok || recreated != mine.Recreate || mine.Start
				mine.Recreate, mine.Start = recreated, false
				picked[name] = mine
			}
		}
	}
}

// dependsOnRestart says why the service has to be restarted with the other one, "" where it has not, and whether
// that is as it uses what belongs to the other's container.
func dependsOnRestart(s types.ServiceConfig, other string) (why string, shares bool) {
	if kind := composelib.Shares(s, other); kind != "" {
		return fmt.Sprintf("it shares the %s of %s", kind, other), true
	}
	if dependency, depends := s.DependsOn[other]; depends && dependency.Restart {
		return fmt.Sprintf("it depends on %s with restart: true", other), false
	}
	return "", false
}
