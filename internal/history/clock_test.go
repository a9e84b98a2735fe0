package history

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestClocks records through clocks that are set, and says how much is there of the time that is asked for.
func TestClocks(t *testing.T) {
	const day = 24 * time.Hour
	type stretch struct{ from, to time.Duration } // recorded each minute
	for name, c := range map[string]struct {
		stretches []stretch
		from, to  time.Duration
		want      int // points of a minute
	}{
		"even": {
			[]stretch{{0, 3 * time.Hour}},
			0, 3 * time.Hour, 180,
		},
		"back by an hour, as by hand": {
			[]stretch{{0, 2 * time.Hour}, {time.Hour, 3 * time.Hour}},
			0, day, 180,
		},
		"back by a second": {
			[]stretch{{0, time.Hour}, {time.Hour - time.Second, 2 * time.Hour}},
			0, day, 120,
		},
		"the same time twice": {
			[]stretch{{0, time.Minute}, {0, time.Minute}, {0, time.Minute}},
			0, day, 1,
		},
		"forward by an hour": {
			[]stretch{{0, time.Hour}, {2 * time.Hour, 3 * time.Hour}},
			0, day, 120,
		},
		"a year ahead for a while": {
			[]stretch{{0, time.Hour}, {365 * day, 365*day + 30*time.Minute}, {time.Hour, 2 * time.Hour}},
			0, day, 120,
		},
		"a year ahead, for good": {
			[]stretch{{0, time.Hour}, {365 * day, 365*day + 3*time.Hour}},
			0, day, 0,
		},
		"a year back for a while": {
			[]stretch{{0, time.Hour}, {-365 * day, -365*day + 30*time.Minute}, {time.Hour, 2 * time.Hour}},
			0, day, 120,
		},
		"what was ahead is not kept": {
			[]stretch{{365 * day, 365*day + time.Hour}, {0, 3 * time.Hour}},
			360 * day, 370 * day, 0,
		},
		"a pause of a day and a half": {
			[]stretch{{0, time.Hour}, {36 * time.Hour, 40 * time.Hour}},
			0, time.Hour, 60,
		},
		"a pause of eight days": {
			[]stretch{{0, time.Hour}, {8 * day, 8*day + 3*time.Hour}},
			0, day, 0,
		},
		"runs of ten minutes, once a day": {
			[]stretch{{0, 10 * time.Minute}, {day, day + 10*time.Minute}},
			0, 2 * day, 20,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, again := range []bool{false, true} { // by one process, or another for each stretch
				dir := memoryDir(t)
				s := open(t, dir)
				for _, part := range c.stretches {
					if again {
						if err := s.Close(); err != nil {
							t.Fatal(err)
						}
						s = open(t, dir)
					}
					record(t, s, part.from, part.to, time.Minute)
				}
				if err := errorsOf(s.Close(), s.Notes()); err != nil {
					t.Error(err)
				}
				reader, _ := ReadOnly(dir)
				got, err := reader.Query("a", CPUPercent, epoch.Add(c.from), epoch.Add(c.to), time.Minute)
				if err != nil || len(got) != c.want {
					t.Errorf("another process each time: %t: %d points, %v, of %s", again, len(got), err, names(t, dir))
				}
				for i, p := range got[min(1, len(got)):] {
					if !p.Time.After(got[i].Time) {
						t.Fatalf("%s comes after %s", p.Time, got[i].Time)
					}
				}
			}
		})
	}
}

// TestTheRepeatedHourOfAutumn has a zone in which the clock on the wall shows an hour twice.
func TestTheRepeatedHourOfAutumn(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Skip(err)
	}
	s := open(t, memoryDir(t))
	for i := range 3 * 60 {
		at := epoch.Add(time.Duration(i-90) * time.Minute).In(zone)
		if err := s.Add(at, []Value{{"a", CPUPercent, 1}}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Query("a", CPUPercent, epoch.Add(-2*time.Hour).In(zone), epoch.Add(2*time.Hour).In(zone), time.Minute)
	if err != nil || len(got) != 180 {
		t.Errorf("%d points: %v", len(got), err)
	}
}

func TestServicesComeAndGoAndNamesAreBounded(t *testing.T) {
	dir := memoryDir(t)
	s := open(t, dir)
	for i := range 4 * 60 {
		values := []Value{{strings.Repeat("x", mostName+1), CPUPercent, 1}, {"x", strings.Repeat("y", mostName+1), 1}}
		values = append(values, Value{fmt.Sprintf("run-%d", i/60), "of_run", float64(i)})
		if err := s.Add(epoch.Add(time.Duration(i)*time.Minute), values); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	all, err := s.Series(epoch, epoch.Add(24*time.Hour))
	if want := "[{run-0 of_run} {run-1 of_run} {run-2 of_run} {run-3 of_run}]"; err != nil || fmt.Sprint(all) != want {
		t.Errorf("%v: %v", all, err)
	}
	all, err = s.Series(epoch.Add(2*time.Hour), epoch.Add(150*time.Minute))
	if err != nil || fmt.Sprint(all) != "[{run-2 of_run}]" {
		t.Errorf("%v: %v", all, err)
	}
}

// TestManySeriesAreNotTooMany has more series than a file may, with names as long as they may be.
func TestManySeriesAreNotTooMany(t *testing.T) {
	dir := memoryDir(t)
	s := open(t, dir)
	for i := range 5 {
		var values []Value
		for n := range mostSeries + 100 {
			values = append(values,
				Value{strings.Repeat("s", mostName), fmt.Sprintf("%0*d", mostName, n), float64(n * i)})
		}
		if err := s.Add(epoch.Add(time.Duration(i)*20*time.Minute), values); err != nil {
			t.Fatal(err)
		}
	}
	if err := errorsOf(s.Close(), s.Notes()); err != nil {
		t.Fatal(err)
	}
	reader, _ := ReadOnly(dir)
	if all, err := reader.Series(epoch, epoch.Add(24*time.Hour)); err != nil || len(all) != mostSeries {
		t.Errorf("%d series: %v", len(all), err)
	}
	if got := names(t, dir); got != "00000001.fine 00000002.log" {
		t.Errorf("files: %s", got)
	}
}

// TestAnotherReadsWhileOneWrites has a reader that asks without end while a day is recorded, closed and rolled up: what
// it has seen once it always sees.
func TestAnotherReadsWhileOneWrites(t *testing.T) {
	dir := memoryDir(t)
	s := open(t, dir)
	reader, _ := ReadOnly(dir)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 36 * 60 {
			at := epoch.Add(time.Duration(i) * time.Minute)
			if err := s.Add(at, []Value{{"a", CPUPercent, float64(i)}}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	most := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := reader.Query("a", CPUPercent, epoch, epoch.Add(48*time.Hour), 5*time.Minute)
		if err != nil || len(got) < most {
			t.Fatalf("%d points after %d: %v", len(got), most, err)
		}
		most = len(got)
	}
	if notes := reader.Notes(); most != 36*12 || len(notes) > 0 {
		t.Errorf("%d points, notes %q", most, notes)
	}
}

func TestAHistoryThatIsRemovedMeanwhileBeginsAnew(t *testing.T) {
	dir := memoryDir(t) + "/history"
	s := open(t, dir)
	record(t, s, 0, 30*time.Minute, time.Minute)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	record(t, s, 30*time.Minute, 3*time.Hour, time.Minute)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reader, _ := ReadOnly(dir)
	got, err := reader.Query("a", CPUPercent, epoch, epoch.Add(24*time.Hour), time.Minute)
	if err != nil || len(got) < 119 {
		t.Errorf("%d points: %v", len(got), err)
	}
}

func BenchmarkADayOfOneSeries(b *testing.B) {
	dir := memoryDir(b)
	s := open(b, dir)
	loads := make([]*load, 6)
	for i := range loads {
		loads[i] = newLoad(i)
	}
	for second := 0; second < 30*3600; second += 5 {
		var values []Value
		for _, l := range loads {
			values = append(values, l.values(second)...)
		}
		if err := s.Add(epoch.Add(time.Duration(second)*time.Second), values); err != nil {
			b.Fatal(err)
		}
	}
	end := epoch.Add(30 * time.Hour)
	for _, step := range []time.Duration{0, 5 * time.Minute} {
		b.Run(step.String(), func(b *testing.B) {
			for b.Loop() {
				got, err := s.Query("service-3", CPUPercent, end.Add(-24*time.Hour), end, step)
				if err != nil || len(got) < 280 {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
