package records

import (
	"slices"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/snapshots"
)

// TestReadsAHistory has a history as a watcher writes it, and what is told of that.
func TestReadsAHistory(t *testing.T) {
	store, err := history.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	end := time.Now()
	const step = 30 * time.Second
	for at := end.Add(-70 * time.Minute); at.Before(end); at = at.Add(step) {
		since := at.Sub(end.Add(-70 * time.Minute))
		err := store.Add(at, []history.Value{
			{Service: "a", Metric: history.MemoryWorkingSet, V: 500*mib + since.Minutes()*6*mib},
			{Service: "a", Metric: history.UpSeconds, V: 7200 + since.Seconds()},
			{Service: "a", Metric: history.Healthy, V: 1},
			{Metric: history.DiskFree, V: 40*gib - since.Minutes()*0.1*gib},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		now  time.Time
		want []string
		live bool
	}{
		"while somebody records": {end, []string{"memory.filling", "disk.filling"}, true},
		"an hour later":          {end.Add(time.Hour), nil, false},
	} {
		l := recorded(t, held, func(l *past) { l.Now = c.now })
		if err := l.read(store); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range l.findings() {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, c.want) || l.recordedNow() != c.live || len(l.Needs) != 1 || len(l.Starts) == 0 {
			t.Errorf("%s: %s, somebody records: %v, needs %v", name, got, l.recordedNow(), l.Needs)
		}
	}
	empty, err := history.ReadOnly(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := recorded(t, held, func(*past) {})
	if err := l.read(empty); err != nil || len(l.Needs) > 0 || l.Hour[history.Series{Metric: history.DiskFree}] != nil {
		t.Errorf("an empty history: %v %v", err, l)
	}
}

// TestEdges has figures that are just at each bound.
func TestEdges(t *testing.T) {
	fires := func(all []check.Finding) bool { return len(all) > 0 }
	look := func(text string, change func(*past)) bool { return fires(recorded(t, text, change).findings()) }
	leak := grows(600*mib, 5*mib)
	mixed := func(l *past) { // two late starts of four
		starts(4, time.Minute, 2*time.Minute)(l)
		key := history.Series{Service: "a", Metric: history.Healthy}
		for i := range l.Starts[key] {
			if i < len(l.Starts[key])/2 {
				l.Starts[key][i].Min = 1
			}
		}
	}
	at := func(age time.Duration) func(*past) {
		return func(l *past) {
			hour("a", history.MemoryWorkingSet, leak)(l)
			l.Now = leak[len(leak)-1].Time.Add(age)
		}
	}
	for name, c := range map[string]struct{ got, want bool }{
		"an hour of a service without a limit": {
			look(free, needs(fit.Need{Recorded: 3600, WorkingP99: 3 * gib, WorkingMost: 3 * gib})), true,
		},
		"twenty minutes":           {look(held, hour("a", history.MemoryWorkingSet, leak[20:])), true},
		"figures of just now":      {look(held, at(fresh-time.Second)), true},
		"figures that are too old": {look(held, at(fresh)), false},
		"late in half":             {look(held, mixed), false},
		"ready at the last moment": {look(held, starts(3, time.Minute, startWithin)), true},
		"ready a moment too late":  {look(held, starts(3, time.Minute, startWithin+time.Second)), false},
		"20 MiB more":              {fires(grew("a", 100*mib, 120*mib)), true},
		"a tenth more":             {fires(grew("a", 200*mib, 220*mib)), true},
		"from nothing":             {fires(grew("a", 0, 100*mib)), false},
		"36 hours": {
			fires(backups(recorded(t, free, func(*past) {}).Project, nil,
				snapshots.Record{Last: now.Add(-backupEvery)}, now)), false,
		},
	} {
		if c.got != c.want {
			t.Errorf("%s: found: %v, want %v", name, c.got, c.want)
		}
	}
}
