package plan

import (
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/orphan"
)

// StartReport is the plan of a start for programs.
type StartReport struct {
	Project string      `json:"project"`
	Steps   []StartStep `json:"steps"` // those that wait for less first
	// StartsAtOnce is how many containers the engine is asked to start at a time.
	StartsAtOnce int `json:"starts_at_once"`
	// CPUs is the machine's number: what the reservations of those that start may come to.
	CPUs int `json:"cpus"`
	// Orphans are containers of services that the Compose files no longer have.
	Orphans []orphan.Container `json:"orphans"`
	// RemoveOrphans says that the start removes them first.
	RemoveOrphans bool `json:"remove_orphans"`
	// Kept has a sentence for each volume that stays as it is though its settings changed.
	Kept       []string              `json:"kept"`
	Operations []operation.Operation `json:"operations"` // what the steps come to, each after those that it needs
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

// StartReport gives a start's plan with the orphans that were found.
func (p Plan) StartReport(project string, orphans []orphan.Container, remove bool) StartReport {
	r := StartReport{
		Project: project, Steps: []StartStep{}, StartsAtOnce: p.StartsAtOnce(), CPUs: p.CPUs,
		Orphans: append([]orphan.Container{}, orphans...), RemoveOrphans: remove, Kept: append([]string{}, p.Kept...),
		Operations: append([]operation.Operation{}, p.Operations...),
	}
	for _, s := range p.Steps {
		step := StartStep{
			Service: s.Service, Stage: s.Stage, Replicas: s.Replicas, Job: s.OneShot, CPUs: s.CPUs,
			Action: string(s.Do), Why: s.Why, Waits: []StartWait{},
		}
		for _, w := range s.Waits {
			condition := w.Condition
			if condition == "" {
				condition = types.ServiceConditionStarted
			}
			step.Waits = append(step.Waits, StartWait{Service: w.Service, Condition: condition, Optional: w.Optional})
		}
		r.Steps = append(r.Steps, step)
	}
	return r
}

// RestartReport is the plan of a restart for programs.
type RestartReport struct {
	Project string        `json:"project"`
	Steps   []RestartStep `json:"steps"` // in dependency order
	Left    []string      `json:"left"`  // services that stay as they are
	// Kept has a sentence for each volume that stays as it is though its settings changed.
	Kept       []string              `json:"kept"`
	Operations []operation.Operation `json:"operations"` // what the steps come to, each after those that it needs
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

// RestartReport gives a restart's plan.
func (p Plan) RestartReport(project string) RestartReport {
	r := RestartReport{
		Project: project, Steps: []RestartStep{},
		Left: append([]string{}, p.Left...), Kept: append([]string{}, p.Kept...),
		Operations: append([]operation.Operation{}, p.Operations...),
	}
	for _, s := range p.Steps {
		r.Steps = append(r.Steps, RestartStep{
			Service: s.Service, Stage: s.Stage, Action: string(s.Do), Why: s.Why, Replicas: s.Have,
			Refused: append([]string{}, s.Refused...),
		})
	}
	return r
}
