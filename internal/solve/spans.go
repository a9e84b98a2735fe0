package solve

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/builddisplay"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/trace"
)

// timed is when BuildKit says that a step ran, and what of it.
type timed struct {
	began, ended time.Time // by the builder's clock; zero where it has not
	inputs       []digest.Digest
	parts        map[string]part // by BuildKit's ID
}

// part is a transfer, or another part of a step that BuildKit tells of by itself.
type part struct {
	began, ended time.Time
	bytes        int64
}

// mostParts is how many parts of a step are kept, such as the layers of an image.
const mostParts = 200

func (t *timed) noteVertex(v *client.Vertex) {
	if v.Started != nil {
		t.began = *v.Started
	}
	if v.Completed != nil {
		t.ended = *v.Completed
	}
	t.inputs = v.Inputs
}

func (t *timed) notePart(x *client.VertexStatus) {
	if t.parts == nil {
		t.parts = map[string]part{}
	}
	p, known := t.parts[x.ID]
	if !known && len(t.parts) >= mostParts || x.Started == nil {
		return
	}
	p.began, p.bytes = *x.Started, max(p.bytes, x.Current)
	if x.Completed != nil {
		p.ended = *x.Completed
	}
	t.parts[strings.Clone(x.ID)] = p
}

// clockTolerance is how much later than BuildKit's own times a status may come without the clocks being different.
const clockTolerance = time.Second

// noteClock compares the builder's clock with ours: what it tells of now has just happened.
func (r *Recorder) noteClock(s *client.SolveStatus, now time.Time) {
	var last time.Time
	for _, v := range s.Vertexes {
		for _, at := range []*time.Time{v.Started, v.Completed} {
			if at != nil && at.After(last) {
				last = *at
			}
		}
	}
	if last.IsZero() {
		return
	}
	if late := now.Sub(last); !r.clockKnown || late < r.late {
		r.clockKnown, r.late = true, late
	}
}

// skew is what the builder's clock is behind ours; 0 where it may be the same.
func (r *Recorder) skew() time.Duration {
	if r.late < 0 || r.late > clockTolerance {
		return r.late
	}
	return 0
}

// Spans gives when what was done in the solve, by our clock. What has not ended by now ends now.
func (r *Recorder) Spans(now time.Time) []trace.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []trace.Span
	numbers := map[digest.Digest]int{}
	ids := slices.SortedFunc(maps.Keys(r.byID), func(a, b digest.Digest) int {
		return cmp.Or(r.byID[a].times.began.Compare(r.byID[b].times.began), cmp.Compare(a, b))
	})
	for _, id := range ids {
		st := r.byID[id]
		if st.times.began.IsZero() {
			continue
		}
		s := r.span(st, now)
		for _, input := range st.times.inputs {
			if at, known := numbers[input]; known {
				s.After = append(s.After, trace.Arrow{Span: at, At: out[at].Ended})
			}
		}
		numbers[id] = len(out)
		out = append(out, s)
		for _, name := range slices.Sorted(maps.Keys(st.times.parts)) {
			out = append(out, r.partSpan(name, st.times.parts[name], s))
		}
	}
	return out
}

func (r *Recorder) span(st *step, now time.Time) trace.Span {
	s := trace.Span{
		Lane: r.name, Track: r.Track, Name: r.shownName(st.name), Kind: trace.Step, Began: st.times.began.Add(r.skew()),
		Failed: st.error != "",
	}
	s.Ended = r.end(st.times.ended, s.Began, now)
	switch {
	case st.cached:
		s.Kind = trace.Cached
	case strings.Contains(st.name, "] load build context"), strings.Contains(st.name, "exporting cache"),
		strings.Contains(st.name, builddisplay.Importing), strings.Contains(st.name, "] exporting to"):
		s.Kind = trace.Transfer
	}
	if !st.cached && st.times.ended.IsZero() {
		s.Facts = append(s.Facts, trace.Fact{Name: "ended", Value: false})
	}
	return s
}

// partSpan is a part of a step, within it.
func (r *Recorder) partSpan(id string, p part, of trace.Span) trace.Span {
	s := trace.Span{
		Lane: r.name, Track: r.Track, Name: r.hide(id), Kind: trace.Transfer, Began: p.began.Add(r.skew()),
		Within: true,
	}
	if s.Began.Before(of.Began) {
		s.Began = of.Began
	}
	s.Ended = r.end(p.ended, s.Began, of.Ended)
	if s.Ended.After(of.Ended) {
		s.Ended = of.Ended
	}
	if s.Ended.Before(s.Began) {
		s.Began = s.Ended
	}
	if p.bytes > 0 {
		s.Facts = []trace.Fact{{Name: "bytes", Value: p.bytes}}
	}
	return s
}

func (r *Recorder) end(ended, began, now time.Time) time.Time {
	if ended.IsZero() {
		ended = now
	} else {
		ended = ended.Add(r.skew())
	}
	if ended.Before(began) {
		return began
	}
	return ended
}

// shownName is a step's name without the image's, whose lane it is in: BuildKit puts arguments' values into names.
func (r *Recorder) shownName(name string) string {
	if rest, found := strings.CutPrefix(name, "["+r.name+"] "); found {
		name = rest
	} else if rest, found := strings.CutPrefix(name, "["+r.name+" "); found {
		name = "[" + rest
	}
	return r.hide(name)
}

// shortest is the length from which an argument's value is looked for in a name: a shorter one is no secret, and the
// name would not be readable.
const shortest = 3

// hide puts the names of the build's arguments where their values stand.
func (r *Recorder) hide(text string) string {
	for _, a := range r.args {
		text = strings.ReplaceAll(text, a.value, "$"+a.name)
	}
	return fault.Redact(text)
}

// argument is a build argument.
type argument struct{ name, value string }

// arguments gives the build arguments of a request, and of what it needs, whose values are hidden: the longest first,
// as one may be a part of another.
func (q Request) arguments() []argument {
	var out []argument
	for key, value := range q.FrontendAttrs {
		if name, is := strings.CutPrefix(key, "build-arg:"); is && len(value) >= shortest {
			out = append(out, argument{name, value})
		}
	}
	for _, need := range q.needs {
		out = append(out, need.arguments()...)
	}
	slices.SortFunc(out, func(a, b argument) int {
		return cmp.Or(cmp.Compare(len(b.value), len(a.value)), cmp.Compare(a.name, b.name),
			cmp.Compare(a.value, b.value))
	})
	return slices.Compact(out)
}
