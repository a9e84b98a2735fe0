package doctor

import (
	"io"

	"github.com/25eloquence/compose-mage/internal/doctor/examine"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Report is what was found; its JSON is in docs/json.md.
type Report struct {
	Project  string    `json:"project,omitempty"` // "" where its Compose files do not load
	Findings []Finding `json:"findings"`          // the worst first
	Ignored  []Ignored `json:"ignored,omitempty"` // what the Compose file does not want to be told
	Unseen   []Unseen  `json:"unseen,omitempty"`  // what could not be looked for, or not everywhere
	Rules    int       `json:"rules"`             // the kinds of findings that were looked for
	Seconds  float64   `json:"seconds"`           // that it took

	found examine.Report
}

// Finding is one fact.
type Finding struct {
	ID       string   `json:"id"`                 // which rule found it: docs/doctor.md
	Severity string   `json:"severity"`           // info, warning or failure
	Subjects []string `json:"subjects,omitempty"` // the services that it is about
	Evidence string   `json:"evidence"`           // what was seen
	Remedy   string   `json:"remedy,omitempty"`   // what to change or to type
	Code     int      `json:"exit_code,omitempty"`

	Cause      string   `json:"cause,omitempty"`      // why it is so, or what follows of it
	Places     []Place  `json:"places,omitempty"`     // the lines of files that it is about
	Containers []string `json:"containers,omitempty"` // their names
	Lines      []string `json:"lines,omitempty"`      // of a log, as they were written
}

// Place is a line of a file.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // from 1; 0 where the whole file is meant
}

// Ignored is a finding that the Compose file does not want to be told.
type Ignored struct {
	ID       string   `json:"id"`
	Subjects []string `json:"subjects,omitempty"`
	Evidence string   `json:"evidence"`
	Reason   string   `json:"reason"` // the Compose file's
}

// Unseen are kinds of findings that could not be looked for, or not everywhere.
type Unseen struct {
	IDs []string `json:"ids"`
	Why string   `json:"why"`
}

// The findings that a report may fail of.
const (
	FailOnError   = examine.FailOnError
	FailOnWarning = examine.FailOnWarning
	FailOnNever   = examine.FailOnNever
)

// CheckFailOn says what is wrong with a choice of those; nil where it is one.
func CheckFailOn(choice string) error { return examine.CheckFailOn(choice) }

// Print writes the report for people, in lines of 80 columns.
func (r Report) Print(w io.Writer) { r.found.Print(ui.New(w)) }

// Markdown gives the report for GitHub's summary of a job.
func (r Report) Markdown() []byte { return r.found.Markdown() }

// Err is an error where something was found that is as bad as failOn says: with the exit code of the first failure, or
// 1.
func (r Report) Err(failOn string) error { return r.found.Verdict(failOn) }
