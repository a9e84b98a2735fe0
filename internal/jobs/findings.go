package jobs

import (
	"fmt"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/restarts"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
)

// How late a run may be before it counts as missed: a daily one waits for a machine that wakes, or for another run of
// the project; one that always runs is started by cron within five minutes.
const (
	dailyGrace  = 2 * time.Hour
	alwaysGrace = 10 * time.Minute
)

// readEvery is how often somebody who watches reads the records of jobs: their shortest grace is ten minutes.
const readEvery = 10 * time.Second

// Watched keeps what was found of a project's jobs for a moment, for somebody who asks at each look.
type Watched struct {
	read  time.Time
	found []finding.Finding
}

// Findings is the function Findings, of a few seconds ago at most. The records are read again when that is past.
func (w *Watched) Findings(project, folder string, now time.Time) []finding.Finding {
	if since := now.Sub(w.read); since < 0 || since >= readEvery {
		w.found, w.read = Findings(project, folder, now), now
	}
	return w.found
}

// Findings says which of the project's scheduled jobs failed or did not run, and, scheduled or not, what is wrong with
// its backups and which services heal has given up. It asks nobody but the records of this user's state directory.
func Findings(project, folder string, now time.Time) []finding.Finding {
	var all []finding.Finding
	for _, j := range All {
		p, err := PlaceOf(j, project, folder)
		if err != nil {
			return nil
		}
		is, ok := p.Installed()
		if !ok {
			continue
		}
		r, ran := p.LastRun()
		if text, id := wrong(is, r, ran, p.Running(), now); text != "" {
			all = append(all, finding.Warn(id, p.remedy(id), "%s", text))
		}
	}
	return slices.Concat(all, snapshots.Findings(project), restarts.Findings(project, now))
}

// wrong says what is wrong with a job, in a sentence, and by which rule; "" where nothing is. r is its last run where
// ran says that there was one.
func wrong(is Installed, r Run, ran, running bool, now time.Time) (text, id string) {
	const failed, missed = "schedule.failed", "schedule.missed"
	switch {
	case running:
		return "", ""
	case is.At == "": // it always runs
		if now.Sub(is.Since) < alwaysGrace || ran && now.Sub(r.Ended) < alwaysGrace && !r.Ended.IsZero() {
			return "", ""
		}
		if !ran {
			return "the scheduled " + is.Job + " has not been started", missed
		}
		return "the scheduled " + is.Job + " does not run: it " + r.end(), failed
	}
	on := due(is.At, now.Add(-dailyGrace))
	switch {
	case on.After(is.Since) && !ran:
		return fmt.Sprintf("the scheduled %s was due %s, and has never run", is.Job, day(on)), missed
	case on.After(is.Since) && r.Started.Before(on):
		return fmt.Sprintf("the scheduled %s was due %s, and ran last %s", is.Job, day(on), day(r.Started)), missed
	case ran && r.Ended.IsZero(), ran && r.ExitCode != 0:
		return fmt.Sprintf("the scheduled %s of %s %s", is.Job, day(r.Started), r.end()), failed
	}
	return "", ""
}

// end is how a run ended, in words that follow the job's name.
func (r Run) end() string {
	switch {
	case r.Ended.IsZero():
		return "was killed, or the machine went down"
	case r.ExitCode == int(fault.Interrupted):
		return "was stopped"
	case r.Words == "":
		return fmt.Sprintf("ended with exit code %d", r.ExitCode)
	}
	return fmt.Sprintf("ended with exit code %d: %s", r.ExitCode, r.Words)
}

func day(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// remedy is what to do about a finding. A run that never began has left its words, if any, in another file.
func (p Place) remedy(id string) string {
	run := "go tool mage schedule -run=" + p.Job.Name
	switch {
	case p.Job.Always():
		return "go tool mage schedule, which says by whom it is run; its log is " + fault.Quote(p.LogFile())
	case id == "schedule.failed":
		return run + " to try it now; its log is " + fault.Quote(p.LogFile())
	}
	if text, err := state.ReadFile(p.outputFile()); err == nil && len(text) > 0 {
		return run + " to do it now; it said before: " + bounded.LastLine(string(text))
	}
	return run + " to do it now; go tool mage schedule says who was to run it"
}
