package dashboard

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// TestEffects: what is to be done outside of the view, key by key.
func TestEffects(t *testing.T) {
	for name, c := range map[string]struct {
		before []tea.Msg
		keys   []tea.Msg
		want   string
	}{
		"quit":                  {keys: press("q"), want: "quit"},
		"Ctrl-C while typing":   {keys: press("/", "q", "ctrl+c"), want: "quit"},
		"q is text in a filter": {keys: press("/", "q"), want: ""},
		"suspend":               {keys: press("ctrl+z"), want: "suspend"},
		"detail":                {keys: press("down", "enter"), want: "ask api-backend"},
		"asked once":            {keys: press("enter", "esc", "enter"), want: "ask agent-py"},
		"the next one":          {keys: press("enter", "tab"), want: "ask agent-py, ask api-backend"},
		"the last has no next":  {keys: press("end", "enter", "tab"), want: "ask whisper-stt"},
		"a log":                 {keys: press("l", "l"), want: "ask agent-py, log 0, leave"},
		"the log goes along":    {keys: press("l", "tab"), want: "ask agent-py, log 0, ask api-backend, log 1"},
		"a log and back":        {keys: press("l", "esc", "esc"), want: "ask agent-py, log 0, leave"},
		"no log of none": {
			before: one(lookedMsg{trouble()}), keys: press("/", "livekit", "enter", "l"),
			want: "",
		},
		"restart, no":           {keys: press("r", "n", "r", "enter", "r", "esc"), want: ""},
		"restart, yes":          {keys: press("down", "r", "y"), want: "restart api-backend"},
		"one restart at a time": {keys: press("r", "y", "down", "r", "y"), want: "restart agent-py"},
		"quit while restarting": {keys: press("r", "y", "q", "y"), want: "restart agent-py, end restart"},
		"quit after that": {
			keys: after(press("r", "y", "q", "y"), one(restartedMsg{})), want: "restart agent-py, end restart, quit",
		},
		"thrice":    {keys: press("r", "y", "q", "y", "ctrl+c"), want: "restart agent-py, end restart, quit"},
		"no, go on": {keys: press("r", "y", "q", "n"), want: "restart agent-py"},
		"a new container's log": {
			keys: after(press("l"), one(lookedMsg{renewed()})), want: "ask agent-py, log 0, ask agent-py, log new",
		},
		"nothing selected": {before: one(lookedMsg{snapshot()}), keys: press("enter", "l", "r", "y"), want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.before == nil {
				c.before = seesSix
			}
			m := drawn(80, 24, c.before)
			var got []string
			for _, msg := range c.keys {
				for _, e := range m.update(msg) {
					got = append(got, printed(e))
				}
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

// printed is an effect in words; a container is the number of its service among the six.
func printed(e effect) string {
	id := "new"
	for i, r := range six() {
		if r.ID == e.id {
			id = fmt.Sprint(i)
		}
	}
	return strings.TrimSpace(map[doing]string{
		quit: "quit", suspend: "suspend", askPast: "ask " + e.service, readLog: "log " + id, leaveLog: "leave",
		restart: "restart " + e.service, endRestart: "end restart",
	}[e.do])
}

func renewed() monitor.Snapshot {
	s := snapshot(six()...)
	s.Services[0].ID, s.Services[0].Container = strings.Repeat("f", 64), "voice-agent-py-2"
	return s
}

// TestSelectionStays: it is the container that is selected, wherever its row goes.
func TestSelectionStays(t *testing.T) {
	m := drawn(80, 24, after(seesSix, press("down", "down")))
	for _, keys := range [][]tea.Msg{press("s"), press("S"), press("s", "s"), one(lookedMsg{snapshot(six()...)})} {
		for _, msg := range keys {
			m.update(msg)
		}
		if r, _ := m.replica(); r.Service != "azure-tts" {
			t.Fatalf("%s is selected", r.Service)
		}
	}
	m.update(lookedMsg{snapshot(six()[3:]...)})
	if r, _ := m.replica(); r.Service != m.rows()[0].Service {
		t.Errorf("where the selected one is gone, %q is selected", r.Service)
	}
}

func TestLostSinceTheFirstTime(t *testing.T) {
	m := drawn(80, 24, after(seesSix,
		one(lostMsg{errors.New("a"), noon}, lostMsg{errors.New("b"), noon.Add(time.Hour)})))
	if m.lost.at != noon || m.lost.err.Error() != "b" {
		t.Errorf("it is lost since %s: %v", m.lost.at, m.lost.err)
	}
	if m.update(lookedMsg{snapshot(six()...)}); m.lost != nil {
		t.Error("it is lost though it has answered")
	}
}

func TestSeries(t *testing.T) {
	var s series
	if _, mean, peak := s.reach(noon, 4); !math.IsNaN(mean) || !math.IsNaN(peak) {
		t.Errorf("nothing is %v, %v", mean, peak)
	}
	s.fill([]history.Point{
		{Time: noon.Add(-50 * time.Minute), Min: 1, Mean: 2, Max: 9}, {Time: noon, Min: 7, Mean: 7, Max: 7},
	})
	s.add(noon.Add(-time.Second), 4)
	s.add(noon.Add(-2*time.Second), 6)
	s.add(noon.Add(-2*time.Hour), 1000) // long over
	s.add(noon, math.NaN())
	means, mean, peak := s.reach(noon, 4)
	if got := fmt.Sprint(means, peak); got != "[2 NaN NaN 6] 9" || math.Abs(mean-14.0/3) > 0.01 {
		t.Errorf("got %s, mean %v", got, mean)
	}
	if _, _, later := s.reach(noon.Add(30*time.Minute), 4); later != 7 {
		t.Errorf("half an hour later the peak is %v", later)
	}
}

func TestGauge(t *testing.T) {
	for percent, want := range map[float64]string{-1: "····", 0: "····", 3: "▏···", 50: "██··", 400: "████"} {
		if got := gauge(percent, 4); got != want {
			t.Errorf("%v %%: got %q, want %q", percent, got, want)
		}
	}
}

// TestLinesKeepsTheLast: a log without an end does not grow.
func TestLinesKeepsTheLast(t *testing.T) {
	l := &lines{most: 10}
	for i := range 1000 {
		_, _ = fmt.Fprintf(l, "n\x1b[31m%d\x1b[2J\nrest", i)
	}
	kept, changed := l.take()
	if len(kept) != 10 || !changed || kept[9] != `restn999\x1b[2J` || cap(l.kept) > 40 {
		t.Errorf("kept %q of %d, changed %v", kept, cap(l.kept), changed)
	}
	if _, changed = l.take(); changed {
		t.Error("nothing is new, and it says so")
	}
	_, _ = l.Write([]byte(strings.Repeat("x", 1<<20)))
	if len(l.rest) > 5000 {
		t.Errorf("%d bytes of a line without an end are kept", len(l.rest))
	}
}

// BenchmarkFrame is what one snapshot costs: the change of the model and the drawing of it.
func BenchmarkFrame(b *testing.B) {
	for name, s := range map[string]monitor.Snapshot{"six": snapshot(six()...), "fifty": snapshot(fifty()...)} {
		b.Run(name, func(b *testing.B) {
			m := drawn(120, 60, hour(s))
			for i := 0; b.Loop(); i++ {
				s.Time = noon.Add(time.Duration(i) * time.Second)
				m.update(lookedMsg{s})
				_ = m.frame()
			}
		})
	}
}
