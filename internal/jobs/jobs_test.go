package jobs

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.Local)

func TestDueAndNext(t *testing.T) {
	for _, c := range []struct{ at, now, due, next string }{
		{"03:30", "2026-11-27 12:00", "2026-11-27 03:30", "2026-11-28 03:30"},
		{"03:30", "2026-11-27 03:30", "2026-11-27 03:30", "2026-11-28 03:30"},
		{"03:30", "2026-11-27 03:29", "2026-11-26 03:30", "2026-11-27 03:30"},
		{"23:59", "2026-01-01 00:00", "2025-12-31 23:59", "2026-01-01 23:59"},
		{"00:00", "2026-03-01 00:00", "2026-03-01 00:00", "2026-03-02 00:00"},
	} {
		now, _ := time.ParseInLocation("2006-01-02 15:04", c.now, time.Local)
		if got := day(due(c.at, now)); got != c.due {
			t.Errorf("%s at %s: due %s, want %s", c.at, c.now, got, c.due)
		}
		if got := day(next(c.at, now)); got != c.next {
			t.Errorf("%s at %s: next %s, want %s", c.at, c.now, got, c.next)
		}
	}
	for _, bad := range []string{"", "3:30", "24:00", "03:60", "03:30:00", "noon", "-1:00"} {
		if CheckTime(bad) == nil {
			t.Errorf("%q is taken for a time of day", bad)
		}
	}
}

func TestWrong(t *testing.T) {
	weeksAgo := noon.Add(-14 * 24 * time.Hour)
	daily := Installed{Job: "cleanup", At: "03:30", Since: weeksAgo}
	always := Installed{Job: "monitor", Since: weeksAgo}
	at := func(hours float64) time.Time { return noon.Add(-time.Duration(hours * float64(time.Hour))) }
	ended := func(hours float64, code int, words string) Run {
		return Run{Started: at(hours), Ended: at(hours).Add(time.Minute), ExitCode: code, Words: words}
	}
	for name, c := range map[string]struct {
		is           Installed
		run          Run
		ran, running bool
		now          time.Time
		want, id     string
	}{
		"in time":          {daily, ended(8.5, 0, "freed 3B"), true, false, noon, "", ""},
		"a little late":    {daily, ended(8, 0, ""), true, false, noon, "", ""},
		"failed":           {daily, ended(8.5, 4, "no engine"), true, false, noon, "exit code 4: no engine", "failed"},
		"stopped":          {daily, ended(8.5, 130, "x"), true, false, noon, "was stopped", "failed"},
		"killed":           {daily, Run{Started: at(8.5)}, true, false, noon, "was killed", "failed"},
		"at work":          {daily, Run{Started: at(8.5)}, true, true, noon, "", ""},
		"not due yet":      {daily, ended(32.5, 0, ""), true, false, at(8.4), "", ""},
		"missed today":     {daily, ended(32.5, 0, ""), true, false, noon, "due 2026-11-27 03:30, and ran", "missed"},
		"missed, and once": {daily, ended(320, 1, "x"), true, false, noon, "was due 2026-11-27", "missed"},
		"never ran":        {daily, Run{}, false, false, noon, "has never run", "missed"},
		"new": {
			Installed{Job: "cleanup", At: "03:30", Since: at(2)}, Run{}, false, false, noon, "", "",
		},
		"tried by hand since": {daily, ended(1, 0, ""), true, false, noon, "", ""},
		"always, at work":     {always, Run{Started: at(50)}, true, true, noon, "", ""},
		"always, down":        {always, ended(5, 1, "in use"), true, false, noon, "not run: it ended", "failed"},
		"always, killed":      {always, Run{Started: at(5)}, true, false, noon, "not run: it was killed", "failed"},
		"always, never":       {always, Run{}, false, false, noon, "has not been started", "missed"},
		"always, restarting":  {always, ended(0.1, 1, ""), true, false, noon, "", ""},
		"always, new":         {Installed{Job: "monitor", Since: at(0.1)}, Run{}, false, false, noon, "", ""},
	} {
		text, id := wrong(c.is, c.run, c.ran, c.running, c.now)
		if (text == "") != (c.want == "") || !strings.Contains(text, c.want) || (id != "") != (c.id != "") ||
			!strings.HasSuffix(id, c.id) {
			t.Errorf("%s: %q (%s), want %q (%s)", name, text, id, c.want, c.id)
		}
	}
}

// TestFindingsAreOfThisCheckout: a job of another folder of the same project is no finding here.
func TestFindingsAreOfThisCheckout(t *testing.T) {
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
	here, there := t.TempDir(), t.TempDir()
	p, err := PlaceOf(All[0], "shop", there)
	if err != nil {
		t.Fatal(err)
	}
	is := Installed{
		Job: p.Job.Name, Project: "shop", Folder: there, At: "03:30", By: ByCron, Since: noon.AddDate(0, 0, -9),
	}
	if err := keep(p.installedFile(), is); err != nil {
		t.Fatal(err)
	}
	if all := Findings("shop", here, noon); len(all) != 0 {
		t.Errorf("of another checkout: %+v", all)
	}
	all := Findings("shop", there, noon)
	if len(all) != 1 || all[0].ID != "schedule.missed" || all[0].Severity != finding.Warning || all[0].Remedy == "" {
		t.Fatalf("got %+v", all)
	}
	if err := keep(p.runFile(), "not a run"); err != nil { // damaged
		t.Fatal(err)
	}
	if all := Findings("shop", there, noon); len(all) != 1 {
		t.Errorf("with a damaged record: %+v", all)
	}
}

func TestWhoWatchesReadsTheRecordsNowAndThen(t *testing.T) {
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
	folder := t.TempDir()
	p, err := PlaceOf(All[0], "shop", folder)
	if err != nil {
		t.Fatal(err)
	}
	is := Installed{
		Job: p.Job.Name, Project: "shop", Folder: folder, At: "03:30", By: ByCron, Since: noon.AddDate(0, 0, -9),
	}
	if err := keep(p.installedFile(), is); err != nil {
		t.Fatal(err)
	}
	var w Watched
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {readEvery / 2, 1}, {readEvery, 0}, {-time.Hour, 0}} {
		if got := w.Findings("shop", folder, noon.Add(c.after)); len(got) != c.want {
			t.Errorf("after %s: %+v", c.after, got)
		}
		if err := os.RemoveAll(p.Dir); err != nil { // schedule -remove
			t.Fatal(err)
		}
	}
}
