package jobs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

// Installed is a job that the machine was told to run.
type Installed struct {
	Job     string    `json:"job"`
	Project string    `json:"project"`
	Folder  string    `json:"folder"`
	Dir     string    `json:"working_directory"`
	At      string    `json:"at,omitempty"` // the time of day; empty for one that always runs
	By      string    `json:"by"`           // systemd, systemd --user or cron
	Since   time.Time `json:"since"`
}

// Run is one run of a job.
type Run struct {
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`  // zero while it runs, and where it was killed
	ExitCode int       `json:"exit_code"`       // meaningful where it has ended
	Words    string    `json:"words,omitempty"` // the last line of its output, or its error
	PID      int       `json:"pid,omitempty"`
}

func (p Place) installedFile() string { return filepath.Join(p.Dir, "job.json") }
func (p Place) runFile() string       { return filepath.Join(p.Dir, "run.json") }
func (p Place) lockFile() string      { return filepath.Join(p.Dir, "lock") }

// Installed gives what the machine was told; ok is false where the job is not scheduled.
func (p Place) Installed() (is Installed, ok bool) {
	err := state.ReadJSON(p.installedFile(), &is)
	return is, err == nil && (is.At == "" || CheckTime(is.At) == nil)
}

// LastRun gives the record of the last run; ok is false where there was none.
func (p Place) LastRun() (r Run, ok bool) {
	err := state.ReadJSON(p.runFile(), &r)
	return r, err == nil
}

// Running says whether a run of the job is at work now.
func (p Place) Running() bool {
	r, ok := p.LastRun()
	if !ok || !r.Ended.IsZero() {
		return false
	}
	release, err := state.TryLock(p.lockFile())
	if release != nil {
		release()
	}
	return err == nil && release == nil
}

// interrupt asks the run that is at work to end, as Ctrl-C does.
func (p Place) interrupt() {
	r, _ := p.LastRun()
	if r.PID == 0 || !p.Running() {
		return
	}
	if process, err := os.FindProcess(r.PID); err == nil {
		_ = process.Signal(os.Interrupt)
	}
}

func keep(path string, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		err = state.Keep(path, text)
	}
	if err != nil {
		return fmt.Errorf("keeping the record of a job: %w", err)
	}
	return nil
}

// ScheduledFrom gives the places of a job that was scheduled from the directory, whatever has become of the project
// there since: a job can be taken away whose Compose files can no longer be read.
func ScheduledFrom(j Job, dir string) []Place {
	root, err := placesDir("*")
	if err != nil {
		return nil
	}
	var out []Place
	found, _ := filepath.Glob(filepath.Join(root, j.Name+"-*"))
	for _, path := range found {
		p := Place{Job: j, Dir: path}
		if is, ok := p.Installed(); ok && is.Dir == dir && is.Job == j.Name {
			p.Project, p.Folder = is.Project, is.Folder
			out = append(out, p)
		}
	}
	return out
}
