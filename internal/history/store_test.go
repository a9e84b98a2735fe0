package history

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// epoch is a time in summer, in the hour that is there twice where clocks are set back in autumn.
var epoch = time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)

// printed gives points as "0s 1/2/3", each with its time since the epoch.
func printed(points []Point) string {
	var out []string
	for _, p := range points {
		text := fmt.Sprintf("%s %.4g", p.Time.Sub(epoch), p.Mean)
		if p.Min != p.Mean || p.Max != p.Mean {
			text = fmt.Sprintf("%s %.4g/%.4g/%.4g", p.Time.Sub(epoch), p.Min, p.Mean, p.Max)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func query(t *testing.T, s *Store, service, metric string, from, to, step time.Duration) string {
	t.Helper()
	got, err := s.Query(service, metric, epoch.Add(from), epoch.Add(to), step)
	if err != nil {
		t.Fatal(err)
	}
	return printed(got)
}

func TestRecentMeasurements(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, values := range [][]Value{
		{{"a", CPUPercent, 1}, {"a", Restarts, math.NaN()}},
		{{"a", CPUPercent, 2}, {"b", CPUPercent, 7}},
		{{"a", CPUPercent, math.Inf(1)}},
		{{"a", CPUPercent, 6}, {"a", "added_later", 9}, {"b", CPUPercent, 8}},
	} {
		if err := s.Add(epoch.Add(time.Duration(i)*2*time.Second), values); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		service, metric string
		from, to, step  time.Duration
		want            string
	}{
		{"a", CPUPercent, 0, time.Minute, 0, "0s 1, 2s 2, 6s 6"},
		{"a", CPUPercent, 0, time.Minute, 4 * time.Second, "0s 1/1.5/2, 4s 6"},
		{"a", CPUPercent, 0, time.Minute, time.Minute, "0s 1/3/6"},
		{"a", CPUPercent, 2 * time.Second, 6 * time.Second, 0, "2s 2"},
		{"b", CPUPercent, 0, time.Minute, 0, "2s 7, 6s 8"},
		{"a", "added_later", 0, time.Minute, 0, "6s 9"},
		{"a", Restarts, 0, time.Minute, 0, ""},
		{"c", CPUPercent, 0, time.Minute, 0, ""},
		{"a", CPUPercent, time.Minute, 0, 0, ""},
	} {
		if got := query(t, s, c.service, c.metric, c.from, c.to, c.step); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
	got, err := s.Series(epoch, epoch.Add(time.Minute))
	if want := "[{a added_later} {a cpu_percent} {b cpu_percent}]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("series %v %v", got, err)
	}
}

func TestAHistoryHasOneWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	first, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrTaken) {
		t.Fatalf("a second one: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheRingKeepsAnHour(t *testing.T) {
	var r ring
	for i := range 3 * 1800 {
		service := "always"
		values := []Value{{service, CPUPercent, float64(i)}}
		if i < 100 {
			values = append(values, Value{"gone", CPUPercent, 1})
		}
		r.add(epoch.Add(time.Duration(i)*2*time.Second), values)
	}
	end := epoch.Add(3 * time.Hour)
	if got := r.samples(Series{"always", CPUPercent}, epoch, end); len(got) < 1799 || len(got) > 2100 ||
		got[len(got)-1].mean != 5399 {
		t.Errorf("%d samples", len(got))
	}
	if len(r.columns) != 1 {
		t.Errorf("a service that is gone for two hours has a column: %d", len(r.columns))
	}
	// The clock is set back by half an hour: what was later is not known any more.
	r.add(end.Add(-30*time.Minute), []Value{{"always", CPUPercent, 1}})
	if got := r.samples(Series{"always", CPUPercent}, epoch, end); got[len(got)-1].mean != 1 || len(got) > 1200 {
		t.Errorf("%d samples, the last %v", len(got), got[len(got)-1])
	}
}
