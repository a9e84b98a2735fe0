// Package past tells what a project's services used over a stretch of time that a watcher recorded, and what went wrong
// in it.
package past

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/record"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack"
)

// Options are the choices of a look at the past.
type Options struct {
	Services []string      // only these; empty is all
	Since    time.Duration // how far back; at most the seven days that are kept
}

// Report is what is known of a project from one time to another; its JSON is in docs/json.md.
type Report struct {
	Project  string    `json:"project"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Recorded float64   `json:"recorded_seconds"` // of that time; the rest nobody watched
	Services []Service `json:"services"`         // by name
	Events   []Event   `json:"events"`           // in the order of time

	print func(*ui.Out)
}

// Service is one service's figures.
type Service struct {
	Service string   `json:"service"`
	Figures []Figure `json:"figures"`
}

// Figure is one metric of a service. Median and P95 are those of means over 15 seconds, or 5 minutes where the time is
// longer than a day ago.
type Figure struct {
	Metric string  `json:"metric"` // with its unit at the end: memory_working_set_bytes
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Max    float64 `json:"max"`
	Points []Point `json:"points"` // 24 equal steps; where nothing was recorded there is none
}

// Point is what a metric was from Time on, until the next step.
type Point struct {
	Time time.Time `json:"time"`
	Min  float64   `json:"min"`
	Mean float64   `json:"mean"`
	Max  float64   `json:"max"`
}

// Event is something that happened to a service.
type Event struct {
	Time    time.Time `json:"time"`
	Until   time.Time `json:"until,omitzero"` // of what lasted
	Service string    `json:"service"`
	Kind    string    `json:"kind"` // restarted, killed (for want of memory) or ill (not as it should be)
	Count   int       `json:"count"`
}

// Print writes a line for each figure of each service, and what went wrong.
func (r Report) Print(w io.Writer) {
	if r.print != nil {
		r.print(ui.New(w))
	}
}

// Of reads the past of the stack's project. That nothing was recorded is an error, which says who records.
func Of(ctx context.Context, s *stack.Stack, o Options) (Report, error) {
	report, err := of(ctx, s, o)
	return report, fault.Exit(ctx, err)
}

func of(ctx context.Context, s *stack.Stack, o Options) (Report, error) {
	if o.Since <= 0 {
		return Report{}, fault.New(fault.Usage, "go tool mage monitor -since=1h",
			"-since=%s is no time to look back", o.Since)
	}
	project, err := s.ProjectName(ctx, o.Services)
	if err != nil {
		return Report{}, err
	}
	dir, err := history.Dir(project)
	if err != nil {
		return Report{}, err
	}
	store, err := history.ReadOnly(dir)
	if err != nil {
		return Report{}, err
	}
	now := time.Now()
	found, err := record.Look(store, project, o.Services, now.Add(-o.Since), now)
	if err != nil {
		return Report{}, err
	}
	var out Report
	text, err := json.Marshal(found)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		return out, fmt.Errorf("reporting: %w", err)
	}
	out.print = func(to *ui.Out) {
		found.Print(to)
		for _, note := range store.Notes() {
			to.Warn("history: %s", note)
		}
	}
	return out, nil
}
