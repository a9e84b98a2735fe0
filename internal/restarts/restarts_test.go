package restarts

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// times are so many minutes before noon.
func times(minutes ...int) (out []time.Time) {
	for _, m := range minutes {
		out = append(out, noon.Add(-time.Duration(m)*time.Minute))
	}
	return out
}

func TestWhenAServiceMayBeRestartedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		past  []time.Time
		in    time.Duration // from noon on; below 0 for at once
		spent bool
	}{
		"never before":             {nil, -1, false},
		"once, just now":           {times(0), time.Minute, false},
		"once, a while ago":        {times(2), -time.Minute, false},
		"twice":                    {times(10, 0), 5 * time.Minute, false},
		"twice, the last ago":      {times(30, 10), -5 * time.Minute, false},
		"three times":              {times(50, 40, 30), 10 * time.Minute, true},
		"more often, by some bug":  {times(50, 40, 30, 20), 20 * time.Minute, true},
		"three times, the first 1": {times(59, 2, 1), time.Minute, true},
	} {
		at, spent := Hourly.Next(c.past)
		if spent != c.spent || c.in >= 0 && !at.Equal(noon.Add(c.in)) || c.in < 0 && at.After(noon) {
			t.Errorf("%s: at %s, spent %t", name, at, spent)
		}
	}
}

func TestWhatCounts(t *testing.T) {
	got := Hourly.Recent(times(90, 10, 61, 60, 59, -5), noon)
	if want := append(times(59, 10), noon); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// However often somebody asks, in any hour there are three restarts at most.
func TestNoHourHasMoreThanThree(t *testing.T) {
	var past, all []time.Time
	for now := noon; now.Before(noon.Add(6 * time.Hour)); now = now.Add(2 * time.Second) {
		past = Hourly.Recent(past, now)
		if at, spent := Hourly.Next(past); !spent && !now.Before(at) {
			past, all = append(past, now), append(all, now)
		}
	}
	for i, at := range all {
		if i >= 3 && at.Sub(all[i-3]) < time.Hour {
			t.Errorf("four between %s and %s", all[i-3], at)
		}
	}
	if len(all) < 15 || len(all) > 18 {
		t.Errorf("%d restarts in six hours", len(all))
	}
}

func TestTheRecordIsKept(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	r, err := Read("shop")
	if err != nil || len(r.Services) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	r.Services["web"] = Service{Restarts: times(30, 20, 10), LeftAlone: true}
	r.Services["db"] = Service{Restarts: times(30, 20, 10)} // it got healthy
	r.Services["api"] = Service{Restarts: times(90, 20, 10), LeftAlone: true}
	if err := r.Write("shop"); err != nil {
		t.Fatal(err)
	}
	again, err := Read("shop")
	if err != nil || len(again.Services) != 3 || !slices.Equal(again.Services["web"].Restarts, times(30, 20, 10)) {
		t.Errorf("%+v, %v", again, err)
	}
	found := Findings("shop", noon)
	if len(found) != 1 || found[0].ID != "heal.spent" || !slices.Equal(found[0].Subjects, []string{"web"}) ||
		!strings.Contains(found[0].Evidence, "restarted 3 times within an hour") {
		t.Errorf("%+v", found)
	}
	if found := Findings("shop", noon.Add(31*time.Minute)); len(found) != 0 {
		t.Errorf("later %+v", found)
	}
	if found := Findings("other", noon); len(found) != 0 {
		t.Errorf("of another project %+v", found)
	}
}
