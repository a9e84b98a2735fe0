package alert

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
)

// Times of a machine.
const (
	defaultFor = 30 * time.Second // how long a finding lasts before it is told
	leastHold  = time.Minute      // how long it is away before that is told
	mostHold   = 16 * time.Minute // the same of one that comes and goes
	remembered = 30 * time.Minute // for how long one that was resolved counts as one that comes back
	longestGap = time.Minute      // between two looks; what was between longer ones nobody knows
	mostAlarms = 1000             // that a machine keeps
)

// atOnce are findings that are told when they are seen: what they tell of has happened already.
var atOnce = map[string]bool{"memory.killed": true, "service.looping": true}

// Rule is which findings are told, and after how long.
type Rule struct {
	For time.Duration
	IDs []string // patterns; none for all
}

// wants says whether a finding is one of the rule's.
func (r Rule) wants(id string) bool {
	return len(r.IDs) == 0 || slices.ContainsFunc(r.IDs, func(pattern string) bool {
		fits, err := path.Match(pattern, id)
		return err == nil && fits
	})
}

// machine decides what one receiver is told: when a finding fires, and when it is resolved.
type machine struct {
	Last   time.Time         `json:"last"`   // when it last looked
	Alarms map[string]*alarm `json:"alarms"` // by their keys
}

// alarm is a finding that was seen.
type alarm struct {
	Finding  finding.Finding `json:"-"`
	Told     Event           `json:"told"`              // of the last firing
	Since    time.Time       `json:"since"`             // from when on it was seen without a break
	Gone     time.Time       `json:"gone,omitzero"`     // from when on it was not
	Fired    time.Time       `json:"fired,omitzero"`    // zero before, and once it is resolved
	Resolved time.Time       `json:"resolved,omitzero"` // zero where it never was
	Hold     time.Duration   `json:"hold"`              // how long it is to be away
}

// sightings are the findings of one look by their keys: those that hold, and those that would hold if everything were
// a little worse, which keep one that was seen.
type sightings struct{ seen, near map[string]finding.Finding }

// key tells findings apart: by their rule, and the services that they are about.
func key(f finding.Finding) string { return f.ID + " " + strings.Join(f.Subjects, ",") }

// step takes a look at the time now and gives what is to be told, in the order of the keys.
func (m *machine) step(now time.Time, s sightings, r Rule) []Event {
	if m.Alarms == nil {
		m.Alarms = map[string]*alarm{}
	}
	// After a gap, or a clock that was set, nobody knows how long something has been so.
	gap := now.Before(m.Last) || now.Sub(m.Last) > longestGap
	m.Last = now
	for k, f := range s.seen {
		if m.Alarms[k] == nil && r.wants(f.ID) && len(m.Alarms) < mostAlarms {
			m.Alarms[k] = &alarm{Since: now, Hold: leastHold}
		}
	}
	var events []Event
	for _, k := range slices.Sorted(maps.Keys(m.Alarms)) {
		a := m.Alarms[k]
		f, present := s.seen[k]
		if present {
			a.Finding = f
		} else if _, near := s.near[k]; near && a.Gone.IsZero() {
			present = true // as long as it was never away
		}
		if gap {
			a.Since, a.Gone = now, time.Time{}
		}
		if e, ok := a.step(now, present, r); ok {
			events = append(events, e)
		}
		if a.Fired.IsZero() && !present && (a.Resolved.IsZero() || now.Sub(a.Resolved) > remembered) {
			delete(m.Alarms, k)
		}
	}
	return events
}

// step gives what is to be told of one finding.
func (a *alarm) step(now time.Time, present bool, r Rule) (Event, bool) {
	switch {
	case present && !a.Gone.IsZero():
		if a.Fired.IsZero() {
			a.Since = now
		}
		a.Gone = time.Time{}
	case !present && a.Gone.IsZero():
		a.Gone = now
	}
	switch {
	case a.Fired.IsZero() && present && a.Finding.ID != "" &&
		(atOnce[a.Finding.ID] || now.Sub(a.Since) >= cmp.Or(r.For, defaultFor)):
		if !a.Resolved.IsZero() { // it comes and goes
			a.Hold = min(2*a.Hold, mostHold)
		}
		a.Fired = now
		a.Told = eventOf(a.Finding, a.Since, now)
		return a.Told, true
	case !a.Fired.IsZero() && !present && now.Sub(a.Gone) >= a.Hold:
		a.Fired, a.Resolved = time.Time{}, now
		return a.Told.resolved(now), true
	}
	return Event{}, false
}
