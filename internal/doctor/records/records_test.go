package records

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/edit"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
	"github.com/25eloquence/compose-mage/internal/doctor/source"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/snapshots"
)

const (
	gib  = 1 << 30
	mib  = 1 << 20
	free = "services:\n  a: {image: x}\n"
	held = "services:\n  a: {image: x, mem_limit: 1g, healthcheck: {test: [CMD, x]}}\n"
)

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// recorded is what is known of service a of a project, on a machine with 8 GiB.
func recorded(t *testing.T, text string, change func(*past)) past {
	t.Helper()
	f, ok := source.Parse("compose.yaml", []byte(text))
	if !ok {
		t.Fatal(text)
	}
	l := past{
		Project: composetest.Load(t, text), Files: source.Files{f}, Machine: 8 * gib, Now: now,
		Needs: map[string]fit.Need{}, Hour: map[history.Series][]history.Point{},
		Starts: map[history.Series][]history.Point{},
	}
	change(&l)
	return l
}

// line is a figure of each of the last minutes.
func line(minutes int, at func(minute int) float64) []history.Point {
	var out []history.Point
	for i := range minutes {
		v := at(i)
		out = append(out, history.Point{Time: now.Add(time.Duration(i-minutes) * time.Minute), Min: v, Mean: v, Max: v})
	}
	return out
}

// starts is a service that was started so often, with figures of each half minute: ill from one time after each start
// to another.
func starts(n int, from, to time.Duration) func(*past) {
	return func(l *past) {
		const step = 30 * time.Second
		at := now.Add(-time.Duration(n) * time.Hour)
		var up, healthy []history.Point
		for range n {
			for since := step; since < 20*time.Minute; since += step {
				v := 1.0
				if since >= from && since < to {
					v = 0
				}
				p := history.Point{
					Time: at.Add(since), Min: since.Seconds(), Mean: since.Seconds(), Max: since.Seconds(),
				}
				up = append(up, p)
				healthy = append(healthy, history.Point{Time: p.Time, Min: v, Mean: v, Max: v})
			}
			at = at.Add(time.Hour)
		}
		l.Starts[history.Series{Service: "a", Metric: history.UpSeconds}] = up
		l.Starts[history.Series{Service: "a", Metric: history.Healthy}] = healthy
	}
}

func needs(n fit.Need) func(*past) { return func(l *past) { l.Needs["a"] = n } }

func hour(service, metric string, points []history.Point) func(*past) {
	return func(l *past) { l.Hour[history.Series{Service: service, Metric: metric}] = points }
}

func grows(from, each float64) []history.Point {
	return line(40, func(i int) float64 { return from + each*float64(i) })
}

const installs = "FROM debian:12\nWORKDIR /src\nCOPY src .\nRUN npm ci\nRUN make\n"

// last is the last build of an image: what became of the steps in lines 2 to 5.
func last(text string, states ...string) *buildinputs.Record {
	r := &buildinputs.Record{Version: 1, Project: "p", Service: "a", Text: text}
	for i, s := range states {
		r.Steps = append(r.Steps, buildinputs.StepState{Line: i + 2, State: s, Seconds: 11})
	}
	return r
}

func builtOf(text string, states ...string) []check.Finding {
	return built(buildplan.Target{Service: "a", Services: []string{"a"}, Dockerfile: "Dockerfile"},
		last(text, states...))
}

const (
	ran    = buildinputs.Ran
	cached = buildinputs.Cached
)

func saved(t *testing.T, text string, r snapshots.Record) []check.Finding {
	t.Helper()
	return backups(composetest.Load(t, text), nil, r, now)
}

// TestFixesRemoveTheirFindings makes the edits of findings, and looks again.
func TestFixesRemoveTheirFindings(t *testing.T) {
	const lines = "services:\n  a: # it\n    image: x\n    healthcheck:\n" +
		"      test: [CMD, x]\n      start_period: 1s # so\n"
	much := needs(fit.Need{Recorded: 4000, WorkingP99: 2 * gib, WorkingMost: 3 * gib})
	late := starts(3, 2*time.Minute, 4*time.Minute)
	for name, c := range map[string]struct {
		text   string
		change func(*past)
	}{
		"memory.unlimited": {free, much}, "memory.unlimited of lines": {lines, much},
		"health.start": {held, late}, "health.start of lines": {lines, late},
	} {
		id, _, _ := strings.Cut(name, " ")
		text, fixed := []byte(c.text), 0
		for _, f := range recorded(t, c.text, c.change).findings() {
			for _, e := range f.Edits {
				var err error
				if text, err = edit.Apply(text, e); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				fixed++
			}
		}
		for _, f := range recorded(t, string(text), c.change).findings() {
			if f.ID == id {
				t.Errorf("%s is still found, %s, in\n%s", name, f.Evidence, text)
			}
		}
		if fixed == 0 || string(text) == c.text {
			t.Errorf("%s: %d edits\n%s", name, fixed, text)
		}
	}
}

// TestRules holds each rule against what it finds and the nearest that it does not.
func TestRules(t *testing.T) {
	const (
		mounts = "services: {a: {image: x, volumes: ['one:/v']}}\n"
		data   = mounts + "volumes: {one: {labels: {com.25eloquence.volume: data}}}\n"
		cache  = mounts + "volumes: {one: {labels: {com.25eloquence.volume: cache}}}\n"
	)
	look := func(text string, change func(*past)) []check.Finding { return recorded(t, text, change).findings() }
	day := fit.Need{Recorded: 90000, WorkingP99: 100 * mib, WorkingMost: 110 * mib, Started: true}
	tight := day
	tight.WorkingP99, tight.WorkingMost = 300*mib, 310*mib
	much := fit.Need{Recorded: 4000, WorkingP99: 2 * gib, WorkingMost: 2*gib + mib}
	enough := much
	enough.WorkingMost = 2 * gib
	rules := []check.Rule{}
	for _, c := range Checks() {
		rules = append(rules, c.Rules...)
	}
	fixture.Hold(t, rules, map[string]fixture.Fixture{
		"memory.unlimited": fixture.Of(look(free, needs(much)), look(free, needs(enough))),
		"memory.roomy":     fixture.Of(look(held, needs(day)), look(held, needs(tight))),
		"memory.filling": fixture.Of(
			look(held, hour("a", history.MemoryWorkingSet, grows(600*mib, 5*mib))),
			look(held, hour("a", history.MemoryWorkingSet, grows(600*mib, 0.05*mib)))),
		"disk.filling": fixture.Of(
			look(free, hour("", history.DiskFree, grows(30*gib, -0.05*gib))),
			look(free, hour("", history.DiskFree, grows(30*gib, -0.01*gib)))),
		"health.start": fixture.Of(
			look(held, starts(3, time.Minute, 2*time.Minute)), look(held, starts(3, 0, 0))),
		"build.cache-mount": fixture.Of(
			builtOf(installs, cached, cached, ran, ran),
			builtOf(strings.ReplaceAll(installs, "RUN npm", "RUN --mount=type=cache,target=/root/.npm npm"),
				cached, cached, ran, ran)),
		"build.cache-miss": fixture.Of(
			builtOf(installs, cached, ran, ran, ran),
			builtOf(strings.ReplaceAll(installs, "src .", "package.json ."), cached, ran, ran, ran)),
		"image.grew": fixture.Of(grew("a", 100*mib, 121*mib), grew("a", 1000*mib, 1021*mib)),
		"backup.old": fixture.Of(saved(t, data, snapshots.Record{Last: now.Add(-37 * time.Hour)}),
			saved(t, data, snapshots.Record{Last: now.Add(-30 * time.Hour)})),
		"backup.missing": fixture.Of(saved(t, data, snapshots.Record{}), saved(t, cache, snapshots.Record{})),
	})
}

func said(all []check.Finding) string {
	var out []string
	for _, f := range all {
		out = append(out, f.ID+": "+f.Evidence+" -> "+f.Remedy)
	}
	return strings.Join(out, "\n")
}

// TestWhatIsSaid has the numbers, and the cases at the edges of each rule.
func TestWhatIsSaid(t *testing.T) {
	leak := hour("a", history.MemoryWorkingSet, grows(600*mib, 5*mib))
	up := func(seconds float64) func(*past) {
		return hour("a", history.UpSeconds, line(40, func(i int) float64 { return seconds + float64(i)*60 }))
	}
	both := func(a, b func(*past)) func(*past) { return func(l *past) { a(l); b(l) } }
	killed := fit.Need{Recorded: 90000, WorkingP99: 100 * mib, WorkingMost: 110 * mib, Started: true, Kills: 1}
	for name, c := range map[string]struct {
		text   string
		change func(*past)
		want   string
	}{
		"a leak": {
			held, leak,
			"memory.filling: it uses 795MiB of its limit of 1GiB, and will be full in about 46 min " +
				"as it grew in the last 39 min -> go tool mage monitor -since=1h, and find what it keeps: a higher " +
				"limit " +
				"only puts the end off",
		},
		"a leak, up for long": {held, both(leak, up(7200)), "memory.filling"},
		"it warms up":         {held, both(leak, up(0)), "memory.filling"},
		"it was just started": {held, both(leak, up(-1800)), ""},
		"up and down": {
			held,
			hour("a", history.MemoryWorkingSet, line(40, func(i int) float64 { return float64(600+200*(i%2)) * mib })),
			"",
		},
		"it shrinks":                   {held, hour("a", history.MemoryWorkingSet, grows(900*mib, -5*mib)), ""},
		"little of the limit":          {held, hour("a", history.MemoryWorkingSet, grows(10*mib, 5*mib)), ""},
		"no limit":                     {free, leak, ""},
		"of yesterday":                 {held, both(leak, func(l *past) { l.Now = now.Add(24 * time.Hour) }), ""},
		"few minutes":                  {held, hour("a", history.MemoryWorkingSet, grows(600*mib, 5*mib)[21:]), ""},
		"its limit is kept by killing": {held, needs(killed), ""},
		"not watched for a day": {held, needs(fit.Need{
			Recorded: 80000, WorkingP99: 100 * mib, WorkingMost: 110 * mib, Started: true,
		}), ""},
		"watched for a moment": {free, needs(fit.Need{Recorded: 3000, WorkingP99: 4 * gib, WorkingMost: 4 * gib}), ""},
		"much, and a limit":    {held, needs(fit.Need{Recorded: 4000, WorkingP99: 4 * gib, WorkingMost: 4 * gib}), ""},
		"much": {
			free, needs(fit.Need{Recorded: 4000, WorkingP99: 3 * gib, WorkingMost: 3 * gib}),
			"memory.unlimited: it had up to 3GiB of the machine's 8GiB, and no memory limit -> " +
				"deploy.resources.limits.memory: 3996M of a",
		},
		"a disk": {
			free, hour("", history.DiskFree, grows(30*gib, -0.05*gib)),
			"disk.filling: the engine's disk has 28.05GiB free, and will be full in about 9 h as it filled in the " +
				"last 39 min -> go tool mage cleanup; go tool mage monitor -disk",
		},
		"a large disk":     {free, hour("", history.DiskFree, grows(300*gib, -0.05*gib)), ""},
		"a disk that gets": {free, hour("", history.DiskFree, grows(3*gib, 0.05*gib)), ""},
		"late twice": {
			held, starts(2, time.Minute, 130*time.Second),
			"health.start: in 2 of 2 starts that were seen it counted as unhealthy, and was ready after up " +
				"to 2m30s -> healthcheck.start_period: 300s of a",
		},
		"late once":           {held, starts(1, time.Minute, 2*time.Minute), ""},
		"ill for good":        {held, starts(3, time.Minute, time.Hour), ""},
		"ill in the long run": {held, starts(3, 16*time.Minute, 17*time.Minute), ""},
		"no check of its own": {free, starts(3, time.Minute, 2*time.Minute), ""},
	} {
		if got := said(recorded(t, c.text, c.change).findings()); !strings.HasPrefix(got, c.want) || c.want == "" &&
			got != "" {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestBuilt(t *testing.T) {
	const compile = "FROM golang:1\nWORKDIR /src\nCOPY . .\nRUN go build ./...\n"
	for name, c := range map[string]struct {
		got  []check.Finding
		want []string
	}{
		"a mount is missing, the order is right": {
			builtOf(installs, cached, cached, ran), []string{"build.cache-mount"},
		},
		"both": {
			builtOf(installs, cached, ran, ran), []string{"build.cache-mount", "build.cache-miss"},
		},
		"the first build":           {builtOf(installs, ran, ran, ran), []string{"build.cache-mount"}},
		"all at hand":               {builtOf(installs, cached, cached, cached), nil},
		"a compiler needs the code": {builtOf(compile, cached, ran, ran), []string{"build.cache-mount"}},
		"another step began it": {
			builtOf("FROM a\nRUN date\nCOPY . .\nRUN npm ci\n", ran, ran, ran), []string{"build.cache-mount"},
		},
		"not read": {builtOf("FROM a\nRUNN\n", ran), nil},
	} {
		var got []string
		for _, f := range c.got {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	quick := last(installs, cached, ran, ran)
	quick.Steps[2].Seconds = slow
	failed := last(installs, cached, ran, ran)
	failed.Failed = true
	none := last(installs, cached, ran, ran)
	none.NoCache = true
	target := buildplan.Target{Service: "a", Services: []string{"a"}}
	if got := said(slices.Concat(built(target, quick), built(target, failed))); got != "" {
		t.Errorf("quick or failed: %s", got)
	}
	if got := built(target, none); len(got) != 1 || got[0].Places[0].String() != "build.dockerfile_inline of a:4" {
		t.Errorf("without the cache: %+v", got)
	}
}

func TestEarlier(t *testing.T) {
	all := []builds.Record{
		{Service: "b", ID: "4"},
		{Service: "a", ID: "3"},
		{Service: "a", ID: "2"},
		{Service: "b", ID: "1"},
		{Service: "a", ID: "0"},
	}
	for id, want := range map[string]string{"3": "2", "2": "0", "0": "", "9": ""} {
		if got := earlier(all, "a", id); got != want {
			t.Errorf("before %s: %q, want %q", id, got, want)
		}
	}
}

func TestBackups(t *testing.T) {
	const own = "services: {a: {image: x, volumes: ['one:/v', 'two:/w']}}\n" +
		"volumes: {one: {x-compose-mage: {backup: true}}, two: {x-compose-mage: " +
		"{backup: false}}}\n"
	if got := said(saved(t, own, snapshots.Record{})); !strings.Contains(got, "no backup of one, which") {
		t.Errorf("got %q", got)
	}
	for name, r := range map[string]snapshots.Record{
		"that it failed is another finding": {Last: now.Add(-48 * time.Hour), Failed: "x"},
		"it is at work":                     {Last: now.Add(-48 * time.Hour), Unfinished: true},
		"the first failed":                  {Failed: "x"},
	} {
		if got := said(saved(t, own, r)); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTrend(t *testing.T) {
	for name, c := range map[string]struct {
		points []history.Point
		want   string
	}{
		"rises": {grows(0, 60), "1 39m0s"},
		"falls": {grows(0, -120), "-2 39m0s"},
		"level": {grows(5, 0), ""},
		"few":   {grows(0, 60)[:trendPoints-1], ""},
	} {
		got := ""
		if tr, ok := trendOf(c.points); ok {
			got = fmt.Sprintf("%.3g %s", tr.perSecond, tr.over)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
