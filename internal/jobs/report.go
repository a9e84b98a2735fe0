package jobs

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Report is the jobs of a project, scheduled or not.
type Report struct {
	Project  string            `json:"project"`
	Folder   string            `json:"folder"`
	Jobs     []Status          `json:"jobs"`
	Findings []finding.Finding `json:"findings"`
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
	Last      *Run      `json:"last,omitempty"` // its last run; none yet where it is missing
	Log       string    `json:"log,omitempty"`  // the file with its output
}

// List gives every job of a project, and what is wrong: with its runs, and with who is to run it.
func List(ctx context.Context, m Machine, project, folder string, now time.Time) (Report, error) {
	r := Report{Project: project, Folder: folder, Findings: Findings(project, folder, now)}
	tab, tabErr := "", error(nil)
	if m.By == ByCron {
		tab, tabErr = crontab(ctx)
	}
	for _, j := range All {
		p, err := PlaceOf(j, project, folder)
		if err != nil {
			return r, err
		}
		s := Status{Job: j.Name, Does: j.Does, At: j.At}
		if last, ok := p.LastRun(); ok {
			s.Last, s.Log, s.Running = &last, p.LogFile(), p.Running()
		}
		if is, ok := p.Installed(); ok {
			s.Scheduled, s.At, s.By = true, is.At, is.By
			if is.At != "" {
				s.Next = next(is.At, now)
			}
			if gone, remedy := p.gone(m, is, tab, tabErr); gone != "" {
				r.Findings = append(r.Findings, finding.Warn("schedule.gone", remedy, "%s", gone))
			}
		}
		r.Jobs = append(r.Jobs, s)
	}
	return r, nil
}

// gone says, in a sentence, that who is to run the job no longer does or knows of it, and what to do; "" where all is
// well.
func (p Place) gone(m Machine, is Installed, tab string, tabErr error) (text, remedy string) {
	again := "go tool mage schedule " + is.Job
	if _, err := state.ReadFile(p.script()); err != nil {
		return fmt.Sprintf("the script of the scheduled %s is gone: %v", is.Job, err), again
	}
	switch {
	case is.By != m.By:
		return fmt.Sprintf("the %s was scheduled by %s, which is not at work here", is.Job, is.By), again
	case is.By == ByCron && tabErr != nil:
		return fmt.Sprintf("the crontab that is to run the %s can't be read: %v", is.Job, tabErr), "crontab -l"
	case is.By == ByCron && p.withLines(tab, is.At, false) != tab:
		return fmt.Sprintf("the line that runs the %s is no longer in the crontab, or another", is.Job), again
	case is.By == ByCron && !m.CronRun:
		return fmt.Sprintf("the %s is in the crontab, and no cron daemon is at work", is.Job), m.CronStart
	case is.By == ByCron:
		return "", ""
	}
	for name := range p.units(is.By, "00:00") {
		if _, err := state.ReadFile(filepath.Join(m.UnitDir, name)); err != nil {
			return fmt.Sprintf("the unit that runs the %s is gone: %v", is.Job, err), again
		}
	}
	return "", ""
}

// Print writes a line for each job, and what is wrong.
func (r Report) Print(out *ui.Out) {
	rows := make([][]string, 0, len(r.Jobs))
	for _, s := range r.Jobs {
		rows = append(rows, s.row())
	}
	ui.Table(out.Writer(), []string{"JOB", "WHEN", "BY", "NEXT", "LAST RUN"}, rows)
	for _, f := range r.Findings {
		out.Warn("%s", f.Evidence)
		out.Info("  next: %s", f.Remedy)
	}
	for _, s := range r.Jobs {
		if !s.Scheduled {
			out.Info("%s %s; go tool mage schedule %s -dry-run shows what it would write", s.Job, s.Does,
				fault.Quote(s.Job))
		}
	}
}

func (s Status) row() []string {
	when := cmp.Or(s.At, "always")
	if s.At != "" {
		when = "daily " + s.At
	}
	if !s.Scheduled {
		when = "not scheduled"
	}
	until := "-"
	if !s.Next.IsZero() {
		until = day(s.Next)
	}
	return []string{s.Job, when, cmp.Or(s.By, "-"), until, s.lastCell()}
}

func (s Status) lastCell() string {
	switch {
	case s.Last == nil:
		return "never"
	case s.Running:
		return "runs since " + day(s.Last.Started)
	case s.Last.Ended.IsZero(), s.Last.ExitCode != 0:
		first, _, _ := strings.Cut(s.Last.end(), ": ")
		return day(s.Last.Started) + ", " + ui.Red(first)
	}
	return fmt.Sprintf("%s, %s in %s", day(s.Last.Started), ui.Green("well"),
		ui.Seconds(s.Last.Ended.Sub(s.Last.Started)))
}
