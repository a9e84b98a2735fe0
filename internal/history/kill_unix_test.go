//go:build unix

package history

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// recorderVariable names the directory in which this test's program records, instead of testing.
const recorderVariable = "HISTORY_RECORDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(recorderVariable); dir != "" {
		if err := recordOn(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// recordOn records without end, a second each time, from where the history ends, and says how far it is. Its clock runs
// as fast as it can.
func recordOn(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	for _, n := range s.Notes() {
		fmt.Println("note", n)
	}
	_, last, err := s.Span()
	if err != nil {
		return err
	}
	second := 0
	if !last.IsZero() {
		second = int(last.Sub(epoch).Seconds()) + int(fineStep.Seconds())
	}
	for ; ; second++ {
		var values []Value
		for n := range 6 {
			values = append(values, Value{"a", fmt.Sprint("metric_", n), float64(second)})
		}
		if err := s.Add(epoch.Add(time.Duration(second)*time.Second), values); err != nil {
			return err
		}
		fmt.Println("at", second)
	}
}

// TestKilledAtRandomMoments kills a process that records, again and again: while it appends, closes a log, rolls up and
// removes. HISTORY_KILLS is how often; 50 is the long form.
func TestKilledAtRandomMoments(t *testing.T) {
	kills := number(t, "HISTORY_KILLS", 6)
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	end, mostLost := 0, 0
	for range kills {
		reached := recordAndKill(t, dir, time.Duration(random.IntN(1500))*time.Millisecond)
		reader, _ := ReadOnly(dir)
		got, err := reader.Query("a", "metric_3", epoch, epoch.Add(300*24*time.Hour), fineStep)
		if notes := reader.Notes(); err != nil || len(notes) > 0 {
			t.Fatalf("%v, notes %q", err, notes)
		}
		if len(got) == 0 && reached <= 60 { // killed before its first minute was written
			continue
		}
		if len(got) == 0 {
			t.Fatalf("nothing is left of %d seconds", reached)
		}
		end = int(got[len(got)-1].Time.Sub(epoch).Seconds()) + int(fineStep.Seconds()) - 1
		mostLost = max(mostLost, reached-end)
		if reached-end > 60 {
			t.Fatalf("recorded up to second %d, and read up to %d", reached, end)
		}
		checkWhole(t, dir, end)
	}
	t.Logf("%d kills in %s of history, at most %d s lost, files: %s", kills, time.Duration(end)*time.Second, mostLost,
		names(t, dir))
}

// recordAndKill gives the last second that the process said it had recorded.
func recordAndKill(t *testing.T, dir string, after time.Duration) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), recorderVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	reached := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		if word != "at" {
			t.Errorf("the process says %q", lines.Text())
			continue
		}
		if n, err := strconv.Atoi(rest); err == nil {
			reached = n
		}
	}
	_ = cmd.Wait()
	return reached
}

// checkWhole looks for gaps: a kill may leave one of a minute where it came, and what is there is right.
func checkWhole(t *testing.T, dir string, end int) {
	t.Helper()
	reader, _ := ReadOnly(dir)
	from := max(0, end-int(Kept.Seconds())+3600)
	got, err := reader.Query("a", "metric_5", epoch.Add(time.Duration(from)*time.Second),
		epoch.Add(time.Duration(end)*time.Second), coarseStep)
	if err != nil {
		t.Fatal(err)
	}
	last := from
	for _, p := range got {
		second := p.Time.Sub(epoch).Seconds()
		if int(second) > last+2*int(coarseStep.Seconds()) {
			t.Fatalf("nothing between the seconds %d and %.0f", last, second)
		}
		if p.Min < second*0.998-1 || p.Max > (second+coarseStep.Seconds())*1.002 {
			t.Fatalf("at second %.0f is %g to %g", second, p.Min, p.Max)
		}
		last = int(second)
	}
}
