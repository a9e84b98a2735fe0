package schedule

import (
	"io"
	"time"

	"github.com/25eloquence/compose-mage/internal/jobs"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Report is every job of the project of the working directory; its JSON is in docs/json.md.
type Report struct {
	Project  string    `json:"project"`
	Folder   string    `json:"folder"`
	Jobs     []Status  `json:"jobs"`
	Findings []Finding `json:"findings"`

	found jobs.Report
}

// Status is one job.
type Status struct {
	Job       string    `json:"job"` // cleanup, backup, drill or monitor
	Does      string    `json:"does"`
	Scheduled bool      `json:"scheduled"`
	At        string    `json:"at,omitempty"`   // the time of day, such as 03:30; empty for one that always runs
	By        string    `json:"by,omitempty"`   // systemd, systemd --user or cron; empty where it is not scheduled
	Next      time.Time `json:"next,omitzero"`  // when it is to run
	Running   bool      `json:"running"`        // it is at work now
	Last      *LastRun  `json:"last,omitempty"` // its last run; none yet where it is missing
	Log       string    `json:"log,omitempty"`  // the file with its output
}

// LastRun is the last run of a job.
type LastRun struct {
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`  // zero while it runs, and where it was killed
	ExitCode int       `json:"exit_code"`       // meaningful where it has ended
	Words    string    `json:"words,omitempty"` // the last line of its output, or its error
	PID      int       `json:"pid,omitempty"`
}

// Finding is one thing that is wrong, or worth knowing.
type Finding struct {
	ID       string `json:"id"`       // which rule found it, dotted and stable
	Severity string `json:"severity"` // ok, info, warning or failure
	// Subjects are the services that the finding is about; none where it is about the machine or the project.
	Subjects []string `json:"subjects,omitempty"`
	Evidence string   `json:"evidence"`            // what was seen, a sentence
	Remedy   string   `json:"remedy,omitempty"`    // what to do or type next
	Code     int      `json:"exit_code,omitempty"` // of a failure
}

// Print writes a line for each job, and what is wrong.
func (r Report) Print(w io.Writer) { r.found.Print(ui.New(w)) }
