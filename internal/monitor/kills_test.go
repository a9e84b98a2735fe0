package monitor

import (
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
	for name, c := range map[string]struct {
		got  kills
		want int
	}{
		"none":                            {kills{}.seen(first, 0).heard(nil), 0},
		"children, one event for three":   {kills{}.seen(first, 3).heard(in(first, 1)), 3},
		"the counter grows":               {kills{}.seen(first, 3).seen(first, 4), 4},
		"a counter that can't be read":    {kills{}.seen(first, 3).seen(first, 0), 3},
		"events, no counter":              {kills{}.seen(first, 0).heard(in(first, 2)), 2},
		"before the restart, by events":   {kills{}.seen(second, 1).heard(append(in(first, 2), in(second, 1)...)), 3},
		"before the restart, as kept":     {kills{Started: first, Past: 1, Current: 2}.seen(second, 1), 4},
		"before the restart, by both":     {kills{Started: first, Current: 2}.seen(second, 1).heard(in(first, 2)), 3},
		"kept, and then killed once more": {kills{Started: first, Current: 2}.seen(second, 0).heard(in(first, 3)), 3},
	} {
		if got := c.got.total(); got != c.want {
			t.Errorf("%s: %+v, want %d", name, c.got, c.want)
		}
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
