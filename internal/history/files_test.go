package history

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// open opens a history that is closed at the end of the test.
func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// record adds figures of one service: each is the seconds since the epoch.
func record(t testing.TB, s *Store, from, to, every time.Duration) {
	t.Helper()
	for at := from; at < to; at += every {
		if err := s.Add(epoch.Add(at), []Value{{"a", CPUPercent, at.Seconds()}, {"b", Restarts, 1}}); err != nil {
			t.Fatal(err)
		}
	}
}

// names gives the files of a history, without its lock.
func names(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
		}
		if !strings.HasPrefix(e.Name(), "lock") {
			out = append(out, e.Name())
		}
	}
	return strings.Join(out, " ")
}

func TestWhatWasRecordedIsThereAfterwards(t *testing.T) {
	dir := memoryDir(t)
	s := open(t, dir)
	record(t, s, 0, 90*time.Second, 5*time.Second)
	reader, err := ReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	// On the disk is what is older than half a minute at most.
	want := "0s 0/5/10, 15s 15/20/25, 30s 30/35/40, 45s 45/50/55"
	if got := query(t, reader, "a", CPUPercent, 0, time.Hour, 0); got != want {
		t.Errorf("another process reads %s", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want += ", 1m0s 60/65/70, 1m15s 75/80/85"
	if got := query(t, reader, "a", CPUPercent, 0, time.Hour, 0); got != want {
		t.Errorf("after the end another process reads %s", got)
	}
	if err := reader.Add(epoch, nil); err == nil {
		t.Error("what is open to read can be written")
	}
	s = open(t, dir)
	record(t, s, 105*time.Second, 115*time.Second, 5*time.Second)
	if got := query(t, s, "a", CPUPercent, 45*time.Second, time.Hour, 0); got != "45s 45/50/55, 1m0s 60/65/70, "+
		"1m15s 75/80/85, 1m45s 105, 1m50s 110" {
		t.Errorf("the next process has %s", got)
	}
	if got := names(t, dir); got != "00000001.log" {
		t.Errorf("files: %s", got)
	}
	first, last, err := s.Span()
	if err != nil || !first.Equal(epoch) || !last.Equal(epoch.Add(110*time.Second)) {
		t.Errorf("from %s to %s: %v", first, last, err)
	}
	all, err := s.Series(epoch, epoch.Add(time.Hour))
	if err != nil || fmt.Sprint(all) != "[{a cpu_percent} {b restarts}]" {
		t.Errorf("series: %v %v", all, err)
	}
}

func TestTiers(t *testing.T) {
	dir := memoryDir(t)
	s := open(t, dir)
	const every = 15 * time.Second
	record(t, s, 0, 40*time.Hour, every)
	if got, want := strings.Fields(names(t, dir)), "00000001-00000006.coarse 00000007-00000012.coarse "+
		"00000013.fine"; strings.Join(got[:3], " ") != want || got[len(got)-1] != "00000040.log" {
		t.Errorf("files: %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	for _, c := range []struct {
		from, to, step time.Duration
		want           string
	}{
		{0, 10 * time.Minute, 0, "0s 0/142.5/285, 5m0s 300/442.5/585"},                            // coarse
		{30 * time.Hour, 30*time.Hour + 30*time.Second, 0, "30h0m0s 1.08e+05, 30h0m15s 1.08e+05"}, // fine
		// log
		{40*time.Hour - 30*time.Second, 41 * time.Hour, 0, "39h59m30s 1.439e+05, 39h59m45s 1.439e+05"},
		// all; the steps begin at multiples of 40 hours since 1970
		{
			0, 40 * time.Hour, 40 * time.Hour,
			"-24h30m0s 0/2.794e+04/5.581e+04, 15h30m0s 5.581e+04/9.989e+04/1.439e+05",
		},
	} {
		if got := query(t, s, "a", CPUPercent, c.from, c.to, c.step); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	// Nothing is lost or there twice on the way from tier to tier.
	got, err := s.Query("a", CPUPercent, epoch, epoch.Add(40*time.Hour), coarseStep)
	if err != nil || len(got) != 40*12 {
		t.Fatalf("%d points: %v", len(got), err)
	}
	for i, p := range got {
		if !p.Time.Equal(epoch.Add(time.Duration(i)*coarseStep)) || p.Mean < p.Time.Sub(epoch).Seconds()*0.99 ||
			p.Mean > (p.Time.Sub(epoch).Seconds()+300)*1.01 {
			t.Errorf("point %d: %s", i, printed(got[i:i+1]))
		}
	}
}

func TestSevenDaysAreKept(t *testing.T) {
	dir := memoryDir(t)
	s := open(t, dir)
	record(t, s, 0, 8*24*time.Hour, 5*time.Minute)
	first, last, err := s.Span()
	if kept := last.Sub(first); err != nil || kept < Kept || kept > Kept+8*time.Hour {
		t.Errorf("kept are %s: %v", kept, err)
	}
	if n := len(strings.Fields(names(t, dir))); n > 60 {
		t.Errorf("%d files", n)
	}
}

// TestTheEndOfALogMayBeTorn cuts a log at each of its bytes, as a kill or a power cut may: what is before stays
// readable, and recording goes on.
func TestTheEndOfALogMayBeTorn(t *testing.T) {
	from := memoryDir(t)
	s := open(t, from)
	record(t, s, 0, 3*time.Minute, 15*time.Second)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(from, "00000001.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tail := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00", mark, "noise"} {
		step := 9
		if tail == "" {
			step = 1
		}
		for size := 0; size <= len(data); size += step {
			dir := memoryDir(t)
			torn := append(slices.Clone(data[:size]), tail...)
			if err := os.WriteFile(filepath.Join(dir, "00000001.log"), torn, 0o600); err != nil {
				t.Fatal(err)
			}
			whole := len(parse(data[:size]).frames)
			reader, _ := ReadOnly(dir)
			got, err := reader.Query("a", CPUPercent, epoch, epoch.Add(time.Hour), 0)
			if err != nil || len(got) < whole {
				t.Fatalf("cut at %d: another process reads %d points: %v", size, len(got), err)
			}
			s, err := Open(dir)
			if err != nil {
				t.Fatalf("cut at %d: %v", size, err)
			}
			if now, _ := os.ReadFile(filepath.Join(dir, "00000001.log")); parse(now).whole != len(now) {
				t.Fatalf("cut at %d: %d bytes of %d are whole", size, parse(now).whole, len(now))
			}
			record(t, s, 4*time.Minute, 4*time.Minute+30*time.Second, 15*time.Second)
			if err := errorsOf(s.Close(), s.Notes()); err != nil {
				t.Fatalf("cut at %d: %v", size, err)
			}
			got, err = reader.Query("a", CPUPercent, epoch, epoch.Add(time.Hour), 0)
			if err != nil || len(got) < whole+2 {
				t.Fatalf("cut at %d: %d points afterwards: %v", size, len(got), err)
			}
			_ = os.RemoveAll(dir)
		}
	}
}

func errorsOf(err error, notes []string) error {
	if err == nil && len(notes) > 0 {
		return fmt.Errorf("notes: %q", notes)
	}
	return err
}

// TestDamagedFiles changes a bit in each of a history's bytes in turn. The history still opens, all that is not in the
// damaged part is read, and what was damaged is kept beside it.
func TestDamagedFiles(t *testing.T) {
	from := memoryDir(t)
	s := open(t, from)
	record(t, s, 0, 33*time.Hour, 5*time.Minute)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := s.Query("a", CPUPercent, epoch, epoch.Add(40*time.Hour), 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00000001-00000006.coarse", "00000008.fine", "00000033.log"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(data); i += 7 {
			dir := memoryDir(t)
			if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			damaged := slices.Clone(data)
			damaged[i] ^= 0x40
			if err := os.WriteFile(filepath.Join(dir, name), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir)
			if err != nil {
				t.Fatalf("%s, byte %d: %v", name, i, err)
			}
			got, err := s.Query("a", CPUPercent, epoch, epoch.Add(40*time.Hour), 5*time.Minute)
			if err != nil || len(got) < len(before)-6*12-1 {
				t.Fatalf("%s, byte %d: %d of %d points: %v", name, i, len(got), len(before), err)
			}
			notes := strings.Join(s.Notes(), "\n")
			_, err = os.Stat(filepath.Join(dir, name+aside))
			if noted, kept := strings.Contains(notes, name), err == nil; noted != kept ||
				!kept && !strings.HasSuffix(name, logTier) && !strings.Contains(notes, "version") {
				t.Fatalf("%s, byte %d: kept aside %t, notes %q", name, i, kept, notes)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			_ = os.RemoveAll(dir)
		}
	}
}

func TestWhatStandsInAFilesPlace(t *testing.T) {
	dir := memoryDir(t)
	s := open(t, dir)
	record(t, s, 0, 3*time.Hour, time.Minute)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := os.ReadFile(filepath.Join(dir, "00000003.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Remove(filepath.Join(dir, "00000001.fine")), os.Mkdir(filepath.Join(dir, "00000001.fine"), 0o700),
		os.WriteFile(filepath.Join(dir, "00000002.log"), third, 0o600), // a fine file of it is there, and counts
		os.WriteFile(filepath.Join(dir, "00000003.log"), []byte("cmhist9\n and what we do not know"), 0o600),
		os.Chtimes(filepath.Join(dir, "00000003.log"), epoch, epoch),
		os.WriteFile(filepath.Join(dir, "00000007.fine"+unfinished), []byte("half"), 0o600),
		os.WriteFile(filepath.Join(dir, "somebody's notes.txt"), []byte("keep"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir)
	if got := s.Notes(); len(got) != 2 || !strings.Contains(got[0], "is a directory") ||
		!strings.Contains(got[1], "another version") {
		t.Errorf("notes: %q", got)
	}
	record(t, s, 4*time.Hour, 5*time.Hour, time.Minute)
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	want := "00000001.fine.damaged 00000002.fine 00000003.log 00000004.log lock lock.pid somebody's notes.txt"
	if got := strings.Join(all, " "); got != want {
		t.Errorf("files: %s", got)
	}
	for from, want := range []int{0, 60, 0, 0, 60} { // of each hour
		begin := epoch.Add(time.Duration(from) * time.Hour)
		got, err := s.Query("a", CPUPercent, begin, begin.Add(time.Hour), time.Minute)
		if err != nil || len(got) < want-1 {
			t.Errorf("%d points of hour %d: %v", len(got), from, err)
		}
	}
}
