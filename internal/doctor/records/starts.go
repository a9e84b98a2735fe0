package records

import (
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// How a start is told from what was recorded.
const (
	startWithin = 15 * time.Minute // a service that is ill later is ill, and not slow to start
	lateStarts  = 2                // of which the health check has to have given up too early
	readyTimes  = 2                // as long a time as was seen is proposed
)

// readyLate finds a service that its health check called unhealthy before it was ready, in most of its starts: it came
// to be healthy by itself, without another start.
func (l past) readyLate(s types.ServiceConfig) []check.Finding {
	h := s.HealthCheck
	if h == nil || h.Disable || s.GetScale() != 1 {
		return nil
	}
	of := func(metric string) []history.Point {
		return l.Starts[history.Series{Service: s.Name, Metric: metric}]
	}
	starts, late := readiness(of(history.UpSeconds), of(history.Healthy))
	if len(late) < lateStarts || len(late)*2 <= starts {
		return nil
	}
	longest := late[0]
	for _, d := range late {
		longest = max(longest, d)
	}
	wanted := (longest * readyTimes).Round(5 * time.Second)
	if h.StartPeriod != nil && time.Duration(*h.StartPeriod) >= wanted {
		return nil // the starts that were seen were before that
	}
	value := fmt.Sprintf("%ds", int(wanted.Seconds()))
	old, path := "", []string{"services", s.Name, "healthcheck", "start_period"}
	if written, _ := l.Files.Value(path...); written != nil {
		old = written.Value
	}
	return []check.Finding{check.Warn("health.start",
		"healthcheck.start_period: "+fault.Quote(value)+" of "+fault.Quote(s.Name),
		"in %d of %d starts that were seen it counted as unhealthy, and was ready after up to %s", len(late), starts,
		ui.Seconds(longest)).Of(s.Name).At(l.at(s.Name, "healthcheck")).
		Because("its start takes longer than start_period and retries allow, and what waits for it gives up").
		Edited(check.Asked, check.Edit{Path: path, Value: value, Old: old})}
}

// readiness gives how many starts were seen, and of those in which the service was ill and then well again, how long
// after the start that was.
func readiness(up, healthy []history.Point) (starts int, late []time.Duration) {
	well := map[time.Time]bool{}
	for _, p := range healthy {
		well[p.Time] = p.Min >= 1
	}
	before, seen, ill := 0.0, false, false
	for _, p := range up {
		since := time.Duration(p.Max * float64(time.Second))
		if p.Min < before || before == 0 {
			seen, ill = since < time.Minute, false
			if seen {
				starts++
			}
		}
		before = p.Min
		is, known := well[p.Time]
		if !seen || !known || since > startWithin {
			continue
		}
		switch {
		case !is:
			ill = true
		case ill:
			late, ill, seen = append(late, since), false, false
		}
	}
	return starts, late
}
