// Package restarts owns how often a project's unhealthy services were restarted not long ago, and when each may be
// restarted again: the record outlives the process that restarts them, so that nobody restarts a service for ever.
package restarts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Bound says how often a service may be restarted.
type Bound struct {
	Most   int             // restarts
	Within time.Duration   // of which time
	Waits  []time.Duration // before the first restart, the second and so on, since the one before
}

// Hourly is the bound that holds: three times an hour, at once, then a minute and five minutes after the one before.
var Hourly = Bound{Most: 3, Within: time.Hour, Waits: []time.Duration{0, time.Minute, 5 * time.Minute}}

// Next says when a service that was restarted at these times, the oldest first, may be restarted again; spent says that
// it has used up its restarts until then.
func (b Bound) Next(past []time.Time) (at time.Time, spent bool) {
	n := len(past)
	switch {
	case n == 0:
		return time.Time{}, false
	case n >= b.Most:
		return past[n-b.Most].Add(b.Within), true
	}
	return past[n-1].Add(b.Waits[min(n, len(b.Waits)-1)]), false
}

// Recent are those of the times that count at a moment. One that is to come is of a clock that was put back since: it
// counts as now.
func (b Bound) Recent(past []time.Time, now time.Time) []time.Time {
	var out []time.Time
	for _, at := range past {
		if at.After(now) {
			at = now
		}
		if now.Sub(at) < b.Within {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// Record is what is kept of a project.
type Record struct {
	Services map[string]Service `json:"services"`
}

// Service is what is kept of a service.
type Service struct {
	Restarts []time.Time `json:"restarts"` // not longer ago than counts, the oldest first
	// LeftAlone says that it was unhealthy when it had used up its restarts, which is told once.
	LeftAlone bool `json:"left_alone,omitempty"`
	// Owed is when it was restarted, where services that are to be restarted after it were not yet.
	Owed time.Time `json:"owed,omitzero"`
}

// Path is where the record of a project is.
func Path(project string) (string, error) {
	dir, err := state.ProjectDir(project)
	return filepath.Join(dir, "heal.json"), err
}

// Read gives the record of a project; an empty one where there is none.
func Read(project string) (Record, error) {
	r := Record{Services: map[string]Service{}}
	path, err := Path(project)
	if err != nil {
		return r, err
	}
	if err := state.ReadJSON(path, &r); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if r.Services == nil {
		r.Services = map[string]Service{}
	}
	return r, nil
}

// Write keeps the record, whole.
func (r Record) Write(project string) error {
	path, err := Path(project)
	if err != nil {
		return err
	}
	if err := state.MakeDir(filepath.Dir(path)); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding the record of restarts: %w", err)
	}
	return state.WriteFile(path, text, 0o600)
}

// Findings are the services that are left alone, since restarting them did not help.
func Findings(project string, now time.Time) (out []finding.Finding) {
	r, err := Read(project)
	if err != nil {
		return nil // heal says so, and restarts nothing
	}
	return r.findings(Hourly, now)
}

func (r Record) findings(b Bound, now time.Time) (out []finding.Finding) {
	for name, s := range r.Services {
		if past := b.Recent(s.Restarts, now); s.LeftAlone && len(past) >= b.Most {
			out = append(out, finding.Warn("heal.spent", "go tool mage logs -group -level=warn "+fault.Quote(name),
				"%s was restarted %d times within %s and got unhealthy again: heal leaves it alone until %s", name,
				len(past), b.Words(), past[len(past)-b.Most].Add(b.Within).Local().Format(time.TimeOnly)).Of(name))
		}
	}
	slices.SortFunc(out, func(a, b finding.Finding) int { return slices.Compare(a.Subjects, b.Subjects) })
	return out
}

// Words are the time of the bound: "an hour".
func (b Bound) Words() string {
	if b.Within == time.Hour {
		return "an hour"
	}
	return b.Within.String()
}
