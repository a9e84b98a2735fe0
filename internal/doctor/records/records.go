// Package records owns the checks of what is kept of a project: what watchers recorded of its services, what builds
// did, and when its volumes were saved. It asks the engine for no more than two sizes of an image.
package records

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/record"
)

// Checks gives the checks of what is kept.
func Checks() []check.Check[*subject.Subject] {
	return []check.Check[*subject.Subject]{historyCheck, buildsCheck, grewCheck, backupsCheck}
}

func recordRule(id, title string, worst finding.Severity, basis string, fix check.Fix) check.Rule {
	return check.Rule{ID: id, Title: title, Where: check.Record, Worst: worst, Basis: basis, Fix: fix}
}

var historyCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{
		recordRule("memory.unlimited", "a service that takes much memory, and has no limit", finding.Warning,
			"CIS Docker Benchmark 1.6: 5.11", check.Asked),
		recordRule("memory.roomy", "a memory limit far above what was ever needed", finding.Info,
			"docs/fit.md", check.NoFix),
		recordRule("memory.filling", "memory that grows towards the limit", finding.Warning,
			"what was recorded in the last hour", check.NoFix),
		recordRule("disk.filling", "a disk that fills", finding.Warning, "what was recorded in the last hour",
			check.NoFix),
		recordRule("health.start", "unhealthy before it was ready", finding.Warning,
			"docs.docker.com/reference/dockerfile/#healthcheck", check.Asked),
	},
	Look: func(_ context.Context, s *subject.Subject) ([]check.Finding, error) {
		e, project, err := s.Connected()
		if err != nil {
			return nil, err
		}
		dir, err := history.Dir(project.Name)
		if err != nil {
			return nil, err
		}
		store, err := history.ReadOnly(dir)
		if err != nil {
			return nil, err
		}
		l := past{Project: project, Files: s.Files, Machine: e.Machine().Memory, Now: time.Now()}
		if err := l.read(store); err != nil {
			return nil, err
		}
		if len(l.Needs) == 0 {
			return nil, check.NotSeen("nothing is recorded: go tool mage monitor -serve, or -watch, records")
		}
		out := l.findings()
		if !l.recordedNow() {
			return out, check.NotSeenOf([]string{"memory.filling", "disk.filling"},
				"nobody records at the moment: go tool mage monitor -serve does")
		}
		return out, nil
	},
}

// read reads what the rules are about.
func (l *past) read(store *history.Store) (err error) {
	if l.Needs, err = record.Needs(store, l.Now.Add(-history.Kept), l.Now); err != nil || len(l.Needs) == 0 {
		return err
	}
	l.Starts, err = store.Select(history.Selection{Metrics: []string{history.Healthy, history.UpSeconds}},
		l.Now.Add(-history.Kept), l.Now, 0)
	if err != nil {
		return err
	}
	l.Hour, err = store.Select(history.Selection{Metrics: []string{
		history.MemoryWorkingSet, history.DiskFree, history.UpSeconds,
	}}, l.Now.Add(-trendOver), l.Now, trendStep)
	return err
}
