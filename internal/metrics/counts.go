package metrics

import (
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/25eloquence/compose-mage/internal/monitor"
)

// counts are what was counted of each container, by ID, over the snapshots that the exporter has seen.
type counts map[string]*count

type count struct {
	checked, answered time.Time // the last health check, and the last answer, that was counted
	checks, answers   durations
	unanswered        int64
	oomKills          int
	restarts          int
}

// add counts what is new in a snapshot, and forgets containers that are no more.
func (c counts) add(s monitor.Snapshot) {
	there := map[string]bool{}
	for _, r := range s.Services {
		if r.ID == "" || r.State == monitor.StateGone {
			continue
		}
		there[r.ID] = true
		if c[r.ID] == nil {
			c[r.ID] = new(count)
		}
		c[r.ID].add(r)
	}
	for id := range c {
		if !there[id] {
			delete(c, id)
		}
	}
}

// add counts a health check and an answer once, by when they ended. OOM kills and restarts are what was ever said of
// the container: the engine forgets old events.
func (c *count) add(r monitor.Replica) {
	if r.Checked.After(c.checked) {
		c.checked = r.Checked
		c.checks.add(r.ResponseMS / 1000)
	}
	if r.Answer.At.After(c.answered) {
		c.answered = r.Answer.At
		if r.Answer.Error == "" {
			c.answers.add(r.Answer.MS / 1000)
		} else {
			c.unanswered++
		}
	}
	c.oomKills = max(c.oomKills, r.OOMKills, int(r.Counters.OOMKills))
	c.restarts = max(c.restarts, r.Restarts)
}

// bounds are the upper ones of the buckets, in seconds: a health check starts a process, an answer of a service on
// the same machine takes milliseconds.
var bounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// durations are how often which was seen.
type durations struct {
	buckets [len(bounds)]uint64 // those of at most its bound and of more than the one before
	count   uint64
	sum     float64 // seconds
}

func (d *durations) add(seconds float64) {
	d.count++
	d.sum += seconds
	for i, bound := range bounds {
		if seconds <= bound {
			d.buckets[i]++
			return
		}
	}
}

// histogram gives a copy, with buckets that each hold the ones before, as Prometheus has them.
func (d *durations) histogram() *dto.Histogram {
	count, sum := d.count, d.sum
	h := &dto.Histogram{SampleCount: &count, SampleSum: &sum}
	below := uint64(0)
	for i, bound := range bounds {
		below += d.buckets[i]
		upTo := below
		h.Bucket = append(h.Bucket, &dto.Bucket{CumulativeCount: &upTo, UpperBound: &bound})
	}
	return h
}
