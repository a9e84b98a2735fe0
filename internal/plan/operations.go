package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/operation"
)

// planner makes the operations of a plan, one service after the other.
type planner struct {
	project *types.Project
	plan    Plan
	seen    Observed

	operations []operation.Operation
	networks   map[string]int // the operation that makes a network anew, by key
	started    map[string]int // after which operation a service is started, by name
	ready      map[string]int // the operation after which it is ready, or has completed
}

// operations gives what the plan's steps come to.
func operations(project *types.Project, plan Plan, seen Observed) []operation.Operation {
	p := &planner{
		project: project, plan: plan, seen: seen,
		networks: map[string]int{}, started: map[string]int{}, ready: map[string]int{},
	}
	p.resources()
	p.providers()
	for _, s := range plan.Steps {
		p.service(s)
	}
	return p.operations
}

// add appends an operation and gives its number.
func (p *planner) add(o operation.Operation) int {
	p.operations = append(p.operations, o)
	return len(p.operations) - 1
}

// resources adds an operation for each network that is made anew and that one of the steps' services uses, and for
// each network and volume that containers lack that are there already.
func (p *planner) resources() {
	for _, key := range slices.Sorted(maps.Keys(p.seen.Networks)) {
		uses := func(s Step) bool { return usesNetwork(p.project, s.Service, key) }
		if slices.ContainsFunc(p.plan.Steps, uses) {
			p.networks[key] = p.add(operation.Operation{
				Kind: operation.Recreate, Resource: "network " + p.project.Networks[key].Name,
				Cause: "its settings changed",
			})
		}
	}
	if p.plan.Restart && len(p.plan.Steps) == 0 {
		return
	}
	for _, name := range p.seen.Resources {
		anew := func(o operation.Operation) bool { return o.Resource == name }
		if !slices.ContainsFunc(p.operations, anew) {
			p.add(operation.Operation{Kind: operation.Create, Resource: name, Cause: "it is not there"})
		}
	}
}

// providers adds an operation for each provider that is none of the steps' services and on which one of them
// depends: of a restart.
func (p *planner) providers() {
	for _, s := range p.plan.Steps {
		for _, name := range composelib.ProvidersOf(p.project, p.project.Services[s.Service]) {
			if _, added := p.ready[name]; !added && p.plan.Step(name).Service == "" {
				at := p.add(
					operation.Operation{
						Kind:    operation.Create,
						Service: name,
						Cause:   s.Service + " needs what it provides",
					},
				)
				p.started[name], p.ready[name] = at, at
			}
		}
	}
}

// service adds the operations of a step.
func (p *planner) service(s Step) {
	made := p.make(s)
	if s.Replicas == 0 {
		p.started[s.Service] = p.add(
			operation.Operation{Kind: operation.Wait, Service: s.Service, Needs: append(p.dependencies(s), made...)},
		)
		p.ready[s.Service] = p.started[s.Service]
		return
	}
	begin := append(p.dependencies(s), made...)
	if p.plan.Restart {
		begin = p.renew(s, begin)
	}
	p.started[s.Service] = p.add(
		operation.Operation{Kind: operation.Start, Service: s.Service, Cause: startCause(s), Needs: begin},
	)
	p.ready[s.Service] = p.add(operation.Operation{
		Kind: operation.Wait, Service: s.Service, Needs: []operation.Need{{Operation: p.started[s.Service]}},
	})
}

// startCause is why containers are started; where they are made, that says it.
func startCause(s Step) string {
	if s.Do == ActionStart {
		return s.Why
	}
	return ""
}

// make adds what Compose makes and removes of the service before anything is started, and gives the needs of what
// comes after it.
func (p *planner) make(s Step) []operation.Need {
	var needs []operation.Need
	add := func(o operation.Operation) {
		o.Service = s.Service
		needs = append(needs, operation.Need{Operation: p.add(o)})
	}
	service := p.project.Services[s.Service]
	for _, key := range service.NetworksByPriority() {
		if at, anew := p.networks[key]; anew && p.plan.Restart {
			needs = append(needs, operation.Need{Operation: at})
		}
	}
	for _, name := range composelib.ProvidersOf(p.project, service) {
		if p.plan.Step(name).Service == "" {
			needs = append(needs, operation.Need{Operation: p.ready[name]})
		}
	}
	if s.Do == ActionRecreate {
		add(operation.Operation{Kind: operation.Recreate, Cause: s.Why, Count: p.seen.recreated(s)})
	}
	switch missing := s.Replicas - s.Have; {
	case service.Provider != nil:
		add(operation.Operation{Kind: operation.Create, Cause: "a provider gives it"})
	case s.Have == 0 && missing > 0:
		add(operation.Operation{Kind: operation.Create, Cause: "it has no container", Count: missing})
	case missing > 0:
		add(
			operation.Operation{
				Kind:  operation.Create,
				Cause: fmt.Sprintf("it has %d of %d containers", s.Have, s.Replicas),
				Count: missing,
			},
		)
	case missing < 0:
		add(
			operation.Operation{
				Kind:  operation.Remove,
				Cause: fmt.Sprintf("it has %d of %d containers", s.Have, s.Replicas),
				Count: -missing,
			},
		)
	case p.seen.Hooks[s.Service]:
		add(operation.Operation{Kind: operation.Create, Cause: "its hooks before the start need containers"})
	}
	return needs
}

// dependencies are the needs that the service's depends_on says.
func (p *planner) dependencies(s Step) []operation.Need {
	var needs []operation.Need
	for _, w := range s.Waits {
		n := operation.Need{Operation: p.started[w.Service], Optional: w.Optional}
		switch w.Condition {
		case types.ServiceConditionHealthy:
			n.Operation, n.Healthy = p.ready[w.Service], true
		case types.ServiceConditionCompletedSuccessfully:
			n.Operation = p.ready[w.Service]
		}
		needs = append(needs, n)
	}
	return needs
}

// renew adds what a restart does to the service's containers before those are started that don't run then, and
// gives the needs of that start. begin is what has to be so before anything is done to the service.
func (p *planner) renew(s Step, begin []operation.Need) []operation.Need {
	kind := map[Action]operation.Kind{
		ActionRestart: operation.Stop, ActionReplace: operation.Recreate, ActionRoll: operation.Roll,
	}[s.Do]
	switch {
	case kind == "":
		return begin
	case kind != operation.Roll && s.Have > 1:
		return p.oneByOne(s, kind, begin)
	case kind == operation.Stop && p.plan.All:
		// Everything is restarted and down for a moment anyway: the service is stopped while those on which it
		// depends get ready.
		at := p.add(operation.Operation{Kind: kind, Service: s.Service, Cause: s.Why, Needs: p.dependenciesStarted(s)})
		return append([]operation.Need{{Operation: at}}, begin...)
	}
	at := p.add(operation.Operation{Kind: kind, Service: s.Service, Cause: s.Why, Needs: begin})
	return []operation.Need{{Operation: at}}
}

// dependenciesStarted are the needs of what is done when all on which the service depends has been started.
func (p *planner) dependenciesStarted(s Step) []operation.Need {
	var needs []operation.Need
	for _, w := range s.Waits {
		needs = append(needs, operation.Need{Operation: p.started[w.Service], Optional: w.Optional})
	}
	return needs
}

// oneByOne adds the restart of the service's replicas, each only when the one before is ready.
func (p *planner) oneByOne(s Step, kind operation.Kind, begin []operation.Need) []operation.Need {
	for _, c := range p.seen.Containers[s.Service] {
		for _, o := range []operation.Operation{
			{Kind: kind, Cause: s.Why}, {Kind: operation.Start}, {Kind: operation.Wait},
		} {
			o.Service, o.Container, o.Needs = s.Service, c.Name(), begin
			begin = []operation.Need{{Operation: p.add(o)}}
		}
	}
	return begin
}

// Together says whether the operation is done by the one call of the Compose library that makes all containers,
// networks and volumes: in a restart, which makes the containers that there are anew when their turn comes, only
// what is lacking or too much.
func (p Plan) Together(o operation.Operation) bool {
	switch o.Kind {
	case operation.Create, operation.Remove:
		return true
	case operation.Recreate:
		return !p.Restart || o.Resource != ""
	}
	return false
}

// Composes says whether there is anything for that call to do.
func (p Plan) Composes() bool {
	for _, o := range p.Operations {
		if p.Together(o) {
			return true
		}
	}
	return false
}

// Made is how many containers of the service the creation makes before the service can go on; 0 where it has to
// wait for the creation's end: hooks before the start have containers of their own, made last, and those that are
// too many are still going.
func (p Plan) Made(project *types.Project, service string) int {
	n := 0
	for _, o := range p.Operations {
		switch {
		case o.Service != service:
		case o.Kind == operation.Remove || len(project.Services[service].PreStart) > 0:
			return 0
		case p.Together(o):
			n += o.Count
		}
	}
	return n
}
