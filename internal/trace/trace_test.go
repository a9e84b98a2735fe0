package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/trace/schema"
)

var start = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// at is so many milliseconds after the start.
func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func span(lane, name string, kind Kind, from, to int, after ...int) Span {
	s := Span{Lane: lane, Name: name, Kind: kind, Began: at(from), Ended: at(to)}
	for _, n := range after {
		s.After = append(s.After, Arrow{Span: n, At: at(from)})
	}
	return s
}

// said writes spans, a line each: "web: start 1200..1400 *", with a star for those on the critical path.
func said(spans []Span) string {
	var b strings.Builder
	for i, s := range spans {
		fmt.Fprintf(&b, "%d %s: %s (%s) %d..%d", i, s.Lane, s.Name, s.Kind, s.Began.Sub(start).Milliseconds(),
			s.Ended.Sub(start).Milliseconds())
		for _, a := range s.After {
			fmt.Fprintf(&b, " <%d@%d", a.Span, a.At.Sub(start).Milliseconds())
		}
		for _, f := range s.Facts {
			fmt.Fprintf(&b, " %s=%v", f.Name, f.Value)
		}
		for word, is := range map[string]bool{" failed": s.Failed, " *": s.Critical && !s.Failed} {
			if is {
				b.WriteString(word)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// ran is a start that was run: db, a job that is healthy before it ends, web that waits for both, and one whose
// dependency failed.
func ran() []operation.Operation {
	after := func(n int) []operation.Need { return []operation.Need{{Operation: n}} }
	return []operation.Operation{
		{
			Kind: operation.Create, Resource: "network shop_default", Cause: "it is not there", Began: at(0),
			Ended: at(50),
		},
		{
			Kind: operation.Create, Service: "db", Count: 1, Cause: "it is unhealthy: s3cret", Began: at(0),
			Ended: at(60),
		},
		{
			Kind: operation.Start, Service: "db", Began: at(60), Admitted: at(200), Ended: at(400),
			Needs: []operation.Need{{Operation: 0}, {Operation: 1}},
		},
		{Kind: operation.Wait, Service: "db", Began: at(400), Ended: at(1000), Needs: after(2)},
		{Kind: operation.Start, Service: "job", Began: at(0), Admitted: at(0), Ended: at(300)},
		{Kind: operation.Wait, Service: "job", Began: at(300), Healthy: at(1200), Ended: at(5000), Needs: after(4)},
		{Kind: operation.Create, Service: "web", Count: 1, Began: at(0), Ended: at(70)},
		{
			Kind: operation.Start, Service: "web", Began: at(1200), Admitted: at(1300), Ended: at(1400),
			Needs: []operation.Need{
				{Operation: 3, Healthy: true}, {Operation: 5, Healthy: true}, {Operation: 6},
			},
		},
		{Kind: operation.Wait, Service: "web", Began: at(1400), Ended: at(6000), Needs: after(7)},
		{Kind: operation.Start, Service: "late", Needs: after(8)},
	}
}

func TestOperations(t *testing.T) {
	if got, want := said(Operations(ran(),
		at(0))), `0 networks, volumes: create network shop_default (create) 0..50 why=it is not there
1 db: create (create) 0..60 why=it is unhealthy containers=1
2 db: start (start) 60..400 <0@50
3 db: queue (queue) 60..200
4 db: wait (wait) 400..1000
5 job: start (start) 0..300 *
6 job: wait (wait) 300..5000 *
7 web: create (create) 0..70 containers=1
8 web: start (start) 1200..1400 <4@1000 <6@1200 *
9 web: waits for db, job (waiting) 70..1200
10 web: queue (queue) 1200..1300 *
11 web: wait (wait) 1400..6000 *
12 job: job (critical) 0..5000 *
13 web: web (critical) 1200..6000 *
`; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	// The path is the one that is printed.
	var links []string
	for _, s := range Operations(ran(), at(0)) {
		if s.Kind == Path {
			links = append(links, s.Lane)
		}
	}
	chain := operation.Critical(operation.Timings(ran(), at(0)))
	for i, l := range chain {
		if i >= len(links) || links[i] != l.Service {
			t.Errorf("the trace has %v, and %v is printed", links, chain)
		}
	}
}

// What is about one container, or starts without a dependency that failed, is told as that.
func TestOperationsOfARestart(t *testing.T) {
	all := []operation.Operation{
		{Kind: operation.Wait, Service: "db", Began: at(0), Ended: at(100), Failed: true},
		{
			Kind: operation.Stop, Service: "web", Container: "shop-web-2", Began: at(100), Ended: at(200), Failed: true,
			Needs: []operation.Need{{Operation: 0, Optional: true}},
		},
		{Kind: operation.Start, Service: "web", Began: at(200), Ended: at(200), Failed: true, Needs: []operation.Need{
			{Operation: 1},
		}},
	}
	want := "0 db: wait (wait) 0..100 failed\n1 web: stop shop-web-2 (stop) 100..200 <0@100 failed\n" +
		"2 web: waits for db (waiting) 0..100\n3 web: start (start) 200..200 skipped=true\n" +
		"4 db: db (critical) 0..100 *\n"
	if got := said(Operations(all, at(0))); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A start that was given up has what was done by then.
func TestOperationsOfAFailedStart(t *testing.T) {
	all := ran()[:4]
	all[3].Failed = true
	all = append(all, operation.Operation{
		Kind: operation.Start, Service: "web", Began: at(700), Ended: at(700), Failed: true,
		Needs: []operation.Need{{Operation: 3}},
	})
	got := said(Operations(all, at(0)))
	for _, want := range []string{
		"db: wait (wait) 400..1000 failed", "web: start (start) 700..700 skipped=true\n",
		"web: waits for db (waiting) 0..700\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestChain(t *testing.T) {
	build := []Span{
		0: span("app", "app", Image, 0, 5000),
		1: span("app", "load definition", Step, 0, 100),
		2: span("app", "FROM", Step, 150, 400),
		3: span("app", "context", Transfer, 120, 900),
		4: span("app", "COPY", Step, 900, 1000, 2, 3),
		5: span("app", "RUN", Step, 1000, 4000, 4),
		6: span("app", "RUN other", Step, 1000, 2000, 4),
		7: span("app", "export", Transfer, 4001, 4300),
		8: span("app", "load", Load, 4400, 5000),
	}
	within := span("app", "layer", Transfer, 100, 5000)
	within.Within = true
	for what, c := range map[string]struct {
		spans []Span
		want  []int
		text  string
	}{
		"nothing": {nil, nil, ""},
		"one":     {[]Span{span("a", "x", Step, 0, 100)}, []int{0}, "a x 0.1s"},
		"a build": {
			build,
			[]int{1, 3, 4, 5, 7, 8},
			"app context 0.8s → RUN 3.0s → export 0.3s → load 0.6s",
		},
		"parts of a step count with it": {append(slices.Clone(build), within), []int{1, 3, 4, 5, 7, 8}, "-"},
		"two lanes": {
			[]Span{
				span("base", "RUN", Step, 0, 3000), span("web", "waits for base", Waiting, 0, 3000, 0),
				span("web", "RUN", Step, 3000, 3500), span("base", "load", Load, 3000, 3400),
			},
			[]int{0, 1, 2},
			"base RUN 3.0s → web RUN 0.5s",
		},
		"a diamond: the later arm": {
			[]Span{
				span("a", "from", Step, 0, 100), span("a", "left", Step, 100, 300, 0),
				span("a", "right", Step, 100, 600, 0),
				span("a", "join", Step, 600, 700, 1, 2),
			},
			[]int{0, 2, 3},
			"a from 0.1s → right 0.5s → join 0.1s",
		},
		"an arrow says more than the lane": {
			[]Span{span("a", "x", Step, 0, 100), span("a", "y", Step, 0, 190), span("a", "z", Step, 200, 300, 0)},
			[]int{0, 2},
			"-",
		},
		"of two arrows the one from what ended last": {
			[]Span{span("a", "x", Step, 0, 190), span("a", "y", Step, 0, 100), span("a", "z", Step, 200, 300, 0, 1)},
			[]int{0, 2},
			"-",
		},
		"a track beside the rest": {
			[]Span{
				span("a", "export", Step, 0, 100),
				{
					Lane: "a", Track: "cache", Name: "write", Kind: Transfer, Began: at(100), Ended: at(350),
				},
				span("a", "load", Load, 360, 400),
			},
			[]int{0, 2},
			"-",
		},
		"what a track did comes after what it and the rest did": {
			[]Span{
				span("a", "export", Step, 0, 100),
				{Lane: "a", Track: "cache", Name: "read", Kind: Step, Began: at(110), Ended: at(200)},
				{Lane: "a", Track: "other", Name: "read", Kind: Step, Began: at(110), Ended: at(290)},
				{Lane: "a", Track: "cache", Name: "write", Kind: Transfer, Began: at(300), Ended: at(800)},
			},
			[]int{0, 1, 3},
			"-",
		},
		"many links": {
			func() (all []Span) {
				for i := range 12 {
					all = append(all, span("a", strings.Repeat("x", 50), Step, i*100, i*100+100))
				}
				return all
			}(),
			[]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
			"… → " + strings.Repeat(strings.Repeat("x", 40)+"… 0.1s → ", 7) + strings.Repeat("x", 40) + "… 0.1s",
		},
		"times of a bad clock make no circle": {
			[]Span{span("a", "x", Step, 0, 0, 1), span("a", "y", Step, 0, 0, 0)}, nil, "-",
		},
		"what went on meanwhile was not waited for": {
			[]Span{span("a", "x", Step, 0, 900), span("a", "y", Step, 500, 1000)}, []int{1}, "a y 0.5s",
		},
	} {
		chain := Chain(c.spans)
		if c.want != nil && !reflect.DeepEqual(chain, c.want) {
			t.Errorf("%s: got %v, want %v", what, chain, c.want)
		}
		if got := ChainText(c.spans, chain); c.text != "-" && got != c.text {
			t.Errorf("%s: got %q, want %q", what, got, c.text)
		}
	}
}

// lanesOf writes which spans are on which thread: "app: 0 2; app (2): 1".
func lanesOf(spans []Span) string {
	places, threads := placed(Timeline{What: "build", Spans: spans}, start)
	var out []string
	for n, name := range threads {
		line := name + ":"
		for i, p := range places {
			if p.thread == n+1 {
				line += fmt.Sprintf(" %d", i)
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

func TestLanes(t *testing.T) {
	micro := func(n time.Duration) time.Time { return start.Add(n * 100 * time.Nanosecond) }
	for what, c := range map[string]struct {
		spans []Span
		want  string
	}{
		"nothing":              {nil, ""},
		"one after the other":  {[]Span{span("a", "", Step, 0, 5), span("a", "", Step, 5, 9)}, "a: 0 1"},
		"one within the other": {[]Span{span("a", "", Step, 2, 9), span("a", "", Step, 0, 9)}, "a: 0 1"},
		"the same time":        {[]Span{span("a", "", Step, 0, 9), span("a", "", Step, 0, 9)}, "a: 0 1"},
		"they overlap":         {[]Span{span("a", "", Step, 0, 5), span("a", "", Step, 4, 9)}, "a: 0; a (2): 1"},
		"three overlap": {
			[]Span{span("a", "", Step, 0, 5), span("a", "", Step, 4, 9), span("a", "", Step, 4, 6)}, "a: 0; a (2): 1 2",
		},
		"two services": {[]Span{span("b", "", Step, 0, 5), span("a", "", Step, 4, 9)}, "b: 0; a: 1"},
		"the command's own first": {
			[]Span{span("b", "", Step, 0, 5), span("", "", Phase, 4, 9), span("b", "", Path, 0, 5)},
			"build: 1; critical path: 2; b: 0",
		},
		"of no time": {
			[]Span{span("a", "", Step, 0, 5), span("a", "", Cached, 5, 5), span("a", "", Step, 5, 8)}, "a: 0 1 2",
		},
		"fractions of a microsecond": {
			[]Span{
				{Lane: "a", Began: micro(0), Ended: micro(99)},
				{Lane: "a", Began: micro(5), Ended: micro(98)},
				{Lane: "a", Began: micro(98), Ended: micro(99)},
			},
			"a: 0 1 2",
		},
	} {
		if got := lanesOf(c.spans); got != c.want {
			t.Errorf("%s: got %q, want %q", what, got, c.want)
		}
	}
}

// hostile is a text that a viewer or a terminal must not be given as it is.
const hostile = "a\x1b]0;x\x07\u202e\xff\"\n https://user:s3cret@example.com/ "

func TestFormat(t *testing.T) {
	own := Timeline{What: "full", Spans: []Span{span("", "read the Compose files", Phase, 0, 3)}}
	started := Timeline{
		What: "start", Project: hostile, Spans: Operations(ran(), at(0)), Critical: "job 5.0s → web 4.8s",
	}
	odd := span(hostile, strings.Repeat(hostile, 100), Kind(hostile), -50, 20, 0, 7, -1)
	odd.Facts = []Fact{{hostile, hostile}, {"bytes", int64(7)}, {"answered", false}}
	broken := span("db", "probe", Probe, 500, 600)
	broken.Failed = true
	started.Spans = append(started.Spans, odd, broken, span("x", "ends before it begins", Step, 20, 10))
	var b bytes.Buffer
	err := Write(&b, []Timeline{own, started}, at(0), map[string]any{"command": hostile, "left": 3})
	if err != nil {
		t.Fatal(err)
	}
	f, err := schema.Read(b.Bytes())
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	names := map[string]bool{}
	for _, e := range f.Events {
		switch {
		case *e.Name == "process_name" && *e.Process == 1 && e.Args["name"] != "full":
			t.Errorf("the command's own process is called %q", e.Args["name"])
		case e.Category == "phase" && len(e.Args) > 0, e.Category == "probe" && e.Args["failed"] != true,
			e.Category == "start" && (e.Args["service"] == nil || e.Args["failed"] != nil):
			t.Errorf("%s (%s) says %v", *e.Name, e.Category, e.Args)
		}
		if *e.Name == "process_name" || *e.Name == "thread_name" {
			names[e.Args["name"].(string)] = true
		}
		if len(*e.Name) > mostName+len("…") {
			t.Errorf("a name of %d bytes", len(*e.Name))
		}
	}
	for _, want := range []string{"full", "critical path", "db", "web", "networks, volumes"} {
		if !names[want] {
			t.Errorf("nothing is called %q: %v", want, names)
		}
	}
	for _, bad := range []string{"\x1b", "\u202e", "\x07", "s3cret", "user:"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("%q is in the file", bad)
		}
	}
	arrows, critical := 0, 0
	for _, e := range f.Events {
		switch {
		case e.Phase == "s":
			arrows++
		case e.Phase == "X" && strings.HasSuffix(e.Category, ",critical"):
			critical++
			if e.Args["critical"] != true {
				t.Errorf("%q does not say that it is critical", *e.Name)
			}
		}
	}
	if arrows != 5 || critical != 5 {
		t.Errorf("%d arrows, %d critical operations", arrows, critical)
	}
}

func TestALiveTimelineIsBounded(t *testing.T) {
	_, l := Begin(context.Background(), "start", "shop")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range maxSpans/4 + 10 {
				l.Add(span("a", "x", Probe, 0, 1))
			}
		})
	}
	all.Wait()
	l.AddAll([]Span{span("a", "x", Step, 0, 1), span("a", "y", Step, 1, 2, 0)})
	l.Time("late")()
	if got := l.Timeline(); len(got.Spans) != maxSpans || got.LeftOut != 43 {
		t.Errorf("%d spans, %d left out", len(got.Spans), got.LeftOut)
	}
}

func TestAddAllMovesArrows(t *testing.T) {
	_, l := Begin(context.Background(), "build", "shop")
	l.Add(span("a", "x", Step, 0, 1))
	l.AddAll([]Span{span("b", "y", Step, 0, 1), span("b", "z", Step, 1, 2, 0, 9)})
	if got := l.Timeline().Spans[2].After; len(got) != 1 || got[0].Span != 1 {
		t.Errorf("%+v", got)
	}
}

// Nothing is written where nobody wants it.
func TestNobodyListens(t *testing.T) {
	l := Of(context.Background())
	l.Add(Span{})
	l.AddAll([]Span{{}})
	l.Waited("a", "b", time.Time{})
	l.End(true, "")
	l.Time("b")()
	_, open := Begin(context.Background(), "start", "shop")
	if got := open.Timeline(); got.Ended.Before(got.Began) {
		t.Error("what has not ended has ended before it began")
	}
	open.End(true, "x")
	if got := open.Timeline(); !got.Failed || got.Critical != "x" || got.Ended.After(time.Now()) {
		t.Errorf("%+v", got)
	}
	if l.MarkChain() != "" || l.Timeline().Spans != nil {
		t.Error("nil holds something")
	}
}

func TestWaitedAndMarked(t *testing.T) {
	_, l := Begin(context.Background(), "build", "shop")
	began := time.Now().Add(-time.Second)
	l.Add(Span{Lane: "base", Name: "RUN", Kind: Step, Began: began, Ended: began.Add(900 * time.Millisecond)})
	l.Waited("web", "base", began)
	l.Waited("web", "none", time.Now()) // it had not to wait
	l.Add(Span{Lane: "web", Name: "load", Kind: Load, Began: time.Now(), Ended: time.Now().Add(time.Second)})
	if got, want := l.MarkChain(), "base RUN 0.9s → web load 1.0s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var marked []string
	for _, s := range l.Timeline().Spans {
		if s.Critical {
			marked = append(marked, string(s.Kind)+" "+s.Name)
		}
	}
	want := []string{"step RUN", "waiting waits for base", "load load", "critical base: RUN", "critical web: load"}
	if !reflect.DeepEqual(marked, want) {
		t.Errorf("got %q, want %q", marked, want)
	}
}

// A step that began a moment before the one that it waited for had ended, by the builder's clock, is a link all the
// same, and the links do not overlap.
func TestLinksDoNotOverlap(t *testing.T) {
	_, l := Begin(context.Background(), "build", "shop")
	l.AddAll([]Span{span("a", "x", Step, 0, 101), span("a", "y", Step, 100, 200, 0)})
	l.MarkChain()
	if got, want := lanesOf(l.Timeline().Spans), "critical path: 2 3; a: 0; a (2): 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestKeep(t *testing.T) {
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
	long := Timeline{What: "build", Project: "shop", Critical: hostile}
	for i := range mostKept + 5 {
		long.Spans = append(long.Spans, span("a", hostile, Step, i, i+1))
	}
	long.Spans[0].Facts = []Fact{{"why", hostile}, {"bytes", 7}}
	long.Spans[1].Ended = long.Spans[1].Began // the shortest
	long.Spans[2].After = []Arrow{{Span: 0}}
	if err := Keep(long); err != nil {
		t.Fatal(err)
	}
	data, err := Kept("shop", "build")
	if err != nil {
		t.Fatal(err)
	}
	var got Timeline
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Spans) != mostKept || got.LeftOut != 5 || len(data) > 1<<20 {
		t.Errorf("%d spans, %d left out, %d bytes", len(got.Spans), got.LeftOut, len(data))
	}
	exact := Timeline{What: "build", Project: "exact", Spans: long.Spans[:mostKept]}
	if got := exact.kept(mostKept); got.LeftOut != 0 || len(got.Spans) != mostKept {
		t.Errorf("%d spans, %d left out", len(got.Spans), got.LeftOut)
	}
	if strings.Contains(string(data), "s3cret") || got.Spans[1].After != nil {
		t.Error("what is kept is not what a page may show")
	}
	if _, err := Kept("shop", "start"); err == nil {
		t.Error("a start is known")
	}
	// A start that found nothing to do does not take the place of one that did something.
	idle := Timeline{
		What: "start", Project: "shop",
		Spans: []Span{span("a", "start", "start", 0, 1), span("a", "wait", "wait", 1, 2)},
	}
	if err := Keep(idle); err != nil {
		t.Fatal(err)
	}
	if _, err := Kept("shop", "start"); err == nil {
		t.Error("a start that did nothing is kept")
	}
	if err := Keep(Timeline{What: "start", Project: "shop", Spans: Operations(ran(), at(0))}); err != nil {
		t.Fatal(err)
	}
	if _, err := Kept("shop", "start"); err != nil {
		t.Error(err)
	}
}
