package solve

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/trace"
)

// ranAt is a vertex that ran between two moments, in milliseconds after began; -1 for one that it has not come to.
func ranAt(name string, began time.Time, from, to int, inputs ...string) *client.Vertex {
	v := &client.Vertex{Name: name, Digest: digest.FromString(name)}
	moment := func(ms int) *time.Time {
		if ms < 0 {
			return nil
		}
		at := began.Add(time.Duration(ms) * time.Millisecond)
		return &at
	}
	v.Started, v.Completed = moment(from), moment(to)
	for _, i := range inputs {
		v.Inputs = append(v.Inputs, digest.FromString(i))
	}
	return v
}

// spansText writes spans, a line each.
func spansText(spans []trace.Span, began time.Time) string {
	var b strings.Builder
	for i, s := range spans {
		fmt.Fprintf(&b, "%d %s%s %s: %s %d..%d", i, s.Lane, s.Track, s.Kind, s.Name, s.Began.Sub(began).Milliseconds(),
			s.Ended.Sub(began).Milliseconds())
		for _, a := range s.After {
			fmt.Fprintf(&b, " <%d", a.Span)
		}
		for _, f := range s.Facts {
			fmt.Fprintf(&b, " %s=%v", f.Name, f.Value)
		}
		for word, is := range map[string]bool{" failed": s.Failed, " within": s.Within} {
			if is {
				b.WriteString(word)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestSpans(t *testing.T) {
	began := time.Now().Add(-900 * time.Millisecond)
	r := NewRecorder("app", nil)
	r.Track = "cache"
	const from, copied, run = "[1/3] FROM a", "[2/3] COPY x /", "[3/3] RUN false"
	cached := ranAt(from, began, 10, 10)
	cached.Cached = true
	failed := ranAt(run, began, 300, 800, copied)
	failed.Error = "exit code: 1"
	load := "[internal] load build context"
	told(r, ranAt(load, began, 0, 90), cached, ranAt(copied, began, 100, -1, from, load), failed,
		ranAt("[4/4] RUN never", began, -1, -1))
	part := func(vertex, id string, from, to int, bytes int64) *client.VertexStatus {
		v := ranAt(id, began, from, to)
		return &client.VertexStatus{
			ID: id, Vertex: digest.FromString(vertex), Started: v.Started, Completed: v.Completed, Current: bytes,
		}
	}
	r.update(&client.SolveStatus{Statuses: []*client.VertexStatus{
		part(load, "transferring context:", 5, -1, 4096), part(load, "transferring context:", 5, 2000, 10),
		part(load, "not begun", -1, -1, 0), part("nothing", "of a step that is not known", 1, 2, 3),
	}})
	want := `0 appcache transfer: [internal] load build context 0..90
1 appcache transfer: transferring context: 5..90 bytes=4096 within
2 appcache cached: [1/3] FROM a 10..10
3 appcache step: [2/3] COPY x / 100..1000 <0 <2 ended=false
4 appcache step: [3/3] RUN false 300..800 <3 failed
`
	if got := spansText(r.Spans(began.Add(time.Second)), began); got != strings.Replace(want, "<0 <2", "<2 <0", 1) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// The clock of a builder on another machine may be wrong; that of this machine is not corrected.
func TestSpansAreByOurClock(t *testing.T) {
	now := time.Now()
	for what, c := range map[string]struct{ wrong, want time.Duration }{
		"the same clock":     {0, 0},
		"told a little late": {-200 * time.Millisecond, -200 * time.Millisecond},
		"an hour behind":     {-time.Hour, 0},
		"a minute ahead":     {time.Minute, 0},
	} {
		r := NewRecorder("app", nil)
		for _, ms := range []int{0, 100} { // the second is told at once, the first late
			v := ranAt("[1/1] RUN x", now.Add(c.wrong), ms, ms+10)
			r.mu.Lock()
			r.noteClock(&client.SolveStatus{Vertexes: []*client.Vertex{v}}, now.Add(110*time.Millisecond))
			r.noteVertex(v)
			r.mu.Unlock()
		}
		got := r.Spans(now)[0].Began.Sub(now) - 100*time.Millisecond
		if got != c.want {
			t.Errorf("%s: %s off, want %s", what, got, c.want)
		}
	}
}

// BuildKit puts the values of arguments into the names of steps.
func TestValuesOfArgumentsAreNotShown(t *testing.T) {
	q := Request{needs: map[string]Request{"base": {}}}
	q.FrontendAttrs = map[string]string{
		"build-arg:TOKEN": "s3cret", "build-arg:LONGER": "s3cret-and-more", "build-arg:N": "4", "target": "final",
		"build-arg:EMPTY": "",
	}
	need := q.needs["base"]
	need.FrontendAttrs = map[string]string{"build-arg:OTHER": "hunter2"}
	q.needs["base"] = need
	r := NewRecorder("app", nil)
	r.args = q.arguments()
	for name, want := range map[string]string{
		"[app 2/4] RUN curl -H s3cret https://x":            "[2/4] RUN curl -H $TOKEN https://x",
		"[app 2/4] RUN a s3cret-and-more b":                 "[2/4] RUN a $LONGER b",
		"[app final 3/4] RUN make -j4 final":                "[final 3/4] RUN make -j4 final",
		"[app] exporting to image":                          "exporting to image",
		"[app 1/2] RUN echo hunter2":                        "[1/2] RUN echo $OTHER",
		"[app] load https://user:pw@example.com/x.git#main": "load https://…@example.com/x.git#main",
	} {
		if got := r.shownName(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestPartsAreBounded(t *testing.T) {
	var times timed
	now := time.Now()
	for i := range mostParts + 9 {
		times.notePart(&client.VertexStatus{ID: fmt.Sprint(i), Started: &now})
	}
	if len(times.parts) != mostParts {
		t.Errorf("%d parts", len(times.parts))
	}
}
