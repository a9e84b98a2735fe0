// Package deploy owns how a stack comes to a Docker Swarm: what is to be done there, as operations with their causes,
// and their execution in the order of depends_on, which ends with every service healthy, or with all that was touched
// as it was before.
package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

// Action is what becomes of a service.
type Action string

// The actions.
const (
	Create  Action = "create"  // it is not there yet
	Replace Action = "replace" // its tasks are replaced
	Update  Action = "update"  // it changes, and its tasks run on
	Await   Action = "await"   // it is as it should be, but not all its tasks run
	Keep    Action = "keep"    // it is as it should be
	Remove  Action = "remove"  // the Compose files have it no longer
)

// Step is what becomes of one service.
type Step struct {
	Service     string       `json:"service"`
	Action      Action       `json:"action"`
	Why         string       `json:"why,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
	// Away says why the service answers nobody while its tasks are replaced; "" where it answers throughout.
	Away  string `json:"away,omitempty"`
	Job   bool   `json:"job"`   // it is run to its end
	Waits []Wait `json:"waits"` // the services that it waits for
}

// Wait is a dependency, and how far it must be.
type Wait struct {
	Service   string `json:"service"`
	Condition string `json:"condition"` // as in depends_on
	Optional  bool   `json:"optional"`
}

// Input is what a plan follows from.
type Input struct {
	Project *types.Project
	Stack   swarmspec.Stack
	Cluster cluster.Cluster
	// RemoveOrphans removes the services that the Compose files no longer have.
	RemoveOrphans bool
}

// Plan is what a deploy does.
type Plan struct {
	Stack      string                `json:"stack"`
	Steps      []Step                `json:"steps"` // those that wait for less first
	Operations []operation.Operation `json:"operations"`
	Orphans    []string              `json:"orphans"` // services that the Compose files no longer have, and that stay
	Changes    []swarmspec.Change    `json:"changes"` // keys that do not carry over
	Notes      []string              `json:"notes"`   // of placement, images and the like; filled by who asks for them

	stack   swarmspec.Stack
	cluster cluster.Cluster
	made    map[string]int // operations that make a resource, by "secret NAME"
}

// New makes the plan. What can't be done without a loss is an error.
func New(in Input) (Plan, error) {
	p := Plan{
		Stack: in.Stack.Name, Changes: in.Stack.Changes, stack: in.Stack, cluster: in.Cluster, made: map[string]int{},
	}
	if err := p.resources(); err != nil {
		return Plan{}, err
	}
	waits := map[string]int{} // the operation after which a service is ready
	for _, name := range inOrder(in.Project) {
		step := p.step(in, name)
		p.Steps = append(p.Steps, step)
		p.operations(step, waits)
	}
	for _, name := range slices.Sorted(maps.Keys(in.Cluster.Services)) {
		if _, known := in.Stack.Services[name]; known {
			continue
		}
		if !in.RemoveOrphans {
			p.Orphans = append(p.Orphans, name)
			continue
		}
		p.Steps = append(p.Steps, Step{Service: name, Action: Remove, Why: gone, Waits: []Wait{}})
		p.add(operation.Operation{Kind: operation.Remove, Service: name, Cause: gone}, after(waits))
	}
	p.outdated(after(waits))
	return p, nil
}

// Specs are the services as they are to be, by their names in the model.
func (p Plan) Specs() map[string]swarm.ServiceSpec { return p.stack.Services }

// Place says whether every service has a place on the Swarm beside all that runs there: the error names each that has
// none, with the reason of each node.
func (p Plan) Place(c cluster.Cluster) error {
	order, kept := p.order()
	return cluster.Unfit(c.Place(p.stack, order, kept))
}

// Volumes says which node has each volume of the services. local are the volumes of the engine that is asked.
func (p Plan) Volumes(c cluster.Cluster, local []volume.Volume) ([]cluster.Volume, error) {
	order, kept := p.order()
	return c.Volumes(cluster.VolumesInput{Stack: p.stack, Order: order, Kept: kept, Local: local})
}

// order gives the services that there are to be in their order, and those whose tasks are not replaced.
func (p Plan) order() (order []string, kept map[string]bool) {
	kept = map[string]bool{}
	for _, s := range p.Steps {
		if s.Action != Remove {
			order = append(order, s.Service)
			kept[s.Service] = s.Action != Create && s.Action != Replace
		}
	}
	return order, kept
}

const gone = "the Compose files no longer have it"

// after needs the end of all those operations.
func after(waits map[string]int) []operation.Need {
	var out []operation.Need
	for _, i := range slices.Sorted(maps.Values(waits)) {
		out = append(out, operation.Need{Operation: i})
	}
	return out
}

func (p *Plan) add(o operation.Operation, needs []operation.Need) int {
	o.Needs = needs
	p.Operations = append(p.Operations, o)
	return len(p.Operations) - 1
}

// inOrder gives the services, each after those that it depends on.
func inOrder(project *types.Project) []string {
	var out []string
	done := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		s, known := project.Services[name]
		if !known || done[name] {
			return
		}
		done[name] = true
		for _, other := range slices.Sorted(maps.Keys(s.DependsOn)) {
			visit(other)
		}
		out = append(out, name)
	}
	for _, name := range slices.Sorted(slices.Values(project.ServiceNames())) {
		visit(name)
	}
	return out
}

// step decides what becomes of a service.
func (p *Plan) step(in Input, name string) Step {
	want := in.Stack.Services[name]
	step := Step{Service: name, Waits: []Wait{}, Job: isJob(want)}
	dependsOn := in.Project.Services[name].DependsOn
	for _, other := range slices.Sorted(maps.Keys(dependsOn)) {
		if _, known := in.Stack.Services[other]; known {
			d := dependsOn[other]
			step.Waits = append(step.Waits, Wait{Service: other, Condition: d.Condition, Optional: !d.Required})
		}
	}
	have, there := in.Cluster.Services[name]
	if !there {
		step.Action, step.Why = Create, "it is not there"
		return step
	}
	step.Differences = differences(have.Spec, want, networkNames(in.Cluster.Networks))
	was, is := modeOf(have.Spec), modeOf(want)
	switch {
	case was != is:
		step.Differences = []Difference{{Key: "deploy.mode", Old: was, New: is, Replaces: true}}
		step.Action, step.Why = Replace, why(step.Differences)
		step.Away = "a Swarm can't change the mode of a service: it is removed, and made anew"
	case slices.ContainsFunc(step.Differences, func(d Difference) bool { return d.Replaces }):
		step.Action, step.Why, step.Away = Replace, why(step.Differences), Away(want)
	case len(step.Differences) > 0:
		step.Action, step.Why = Update, why(step.Differences)
	default:
		step.Action = Keep
		if state := cluster.Progress(have, in.Cluster.Tasks, in.Cluster.Nodes); !state.Done {
			step.Action, step.Why = Await, unfinished(state)
		}
	}
	return step
}

// modeOf is the mode as a Compose file has it.
func modeOf(spec swarm.ServiceSpec) string {
	switch m := spec.Mode; {
	case m.Global != nil:
		return "global"
	case m.ReplicatedJob != nil:
		return "replicated-job"
	case m.GlobalJob != nil:
		return "global-job"
	}
	return "replicated"
}

func unfinished(s cluster.State) string {
	if s.Old > 0 {
		return fmt.Sprintf("an update of it goes on: %d of %d tasks are new and run", s.Running, s.Wanted)
	}
	return fmt.Sprintf("%d of %d tasks run", s.Running, s.Wanted)
}

func isJob(spec swarm.ServiceSpec) bool {
	return spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil
}

// why is a sentence's end: the first keys that differ.
func why(all []Difference) string {
	const most = 5
	var out []string
	for i, d := range all {
		if i == most-1 && len(all) > most {
			out = append(out, fmt.Sprintf("%d more keys", len(all)-i))
			break
		}
		out = append(out, d.String())
	}
	return strings.Join(out, ", ")
}

// Away says why nobody is answered while the tasks of a service are replaced; "" where some task always runs.
func Away(spec swarm.ServiceSpec) string {
	if spec.UpdateConfig == nil || spec.UpdateConfig.Order == swarm.UpdateOrderStartFirst {
		return ""
	}
	r := spec.Mode.Replicated
	switch {
	case r != nil && r.Replicas != nil && *r.Replicas > spec.UpdateConfig.Parallelism &&
		spec.UpdateConfig.Parallelism > 0,
		r != nil && r.Replicas != nil && *r.Replicas == 0:
		return ""
	}
	text := "its old task is stopped before its new one is started"
	if why := swarmspec.StopFirst(spec); why != "" {
		text += ": " + why
	}
	return text
}

// operations adds what a step comes to. waits are the operations after which the services before it are ready; its own
// is added.
func (p *Plan) operations(step Step, waits map[string]int) {
	var needs []operation.Need
	for _, w := range step.Waits {
		if i, waited := waits[w.Service]; waited {
			needs = append(needs, operation.Need{
				Operation: i, Optional: w.Optional, Healthy: w.Condition != types.ServiceConditionCompletedSuccessfully,
			})
		}
	}
	kinds := map[Action]operation.Kind{
		Create: operation.Create, Replace: operation.Roll, Update: operation.Update,
	}
	if step.Away != "" {
		kinds[Replace] = operation.Recreate
	}
	if kind, changes := kinds[step.Action]; changes {
		for _, i := range p.uses(p.stack.Services[step.Service]) {
			needs = append(needs, operation.Need{Operation: i})
		}
		i := p.add(operation.Operation{
			Kind: kind, Service: step.Service, Cause: step.Why, Count: copies(p.stack.Services[step.Service]),
		}, needs)
		needs = []operation.Need{{Operation: i}}
	}
	if step.Action != Keep {
		waits[step.Service] = p.add(operation.Operation{Kind: operation.Wait, Service: step.Service}, needs)
	}
}

// copies is how many tasks a replicated service has; 0 where that follows from the nodes.
func copies(spec swarm.ServiceSpec) int {
	if r := spec.Mode.Replicated; r != nil && r.Replicas != nil {
		return int(*r.Replicas)
	}
	return 0
}
