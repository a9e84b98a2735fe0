package monitor

import (
	"fmt"
	"time"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/logerrors"
)

// readLogs makes the signals of an observer read logs too.
func (s *signals) readLogs(api API) {
	if e, ok := api.(*engine.Engine); ok {
		s.logs = logerrors.NewReaders(e, e.Local())
	}
}

// close ends the reading of logs.
func (s *signals) close() {
	if s.logs != nil {
		s.logs.Close()
	}
}

// logsOf gives the logs of the containers. A driver that keeps none has nothing to read.
func logsOf(rows []*row) (out []logerrors.Log) {
	for _, r := range rows {
		if r.seen == nil || r.seen.HostConfig == nil || r.seen.HostConfig.LogConfig.Type == "none" {
			continue
		}
		log := logerrors.Log{
			ID: r.ID, Driver: r.seen.HostConfig.LogConfig.Type, Path: r.seen.LogPath,
			Terminal: r.seen.Config != nil && r.seen.Config.Tty, Running: r.Running(),
		}
		if r.seen.State != nil {
			log.Started, _ = time.Parse(time.RFC3339Nano, r.seen.State.StartedAt) // the year 1 where it never ran
		}
		out = append(out, log)
	}
	return out
}

// errorsCell is how many errors the container has logged in the last minute; a dash where nobody counts them.
func (r Replica) errorsCell() string {
	if r.Log.Source == "" {
		return "-"
	}
	return high(r.Log.Many(), fmt.Sprintf("%.0f", r.Log.PerMinute))
}

// logFindings has the containers that log many more errors than is usual. A finding is told to webhooks and stands on
// the page, so it does not quote the log.
func logFindings(all []Replica) (out []finding.Finding) {
	for _, r := range all {
		if !r.Log.Many() || !r.Running() {
			continue
		}
		text := fmt.Sprintf("%s has logged %.0f errors in the last minute", r.Service, r.Log.PerMinute)
		if r.Log.Usual > 0 {
			text += fmt.Sprintf(", where %.1f are usual", r.Log.Usual)
		}
		out = append(out,
			finding.Warn("log.errors", "go tool mage logs -group -level=error "+fault.Quote(r.Service), "%s", text).
				Of(r.Service))
	}
	return out
}
