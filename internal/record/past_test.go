package record

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// TestPast records an hour of a service in which it is ill for a while, is restarted and has a process killed.
func TestPast(t *testing.T) {
	store, err := history.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for i := range 240 {
		web := running("web", float64(i%10), 64<<20)
		web.Expected, web.Verdict.Fine = true, i < 200 || i >= 210
		web.Restarts, web.OOMKills, web.ResponseMS = i/100, 2*(i/200), 7
		s := snapshot(i * 15)
		s.Services[0] = web
		if err := store.Add(s.Time, Values(s)); err != nil {
			t.Fatal(err)
		}
	}
	past, err := Look(store, "p", nil, noon, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	var b bytes.Buffer
	past.Print(ui.New(&b))
	golden.Check(t, "past.txt", b.String())
	for line := range strings.Lines(b.String()) {
		if n := len([]rune(line)); n > 81 {
			t.Errorf("%d columns: %s", n, line)
		}
	}

	_, err = Look(store, "p", []string{"other"}, noon, noon.Add(time.Hour))
	if f := (*fault.Error)(nil); !errors.As(err, &f) || !strings.Contains(f.Next, "monitor -serve") {
		t.Errorf("of what is not recorded: %v", err)
	}
}

func TestEvents(t *testing.T) {
	at := func(minutes int, v float64) history.Point {
		return history.Point{Time: noon.Add(time.Duration(minutes) * time.Minute), Min: v, Mean: v, Max: v}
	}
	grown := increases("a", Restarted, []history.Point{at(0, 5), at(1, 5), at(2, 7), at(3, 0), at(4, 1)})
	if len(grown) != 2 || grown[0].Count != 2 || grown[1].Count != 1 {
		t.Errorf("got %v", grown)
	}
	within := history.Point{Time: noon, Min: 1, Mean: 2, Max: 3}
	if grown := increases("a", Killed, []history.Point{within}); len(grown) != 1 || grown[0].Count != 2 {
		t.Errorf("within the first step: %v", grown)
	}
	got := ills("a", []history.Point{at(0, 1), at(1, 0), at(2, 0), at(3, 1), at(60, 0), at(120, 0), at(121, 1)})
	var spans []time.Duration
	for _, e := range got {
		spans = append(spans, e.Until.Sub(e.Time))
	}
	if want := []time.Duration{2 * time.Minute, 0, time.Minute}; !slices.Equal(spans, want) {
		t.Errorf("got %v, want %v: nobody knows of the hour between", spans, want)
	}
	if got := watched([]history.Point{at(0, 1), at(5, 1), at(60, 1), at(61, 1)}); got != 6*time.Minute {
		t.Errorf("watched for %s", got)
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	if quantile(hundred, 0.5) != 50 || quantile(hundred, 0.95) != 95 || quantile([]float64{7}, 0.95) != 7 {
		t.Errorf("got %v, %v", quantile(hundred, 0.5), quantile(hundred, 0.95))
	}
}
