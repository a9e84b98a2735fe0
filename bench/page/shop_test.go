package page

import (
	"context"
	"encoding/json"
	"math"
	"reflect"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
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

// lastStart is a report as start keeps it.
func lastStart(name func(string) string) []byte {
	begun := time.Now().Add(-3 * time.Hour)
	at := func(s float64) time.Time { return begun.Add(time.Duration(s * float64(time.Second))) }
	operation := func(kind, service string, from, admitted, to float64) map[string]any {
		return map[string]any{
			"kind": kind, "service": name(service), "cause": name("it has no container"), "began": at(from),
			"admitted": at(admitted), "ended": at(to),
		}
	}
	data, _ := json.Marshal(map[string]any{
		"project": "shop", "seconds": 6.4,
		"critical": []map[string]any{{"service": name("db")}, {"service": name("api")}},
		"operations": []any{
			operation("create", "db", 0, 0, .4), operation("start", "db", .4, .4, .9),
			operation("wait", "db", .9, .9, 3.1),
			operation("create", "cache", 0, 0, .5), operation("start", "cache", .5, 1, 1.4),
			operation("create", "api", .1, .1, .6), operation("start", "api", 3.1, 3.4, 3.9),
			operation("wait", "api", 3.9, 3.9, 6.4), operation("create", "worker", .2, .2, .7),
		},
	})
	return data
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
