package page

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/trace"
)

// shop is a project of six services, as it was seen now.
func shop() monitor.Snapshot {
	now := time.Now()
	fine := func(c container.Condition) container.Opinion { return container.Opinion{Condition: c, Fine: true} }
	row := func(service string, cpu, cpuLimit, memory float64, ms float64) monitor.Replica {
		return monitor.Replica{
			Service: service, Container: "shop-" + service + "-1", ID: service, State: "running", Health: "healthy",
			CPUPercent: cpu * cpuLimit, CPULimit: cpuLimit, CPULimitPercent: cpu, MemoryLimit: 256 << 20,
			MemoryUsed: int64(memory / 100 * (256 << 20)), MemoryPercent: memory, ResponseMS: 40 + ms,
			Answer:  monitor.Answer{Of: "http://127.0.0.1:8000/health", At: now, MS: ms},
			Started: now.Add(-3 * time.Hour), Expected: true, Verdict: fine(container.Healthy),
		}
	}
	s := monitor.Snapshot{Time: now, Project: "shop", CPUs: 2, Memory: 8 << 30, Services: []monitor.Replica{
		row("api", 93, 0.5, 41, 12), row("cache", 4, 0.5, 62, 1.4), row("db", 22, 1, 78, 3.2),
		row("mail", 1, 0.25, 12, 8),
		row("web", 37, 1, 35, 21), row("worker", 55, 1, 94, 0),
	}}
	s.Services[3].State, s.Services[3].Health, s.Services[3].ExitCode = "exited", "", 3
	s.Services[3].Verdict = container.Opinion{
		Condition: container.Broken, Why: "exited (exit 3)", Next: "go tool mage logs mail",
	}
	s.Services[5].OOMKills, s.Services[5].Restarts = 1, 1
	s.Disk = monitor.Disk{
		Images:     monitor.DiskUse{Total: 14, Active: 6, Size: 2 << 30, Reclaimable: 700 << 20},
		Containers: monitor.DiskUse{Total: 6, Active: 5, Size: 12 << 20}, Volumes: monitor.DiskUse{Total: 2, Active: 2},
		BuildCache: monitor.DiskUse{Total: 60, Size: 900 << 20, Reclaimable: 900 << 20},
		Root:       "/var/lib/docker", Space: &diskspace.Space{Free: 66 << 30, Total: 252 << 30},
	}
	s.Findings = []finding.Finding{
		finding.Warn("cpu.limited", "raise deploy.resources.limits.cpus of api, then go tool mage start",
			"api is held back by its CPU limit of 0.5 cores (93 %% of it used)").Of("api"),
		{
			ID: "service.broken", Severity: finding.Failure, Subjects: []string{"mail"},
			Evidence: "mail exited (exit 3)", Remedy: "go tool mage logs mail",
		},
		finding.Warn("memory.high", "raise deploy.resources.limits.memory of worker, then go tool mage start",
			"worker uses 94 %% of its limit of 256MiB").Of("worker"),
	}
	return s
}

// waves is a history of every series.
type waves struct{}

func (waves) Query(service, metric string, from, to time.Time, step time.Duration) ([]history.Point, error) {
	var out []history.Point
	level := 20 + 10*float64(len(service)%5) + 5*float64(len(metric)%4)
	if metric == history.MemoryWorkingSet {
		level *= 2 << 20
	}
	for at := from; at.Before(to); at = at.Add(step) {
		if away := to.Sub(at); away > to.Sub(from)/2 && away < to.Sub(from)*6/10 {
			continue // nothing was measured for a while
		}
		v := level + level/2*math.Sin(float64(at.Unix())/float64(to.Sub(from).Seconds())*30)
		out = append(out, history.Point{Time: at, Min: v * .8, Mean: v, Max: v * 1.3})
	}
	return out, nil
}

// keepTimelines keeps a start and a build of the project shop, as the state directory may have them; the build has so
// many more steps that the cache had.
func keepTimelines(t *testing.T, name func(string) string, more int) {
	t.Helper()
	begun := time.Now().Add(-3 * time.Hour)
	at := func(s float64) time.Time { return begun.Add(time.Duration(s * float64(time.Second))) }
	span := func(lane, what string, kind trace.Kind, from, to float64) trace.Span {
		return trace.Span{
			Lane: name(lane), Name: name(what), Kind: kind, Began: at(from), Ended: at(to),
			Facts: []trace.Fact{{Name: "why", Value: name("it has no container")}},
		}
	}
	on := func(s trace.Span) trace.Span { s.Critical = true; return s }
	in := func(s trace.Span) trace.Span { s.Within = true; return s }
	broken := span("worker", "create", "create", .2, .7)
	broken.Failed = true
	start := []trace.Span{
		span("", "read the Compose files", trace.Phase, 0, .1),
		on(span("db", "create", "create", .1, .4)), on(span("db", "start", "start", .4, .9)),
		in(span("db", "queue", trace.Queue, .4, .5)), on(span("db", "wait", "wait", .9, 3.1)),
		in(span("db", "probe", trace.Probe, 1, 1.1)), in(span("db", "probe", trace.Probe, 3, 3.1)),
		span("cache", "create", "create", 0, .5), span("cache", "start", "start", .5, 1.4),
		span("api", "create", "create", .1, .6), span("api", "waits for db", trace.Waiting, .6, 3.1),
		on(span("api", "start", "start", 3.1, 3.9)), on(span("api", "wait", "wait", 3.9, 6.4)), broken,
		on(span("db", "db", trace.Path, 0, 3.1)), on(span("api", "api", trace.Path, 3.1, 6.4)),
	}
	build := []trace.Span{
		span("api", "api", trace.Image, 0, 21), on(span("api", "[internal] load build context", trace.Transfer, .1, 1)),
		in(span("api", "transferring context:", trace.Transfer, .2, .9)),
		span("api", "[1/3] FROM debian", trace.Cached, .3, .3),
		on(span("api", "[2/3] COPY . .", trace.Step, 1, 1.4)), on(span("api", "[3/3] RUN make", trace.Step, 1.4, 18)),
		on(span("api", "load into the engine", trace.Load, 18.5, 21)), span("web", "web", trace.Image, 0, 4),
		span("web", "[2/2] RUN npm ci", trace.Step, .4, 3.4),
	}
	for i := range more {
		build = append(build, span("web", "[1/2] FROM scratch", trace.Cached, .3+float64(i)/1000, .3+float64(i)/1000))
	}
	for _, one := range []trace.Timeline{
		{What: "start", Critical: name("db 3.1s → api 3.3s"), Ended: at(6.4), Failed: true, Spans: start},
		{
			What: "build", Critical: name("api [3/3] RUN make 16.6s → load into the engine 2.5s"), Ended: at(21),
			Spans: build,
		},
	} {
		one.Project, one.Began = "shop", begun
		dir, err := state.ProjectDir("shop")
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(one)
		if err == nil {
			err = state.Keep(filepath.Join(dir, "timeline-"+one.What+".json"), data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func someLogs(_ context.Context, service string) ([]string, error) {
	return []string{service + " listens on :8000", "GET / 200 12 ms", "GET /nosuch 404 1 ms"}, nil
}

// everywhere puts a text into every text of a value.
func everywhere(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		if !v.IsNil() {
			everywhere(v.Elem(), text)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String && v.Len() == 0 && v.CanSet() {
			v.Set(reflect.ValueOf([]string{text}).Convert(v.Type()))
		}
		for i := range v.Len() {
			everywhere(v.Index(i), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type() != reflect.TypeFor[time.Time]() {
				everywhere(v.Field(i), text)
			}
		}
	default:
	}
}
