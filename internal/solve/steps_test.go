package solve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/registry"
)

// vertex is what BuildKit says of a step: "c" cached, "s" started, "e" ended.
func vertex(name, state string) *client.Vertex {
	v := &client.Vertex{Name: name, Cached: strings.Contains(state, "c")}
	v.Digest = digest.FromString(name)
	start, end := time.Unix(100, 0), time.Unix(103, 0)
	if strings.Contains(state, "s") {
		v.Started = &start
	}
	if strings.Contains(state, "e") {
		v.Completed = &end
	}
	return v
}

func told(r *Recorder, vs ...*client.Vertex) {
	for _, v := range vs {
		r.update(&client.SolveStatus{Vertexes: []*client.Vertex{v}})
	}
}

func TestStepsAreCounted(t *testing.T) {
	r := NewRecorder("app", nil)
	failed := vertex("[3/4] RUN false", "se")
	failed.Error = "exit code: 1"
	told(r, vertex("[internal] load build definition", "se"), vertex("[1/4] FROM a", "c"),
		vertex("[2/4] COPY x /", "c"), vertex("[3/4] RUN false", "s"), failed,
		vertex("[4/4] RUN never", ""), vertex("exporting to image", "se"), vertex("[other 1/1] FROM b", ""))
	got := r.Steps()
	slices.SortFunc(got.Ran, func(a, b buildinputs.Step) int { return strings.Compare(a.Name, b.Name) })
	want := "{3 1 1 [{[1/4] FROM a true false 0} {[2/4] COPY x / true false 0} {[3/4] RUN false false true 3}]}"
	if text := fmt.Sprint(got); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if name, _ := r.failedStep(errors.New("x")); name != "[app 3/4] RUN false" {
		t.Errorf("failed: %q", name)
	}
}

// A step counts as run only if it is the Dockerfile's, began, and came from no cache.
func TestWhetherAStepRan(t *testing.T) {
	for name, c := range map[string]struct {
		vertexes []*client.Vertex
		ran      bool
		first    bool // OnFirstStep was called
		exported bool // OnExport was called
	}{
		"nothing":            {nil, false, false, false},
		"a step":             {[]*client.Vertex{vertex("[1/2] RUN x", "s")}, true, true, false},
		"one that has ended": {[]*client.Vertex{vertex("[1/2] RUN x", "se")}, true, false, false},
		"a cached one":       {[]*client.Vertex{vertex("[1/2] RUN x", "sc")}, false, false, false},
		"cached at first": {
			[]*client.Vertex{vertex("[1/2] RUN x", "c"), vertex("[1/2] RUN x", "s")},
			false, false,
			false,
		},
		"one that is to begin": {[]*client.Vertex{vertex("[1/2] RUN x", "")}, false, false, false},
		"BuildKit's own":       {[]*client.Vertex{vertex("[internal] load build context", "s")}, false, false, false},
		"a base":               {[]*client.Vertex{vertex("[1/2] FROM x", "s")}, false, false, false},
		"an export of none":    {[]*client.Vertex{vertex("exporting to image", "s")}, false, false, false},
		"an export": {
			[]*client.Vertex{vertex("[1/2] RUN x", "s"), vertex("exporting to image", "s")},
			true,
			true, true,
		},
		"an export to come": {
			[]*client.Vertex{vertex("[1/2] RUN x", "s"), vertex("exporting to image", "")},
			true,
			true, false,
		},
		"another export": {
			[]*client.Vertex{vertex("[1/2] RUN x", "s"), vertex("exporting cache to registry", "s")},
			true, true, false,
		},
	} {
		r := NewRecorder("app", nil)
		told(r, c.vertexes...) // without anybody to call
		if r.Ran() != c.ran {
			t.Errorf("%s: ran %v", name, r.Ran())
		}
		first, exported := 0, 0
		r = NewRecorder("app", nil)
		r.OnFirstStep, r.OnExport = func() { first++ }, func() { exported++ }
		for range 2 {
			told(r, c.vertexes...)
			told(r, vertex("a step without brackets", "s"))
		}
		if (first > 0) != c.first || first > 1 || (exported > 0) != c.exported || exported > 1 {
			t.Errorf("%s: the first step was told %d times, the export %d times", name, first, exported)
		}
		if r.reset(); r.Ran() || len(r.byID) > 0 {
			t.Errorf("%s: a solve that is made again remembers the first", name)
		}
	}
}

func TestBasesOfASolve(t *testing.T) {
	bases := func(vs ...*client.Vertex) *Recorder {
		r := NewRecorder("app", nil)
		told(r, vs...)
		return r
	}
	one, two := vertex("[1/2] FROM docker.io/library/a:1@sha256:1", "c"),
		vertex("[1/2] FROM docker.io/library/b:1@sha256:2", "c")
	run, other := vertex("[2/2] RUN x", "s"), vertex("FROM c", "s")
	if bases(vertex(one.Name, "c"), vertex(two.Name, "c")).Bases() != bases(vertex(two.Name, "c"),
		vertex(one.Name, "c")).Bases() {
		t.Error("their order counts")
	}
	if bases(vertex(one.Name, "c")).Bases() == bases(vertex(two.Name, "c")).Bases() {
		t.Error("another base is the same")
	}
	if bases(vertex(one.Name, "c")).Bases() != bases(vertex(one.Name, "c"), vertex(run.Name, "s"),
		vertex(other.Name, "s")).Bases() {
		t.Error("a step is a base")
	}
	got := bases(one, run, other, two).BaseNames()
	slices.Sort(got)
	if strings.Join(got, " ") != "docker.io/library/a:1 docker.io/library/b:1" {
		t.Errorf("got %q", got)
	}
}

func TestWhatErrorsOfStepsMean(t *testing.T) {
	with := func(name, err string) *Recorder {
		r, v := NewRecorder("app", nil), vertex(name, "se")
		v.Error = err
		told(r, v)
		return r
	}
	if r := with("importing cache manifest from x", "not found"); r.ExportWarning() != "" ||
		r.byID[vertex("importing cache manifest from x", "").Digest].error != "" {
		t.Error("a first build has no cache to import, which is no failure")
	}
	if r := with("exporting cache to registry", "denied"); r.ExportWarning() != "denied" || failedName(r) != "" {
		t.Errorf("an export that failed: %q, %q", r.ExportWarning(), failedName(r))
	}
	if r := with("[1/2] RUN x", "exit code: 1"); r.ExportWarning() != "" || failedName(r) != "[app 1/2] RUN x" {
		t.Errorf("a step that failed: %q", failedName(r))
	}
	if r := with("[1/2] RUN x", "context canceled"); failedName(r) != "" {
		t.Errorf("a step that was ended with the others: %q", failedName(r))
	}
	if r := with("[1/2] RUN x", ""); failedName(r) != "" {
		t.Errorf("a step that went well: %q", failedName(r))
	}
	// Of several steps that failed the error says which it is of; else the one with the most output is told.
	r := NewRecorder("app", nil)
	one, two := vertex("[1/2] RUN one", "se"), vertex("[2/2] RUN two", "se")
	one.Error, two.Error = "exit code: 1", "exit code: 2"
	told(r, one, two)
	r.update(&client.SolveStatus{Logs: []*client.VertexLog{
		{Vertex: one.Digest, Data: []byte("a\n")},
		{Vertex: two.Digest, Data: []byte("b\nc\n")},
		{Vertex: "sha256:unknown", Data: []byte("x")},
	}})
	if name, lines := r.failedStep(errors.New("x")); name != "[app 2/2] RUN two" || strings.Join(lines, ",") != "b,c" {
		t.Errorf("got %q, %q", name, lines)
	}
	if name, lines := r.failedStep(errdefs.WrapVertex(errors.New("x"), one.Digest)); name != "[app 1/2] RUN one" ||
		strings.Join(lines, ",") != "a" {
		t.Errorf("got %q, %q", name, lines)
	}
	if name, _ := r.failedStep(errdefs.WrapVertex(errors.New("x"), "sha256:unknown")); name != "[app 2/2] RUN two" {
		t.Errorf("of a step that was not told: %q", name)
	}
}

func failedName(r *Recorder) string {
	name, _ := r.failedStep(errors.New("x"))
	return name
}

func TestLastLinesOfAStep(t *testing.T) {
	r, v := NewRecorder("app", nil), vertex("[1/1] RUN x", "s")
	told(r, v)
	for i := range 30 {
		r.update(&client.SolveStatus{Logs: []*client.VertexLog{{
			Vertex: v.Digest,
			Data:   fmt.Appendf(nil, "line %d\n", i),
		}}})
	}
	r.update(&client.SolveStatus{Logs: []*client.VertexLog{{
		Vertex: v.Digest,
		Data:   []byte(strings.Repeat("x", 5000)),
	}}})
	lines := r.byID[v.Digest].lines
	if len(lines) != lastOutput || lines[0] != "line 11" || len(lines[lastOutput-1]) != longestLine {
		t.Errorf("%d lines, of which the first is %q and the last has %d bytes", len(lines), lines[0],
			len(lines[len(lines)-1]))
	}
}

// Each kind of step may be silent for its own time, and no step for ever.
func TestHowLongARegistryMayBeSilent(t *testing.T) {
	for name, c := range map[string]struct {
		step  string
		state string
		want  time.Duration // 0 for never
	}{
		"a cache's manifest":  {"importing cache manifest from x", "s", registry.AnswerWithin},
		"a base's name":       {"[internal] load metadata for docker.io/library/x", "s", baseWithin},
		"a base's layer":      {"[1/2] FROM x", "s", layerWithin},
		"an export":           {"exporting cache to registry", "s", layerWithin},
		"a step":              {"[1/2] RUN x", "s", 0},
		"a cached step":       {"[1/2] RUN x", "sc", 0},
		"one to begin":        {"importing cache manifest from x", "", 0},
		"one that has ended":  {"importing cache manifest from x", "se", 0},
		"an import of a base": {"[1/2] FROM importing", "s", layerWithin},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, stopped := NewRecorder("app", nil), error(nil)
			r.stop = func(err error) { stopped = err }
			told(r, vertex(c.step, c.state))
			if c.want > 0 {
				time.Sleep(c.want)
				if r.stopIfSilent(); stopped != nil {
					t.Errorf("%s: ended after just %s: %v", name, c.want, stopped)
				}
				time.Sleep(time.Second)
				if r.stopIfSilent(); stopped == nil {
					t.Errorf("%s: goes on after %s", name, c.want+time.Second)
				}
				return
			}
			time.Sleep(time.Hour)
			if r.stopIfSilent(); stopped != nil {
				t.Errorf("%s: %v", name, stopped)
			}
		})
	}
}

func TestWhatCountsAsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, v := NewRecorder("app", nil), vertex("[1/2] COPY x /x", "sc")
		told(r, v)
		at := func(id string, far int64, completed bool) {
			time.Sleep(time.Second)
			x := &client.VertexStatus{Vertex: v.Digest, ID: id, Current: far}
			if now := time.Now(); completed {
				x.Completed = &now
			}
			r.update(&client.SolveStatus{Statuses: []*client.VertexStatus{x, {Vertex: "sha256:unknown", ID: id}}})
		}
		st := r.byID[v.Digest]
		seen := func(want bool, what string) {
			t.Helper()
			if got := st.lastProgress.Equal(time.Now()); got != want {
				t.Errorf("%s: progress %v", what, got)
			}
		}
		at("sha256:1", 0, false)
		seen(true, "a layer begins")
		if !st.fetching || !r.lastLayerProgress.Equal(time.Now()) {
			t.Error("no layer is awaited")
		}
		at("sha256:1", 0, false)
		seen(false, "no more of it")
		if r.lastLayerProgress.Equal(time.Now()) {
			t.Error("something of a layer came")
		}
		at("sha256:1", 5, false)
		seen(true, "more of it")
		at("sha256:1", 5, true)
		seen(true, "its end")
		if st.fetching {
			t.Error("a layer is awaited that has come")
		}
		at("sha256:2", 1, false)
		at("extracting sha256:1", 1, false)
		seen(true, "it is unpacked")
		if st.fetching {
			t.Error("a registry is awaited where the builder unpacks")
		}
		at("sha256:2", 2, false)
		at("extracting sha256:1", 1, false)
		if seen(false, "unpacking does not move"); !st.fetching {
			t.Error("what does not move is progress")
		}
	})
}
