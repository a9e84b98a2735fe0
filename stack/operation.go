package stack

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/25eloquence/compose-mage/internal/trace"
)

// RunReport is what a start or a restart did, and when.
type RunReport struct {
	Project    string      `json:"project"`
	Seconds    float64     `json:"seconds"`
	Operations []Operation `json:"operations"` // each after those that it needs
	Critical   []Link      `json:"critical"`   // what made the run as long as it was
}

// eventReader passes events on and keeps the last one, which says what the run came to.
type eventReader struct {
	to   io.Writer // nil for nowhere
	last Event
}

// Write takes one event, a line of JSON.
func (r *eventReader) Write(line []byte) (int, error) {
	r.last = Event{}
	if err := json.Unmarshal(line, &r.last); err != nil {
		return 0, fmt.Errorf("reading an event: %w", err)
	}
	if r.to != nil {
		return r.to.Write(line)
	}
	return len(line), nil
}

func (r *eventReader) report(project string) RunReport {
	return RunReport{
		Project: project, Seconds: r.last.Seconds, Operations: r.last.Operations, Critical: r.last.Critical,
	}
}

// keep keeps when what was done for the page of monitor -serve.
func (p *project) keep(done *trace.Live) {
	if err := trace.Keep(done.Timeline()); err != nil {
		p.out.Warn("the page of monitor -serve will not show this run: %v", err)
	}
}

// Operation is one thing that a start or a restart does to the containers of a service. Its number is its place in
// the plan, from 0.
type Operation struct {
	Kind    string `json:"kind"`              // create, recreate, remove, roll, stop, start or wait
	Service string `json:"service,omitempty"` // empty where the operation is about a network or a volume
	// Container is the name of the one container that the operation is about; empty for all of the service.
	Container string          `json:"container,omitempty"`
	Resource  string          `json:"resource,omitempty"` // "network shop_default", where it is about that
	Cause     string          `json:"cause,omitempty"`    // why it is done
	Count     int             `json:"count,omitempty"`    // how many containers are made or removed
	Needs     []OperationNeed `json:"needs,omitempty"`    // what must be so first

	// When it came to what, once it was run. The zero time is never.
	Began time.Time `json:"began,omitzero"` // what it needs was there
	// Admitted is, of a start that had something to start, when it had its share of the machine.
	Admitted time.Time `json:"admitted,omitzero"`
	// Healthy is, of a wait for the end of a job, when its health check passed, or it turned out to have none.
	Healthy time.Time `json:"healthy,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`   // it was done, or had failed
	Failed  bool      `json:"failed,omitempty"` // or could not begin, as what it needs had failed
}

// OperationNeed is an operation that must have come to its end, or to a part of it, before another one begins.
type OperationNeed struct {
	Operation int `json:"operation"` // its number
	// Healthy says that the health check has passed is enough, also where the operation waits for the end of a job.
	Healthy  bool `json:"healthy"`
	Optional bool `json:"optional"` // that the operation fails keeps nothing from going on
}
