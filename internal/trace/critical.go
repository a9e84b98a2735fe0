package trace

import (
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// slack is by how much one span may end after the next began, for one to have waited for the other: the times of a
// builder are told by its own clock.
const slack = 2 * time.Millisecond

// Chain finds the critical path of spans: the one that ended last, before it the one that ended last of those that it
// came after, and so on. Where a span has no arrow, it came after what was done last before it on its lane. Spans of
// whole images, and those that are parts of others, are left out. It gives their numbers, the first one first.
func Chain(spans []Span) []int {
	last := -1
	for i, s := range spans {
		if countsForChain(s) && s.Kind != Waiting && (last < 0 || s.Ended.After(spans[last].Ended)) {
			last = i
		}
	}
	var chain []int
	for at := last; at >= 0 && !slices.Contains(chain, at); at = before(spans, at) {
		chain = append(chain, at)
	}
	slices.Reverse(chain)
	return chain
}

func countsForChain(s Span) bool {
	return s.Kind != Image && s.Kind != Path && s.Kind != Phase && !s.Within
}

// before is the span for which the one of that number waited; -1 for none.
func before(spans []Span, at int) int {
	found := -1
	consider := func(i int, ended time.Time) {
		if i != at && countsForChain(spans[i]) && !ended.After(spans[at].Began.Add(slack)) &&
			(found < 0 || ended.After(spans[found].Ended)) {
			found = i
		}
	}
	for _, a := range spans[at].After {
		consider(a.Span, spans[a.Span].Ended)
	}
	if found >= 0 {
		return found
	}
	if spans[at].Kind == Waiting { // whose arrow may come from a span that was over earlier, or is not told of
		for _, a := range spans[at].After {
			return a.Span
		}
	}
	for i, s := range spans {
		if s.Lane == spans[at].Lane && (s.Track == "" || s.Track == spans[at].Track) {
			consider(i, s.Ended)
		}
	}
	return found
}

// What of a chain is told in a text.
const (
	shownLink  = 50 * time.Millisecond
	shownPart  = 0.04 // of the whole chain's time
	mostLinks  = 8
	mostOfLink = 40 // bytes of a name
)

// ChainText gives a chain as a text: "web [2/4] RUN make 1.4s → exporting to image 0.3s → load 0.8s". A lane is named
// where it changes; what took little is left out.
func ChainText(spans []Span, chain []int) string {
	var parts []string
	lane, least := "", shownLink
	if len(chain) > 0 {
		whole := spans[chain[len(chain)-1]].Ended.Sub(spans[chain[0]].Began)
		least = max(least, time.Duration(shownPart*float64(whole)))
	}
	for _, i := range chain {
		s := spans[i]
		if s.Kind == Waiting || s.Ended.Sub(s.Began) < least {
			continue
		}
		part := shorten(text(s.Name), mostOfLink) + " " + ui.Seconds(s.Ended.Sub(s.Began))
		if s.Lane != lane {
			part = text(s.Lane) + " " + part
		}
		lane = s.Lane
		parts = append(parts, part)
	}
	if over := len(parts) - mostLinks; over > 0 {
		parts = append([]string{"…"}, parts[over:]...)
	}
	return strings.Join(parts, " → ")
}

// MarkChain finds the chain of the timeline, marks its spans, and gives it as a text.
func (l *Live) MarkChain() string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	chain := Chain(l.t.Spans)
	for _, i := range chain {
		l.t.Spans[i].Critical = true
	}
	said := ChainText(l.t.Spans, chain)
	var until time.Time // so that the links do not overlap
	for _, i := range chain {
		s := l.t.Spans[i]
		if s.Kind == Waiting || len(l.t.Spans) >= maxSpans {
			continue
		}
		link := Span{
			Lane: s.Lane, Name: s.Lane + ": " + s.Name, Kind: Path, Began: s.Began, Ended: s.Ended, Critical: true,
		}
		if link.Began.Before(until) {
			link.Began = until
		}
		if until = s.Ended; link.Began.Before(until) {
			l.t.Spans = append(l.t.Spans, link)
		}
	}
	return said
}

// Waited adds the time that a lane has waited for another one since then, with an arrow from what that one did last.
func (l *Live) Waited(lane, other string, began time.Time) {
	if l == nil || time.Since(began) < time.Millisecond {
		return
	}
	s := Span{Lane: lane, Name: "waits for " + other, Kind: Waiting, Began: began, Ended: time.Now()}
	l.mu.Lock()
	last := -1
	for i, of := range l.t.Spans {
		if of.Lane == other && countsForChain(of) && (last < 0 || of.Ended.After(l.t.Spans[last].Ended)) {
			last = i
		}
	}
	if last >= 0 {
		s.After = []Arrow{{Span: last, At: l.t.Spans[last].Ended}}
	}
	l.mu.Unlock()
	l.Add(s)
}
