package alert

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// What an event says of a finding.
const (
	StatusFiring   = "firing"
	StatusResolved = "resolved"
	StatusTest     = "test"
)

// Event is what a receiver is told once, and again until it has taken it. It marshals to the JSON that webhooks and
// commands get; docs/alerts.md has it.
type Event struct {
	Version int    `json:"version"` // 1
	ID      string `json:"id"`      // the same each time that this event is sent
	Alert   string `json:"alert"`   // the same for a firing and its resolution
	Status  string `json:"status"`  // firing, resolved or test
	Project string `json:"project"`
	Host    string `json:"host"`
	Finding string `json:"finding"`           // which rule found it: memory.killed
	Service string `json:"service,omitempty"` // several are separated by commas
	// Severity is info, warning or failure.
	Severity string    `json:"severity"`
	Evidence string    `json:"evidence"`         // what was seen, a sentence
	Remedy   string    `json:"remedy,omitempty"` // what to do or type next
	Since    time.Time `json:"since"`            // when it was first seen
	At       time.Time `json:"at"`               // when this was decided
	// Dropped are the events before this one that were not taken for so long that they were given up.
	Dropped int `json:"dropped,omitempty"`
}

// eventOf is a firing. Texts are from outside in part: they are bounded and printable.
func eventOf(f finding.Finding, since, at time.Time) Event {
	id := rand.Text()
	return Event{
		Version: 1, ID: id, Alert: id, Status: StatusFiring, Finding: f.ID,
		Service: shown(strings.Join(f.Subjects, ",")), Severity: f.Severity.String(), Evidence: shown(f.Evidence),
		Remedy: shown(f.Remedy), Since: since.UTC(), At: at.UTC(),
	}
}

func shown(text string) string { return bounded.Line(printable.Line(text)) }

// resolved is the end of what a firing has told.
func (e Event) resolved(at time.Time) Event {
	e.ID, e.Status, e.Remedy, e.At = rand.Text(), StatusResolved, "", at.UTC()
	return e
}

// Title is a short line for people.
func (e Event) Title() string {
	title := e.Project + ": " + e.Finding
	if e.Service != "" {
		title += " " + e.Service
	}
	return title + " " + e.Status
}
