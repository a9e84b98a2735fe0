package monitor

import (
	"slices"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/state"
)

func TestKills(t *testing.T) {
	first, second := noon, noon.Add(time.Hour)
	in := func(start time.Time, n int) []time.Time {
		var at []time.Time
		for i := range n {
			at = append(at, start.Add(time.Duration(i+1)*time.Minute))
		}
		return at
	}
	kept, twice := kills{Started: first, Current: 2}, merged(nil, bursts(first, 2, 40), first)
	for name, c := range map[string]struct {
		got  kills
		want int
	}{
		"none":                          {kills{}.seen(first, 0).heard(nil, false), 0},
		"children, one event for three": {kills{}.seen(first, 3).heard(in(first, 1), false), 3},
		"the counter grows":             {kills{}.seen(first, 3).seen(first, 4), 4},
		"a counter that can't be read":  {kills{}.seen(first, 3).seen(first, 0), 3},
		"events, no counter":            {kills{}.seen(first, 0).heard(in(first, 2), false), 2},
		"before the restart, by events": {
			kills{}.seen(second, 1).heard(slices.Concat(in(first, 2), in(second, 1)), false), 3,
		},
		"before the restart, as kept":     {kills{Started: first, Past: 1, Current: 2}.seen(second, 1), 4},
		"before the restart, by both":     {kept.seen(second, 1).heard(in(first, 2), false), 3},
		"a burst of events for each":      {kills{}.seen(first, 0).heard(twice, false), 2},
		"a burst, and a counter":          {kills{}.seen(first, 2).heard(in(first, 9), true), 2},
		"a burst before the restart":      {kills{}.seen(second, 1).heard(twice, true), 3},
		"kept, and then killed once more": {kept.seen(second, 0).heard(in(first, 3), false), 3},
	} {
		if got := c.got.total(); got != c.want {
			t.Errorf("%s: %+v, want %d", name, c.got, c.want)
		}
	}
}

// bursts are n kills of a run, each with so many events.
func bursts(start time.Time, n, events int) []time.Time {
	var at []time.Time
	for i := range n {
		for j := range events {
			at = append(at, start.Add(time.Duration(i+1)*time.Second+time.Duration(j)*time.Millisecond))
		}
	}
	return at
}

func TestBurstsOfTwoRunsAreTwoKills(t *testing.T) {
	at := []time.Time{noon, noon.Add(10 * time.Millisecond), noon.Add(120 * time.Millisecond)}
	if got := merged(nil, at, noon.Add(100*time.Millisecond)); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	if got := merged(nil, at, noon.Add(-time.Minute)); len(got) != 1 {
		t.Errorf("of one run: %v", got)
	}
}

func killed(id string, flag bool) *row {
	return &row{Replica: Replica{
		ID: id, Started: noon,
		seen: &container.Replica{InspectResponse: moby.InspectResponse{State: &moby.State{OOMKilled: flag}}},
	}}
}

func TestKillsAreKeptFromRunToRun(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	r := killed("a", false)
	r.Counters.OOMKills = 2
	r.count()
	flagged := killed("b", true)
	flagged.count()
	if r.OOMKills != 2 || flagged.OOMKills != 1 {
		t.Errorf("%d and %d kills", r.OOMKills, flagged.OOMKills)
	}
	keepKills("p", readKills("p"), []*row{r, flagged})

	later := killed("a", false)
	later.kills = readKills("p")["a"]
	later.Started = noon.Add(time.Minute) // restarted: the kernel's counter begins again
	later.count(noon.Add(2 * time.Minute))
	if later.OOMKills != 3 {
		t.Errorf("%+v", later.kills)
	}
	keepKills("p", readKills("p"), []*row{killed("c", false)})
	if got := readKills("p"); len(got) != 0 {
		t.Errorf("of containers that are gone: %+v", got)
	}
}

func TestEventsOfACrashLoopAreBounded(t *testing.T) {
	r := killed("a", false)
	for i := range 3 * mostHeard {
		r.Started = noon.Add(time.Duration(i) * time.Second)
		r.count(r.Started.Add(time.Millisecond))
	}
	if r.OOMKills != 3*mostHeard || len(r.heard) != mostHeard {
		t.Errorf("%d kills, %d kept in mind", r.OOMKills, len(r.heard))
	}
}
