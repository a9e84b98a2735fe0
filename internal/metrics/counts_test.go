package metrics

import (
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/monitor"
)

// row gives a snapshot of one container.
func row(r monitor.Replica) monitor.Snapshot {
	return monitor.Snapshot{Time: noon, Project: "shop", Services: []monitor.Replica{r}}
}

func TestChecksAreCountedOnce(t *testing.T) {
	c, r := counts{}, monitor.Replica{ID: "a", State: "running"}
	c.add(row(r)) // no check ran yet
	for i, step := range []struct {
		at   time.Duration
		ms   float64
		want uint64
	}{{1, 20, 1}, {1, 20, 1}, {2, 30, 2}, {2, 30, 2}, {1, 99, 2}, {3, 60_000, 3}} {
		r.Checked, r.ResponseMS = noon.Add(step.at*time.Second), step.ms
		c.add(row(r))
		if got := c["a"].checks.count; got != step.want {
			t.Errorf("step %d: %d checks, want %d", i, got, step.want)
		}
	}
	h := c["a"].checks.histogram()
	if h.GetSampleCount() != 3 || h.GetSampleSum() != 60.05 {
		t.Errorf("got %v", h)
	}
	below := map[float64]uint64{}
	for _, b := range h.GetBucket() {
		below[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	if below[0.01] != 0 || below[0.025] != 1 || below[0.05] != 2 || below[10] != 2 {
		t.Errorf("buckets %v", below)
	}
}

func TestAnswers(t *testing.T) {
	c, r := counts{}, monitor.Replica{ID: "a", State: "running"}
	r.Answer = monitor.Answer{At: noon, MS: 3}
	c.add(row(r))
	c.add(row(r))
	r.Answer = monitor.Answer{At: noon.Add(time.Second), Error: "refused"}
	c.add(row(r))
	if got := c["a"]; got.answers.count != 1 || got.answers.sum != 0.003 || got.unanswered != 1 {
		t.Errorf("got %+v", got)
	}
}

// The engine forgets its events, and then says less than before.
func TestCountersDoNotGoBack(t *testing.T) {
	c := counts{}
	c.add(row(monitor.Replica{ID: "a", State: "running", OOMKills: 3, Restarts: 5}))
	c.add(row(monitor.Replica{ID: "a", State: "exited", OOMKills: 1, Restarts: 0}))
	if got := c["a"]; got.oomKills != 3 || got.restarts != 5 {
		t.Errorf("got %+v", got)
	}
	c.add(row(monitor.Replica{ID: "b", State: "running", OOMKills: 1})) // in the place of a
	if c["a"] != nil || c["b"].oomKills != 1 {
		t.Errorf("got %v", c)
	}
	c.add(row(monitor.Replica{ID: "b", State: monitor.StateGone}))
	if len(c) != 0 {
		t.Errorf("what is gone is kept: %v", c)
	}
}

// BenchmarkScrape is of 50 containers.
func BenchmarkScrape(b *testing.B) {
	s := full()
	redis := s.Services[0]
	for i := range 49 {
		r := redis
		r.ID = string(rune('A'+i)) + r.ID[1:]
		s.Services = append(s.Services, r)
	}
	e := New(fixed(s), time.Second)
	e.fresh = 1 << 62
	e.counted.add(s)
	for b.Loop() {
		scrape(b, e, "")
	}
}
