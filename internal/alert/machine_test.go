package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// told plays looks a second apart: each letter says what is seen in one. '.' nothing, 'n' nearly, 'h' high memory,
// 'k' a kill. It gives what fires (+) and resolves (-), with the second.
func told(m *machine, r Rule, looks string) string {
	var out []string
	for i, letter := range looks {
		s := sightings{map[string]finding.Finding{}, map[string]finding.Finding{}}
		see := func(into map[string]finding.Finding, id string) {
			f := finding.Warn(id, "do", "it is so").Of("redis")
			into[key(f)] = f
		}
		switch letter {
		case 'h':
			see(s.seen, "memory.high")
			see(s.near, "memory.high")
		case 'n':
			see(s.near, "memory.high")
		case 'k':
			see(s.seen, "memory.killed")
		}
		for _, e := range m.step(noon.Add(time.Duration(i)*time.Second), s, r) {
			sign := map[string]string{StatusFiring: "+", StatusResolved: "-"}[e.Status]
			out = append(out, fmt.Sprintf("%s%s@%d", sign, e.Finding, i))
		}
	}
	return strings.Join(out, " ")
}

func TestMachine(t *testing.T) {
	x := strings.Repeat
	for name, c := range map[string]struct {
		rule  Rule
		looks string
		want  string
	}{
		"lasts":                  {Rule{}, x("h", 40), "+memory.high@30"},
		"does not last":          {Rule{}, x("h", 29) + "." + x("h", 29), ""},
		"lasts, then is away":    {Rule{}, x("h", 40) + x(".", 70), "+memory.high@30 -memory.high@100"},
		"is away for a moment":   {Rule{}, x("h", 40) + x(".", 59) + x("h", 50), "+memory.high@30"},
		"nearly so is still so":  {Rule{}, x("h", 40) + x("n", 200), "+memory.high@30"},
		"nearly so never began":  {Rule{}, x("n", 200), ""},
		"swings while it is new": {Rule{}, x("hn", 40), "+memory.high@30"},
		"nearly does not bring it back": {
			Rule{}, x("h", 40) + "." + x("n", 70), "+memory.high@30 -memory.high@100",
		},
		"at once":               {Rule{}, "..k", "+memory.killed@2"},
		"at once, then nothing": {Rule{}, "k" + x(".", 70), "+memory.killed@0 -memory.killed@61"},
		"another time":          {Rule{For: 5 * time.Second}, x("h", 10), "+memory.high@5"},
		"not asked for":         {Rule{IDs: []string{"disk.*"}}, x("h", 40) + "k", ""},
		"asked for":             {Rule{IDs: []string{"disk.*", "memory.*"}}, x("h", 40), "+memory.high@30"},
		"comes back: held twice as long": {
			Rule{},
			x("h", 31) + x(".", 62) + x("h", 40) + x(".", 130),
			"+memory.high@30 -memory.high@91 +memory.high@123 -memory.high@253",
		},
	} {
		if got := told(new(machine), c.rule, c.looks); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// A load that swings round its threshold for ten minutes, whatever its period, fires at most once and does not resolve
// meanwhile, where it stays near; and where it swings far, quicker than a minute.
func TestNoFlaps(t *testing.T) {
	for _, looks := range []string{"hn", "hhhhnnnnnn", strings.Repeat("h", 50) + strings.Repeat("n", 50)} {
		if got := told(new(machine), Rule{}, strings.Repeat(looks, 600/len(looks))); got != "+memory.high@30" {
			t.Errorf("near, period %d s: %q", len(looks), got)
		}
	}
	for _, looks := range []string{"h.", "hhhh......", strings.Repeat("h", 40) + strings.Repeat(".", 50)} {
		got := told(new(machine), Rule{}, strings.Repeat(looks, 600/len(looks)))
		if strings.Contains(got, "-") || strings.Count(got, "+") > 1 {
			t.Errorf("far, period %d s: %q", len(looks), got)
		}
	}
}

func TestGapsAndClocks(t *testing.T) {
	f := finding.Warn("memory.high", "", "x").Of("redis")
	seen := sightings{map[string]finding.Finding{key(f): f}, nil}
	m := new(machine)
	m.step(noon, seen, Rule{})
	if got := m.step(noon.Add(time.Hour), seen, Rule{}); len(got) != 0 {
		t.Errorf("after an hour in which nobody looked: %v", got)
	}
	if got := m.step(noon.Add(time.Hour+30*time.Second), seen, Rule{}); len(got) != 1 {
		t.Errorf("half a minute later: %v", got)
	}
	if got := m.step(noon, sightings{}, Rule{}); len(got) != 0 { // the clock was set back, and it is away
		t.Errorf("got %v", got)
	}
	if got := m.step(noon.Add(time.Minute), sightings{}, Rule{}); len(got) != 1 || got[0].Status != StatusResolved {
		t.Errorf("a minute after the clock was set: %v", got)
	}
}

// What is counted fires for what happens from now on: not for kills of long ago, and again for one more.
func TestCounted(t *testing.T) {
	var c counted
	m := new(machine)
	look := func(at time.Duration, kills int) (out []Event) {
		s := monitor.Snapshot{
			Time: noon.Add(at), Services: []monitor.Replica{{Service: "redis", ID: "a", OOMKills: kills}},
		}
		if kills > 0 {
			s.Findings = []finding.Finding{finding.Warn("memory.killed", "", "killed").Of("redis")}
		}
		c.add(s)
		return m.step(s.Time, c.sightings(s), Rule{})
	}
	if got := look(0, 3); len(got) != 0 {
		t.Errorf("kills of long ago: %v", got)
	}
	if got := look(time.Second, 4); len(got) != 1 || got[0].Status != StatusFiring {
		t.Errorf("one more: %v", got)
	}
	var later []string
	for at := 2 * time.Second; at < 15*time.Minute; at += 2 * time.Second {
		for _, e := range look(at, 4) {
			later = append(later, e.Status)
		}
	}
	if strings.Join(later, " ") != StatusResolved {
		t.Errorf("then: %q", later)
	}
	if got := look(15*time.Minute, 5); len(got) != 1 || got[0].Status != StatusFiring {
		t.Errorf("and one more: %v", got)
	}
	for i := range 2000 {
		s := sightings{map[string]finding.Finding{fmt.Sprint(i): finding.Warn("disk.low", "", "x")}, nil}
		m.step(noon.Add(16*time.Minute), s, Rule{})
	}
	if len(m.Alarms) > mostAlarms {
		t.Errorf("%d alarms are kept", len(m.Alarms))
	}
}
