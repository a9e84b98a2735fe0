package monitor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/sampler"
	"github.com/25eloquence/compose-mage/internal/ui"
)

var noon = time.Date(2025, 11, 24, 12, 0, 0, 0, time.UTC)

func fine(is container.Condition) container.Opinion {
	return container.Opinion{Condition: is, Fine: true}
}

func bad(service string, is container.Condition, why string, end *container.End) container.Opinion {
	return container.Opinion{Condition: is, Why: why, Next: "go tool mage logs " + service, End: end}
}

// trouble is a stack in which nearly everything is wrong.
func trouble() Snapshot {
	up := noon.Add(-3 * time.Hour)
	s := Snapshot{
		Time: noon, Project: "25eloquence", CPUs: 8, Memory: 16 << 30,
		Services: []Replica{
			{
				Service: "api-backend", Container: "a-1", State: "running", Health: "healthy", ResponseMS: 12.4,
				CPUPercent: 97, CPULimit: 1, CPULimitPercent: 97, ThrottledPercent: 70, MemoryUsed: 100 << 20,
				MemoryLimit: 2 << 30, MemoryPercent: 4.9, Started: up, Expected: true, Verdict: fine(container.Healthy),
				Answer: Answer{Of: "http://172.18.0.2:8000/health", MS: 512, Pending: true, Named: true},
			},
			{
				Service: "azure-tts", Container: "t-1", State: "running", Health: "unhealthy",
				HealthOutput: "connection refused", ResponseMS: 3000, MemoryUsed: 1 << 20, MemoryLimit: 1 << 30,
				MemoryPercent: 0.1, Started: up, Expected: true,
				Verdict: bad("azure-tts", container.Unhealthy, "is unhealthy: connection refused", nil),
			},
			{
				Service: "eloquence-agent-v1", State: StateMissing, Expected: true,
				Verdict: bad("eloquence-agent-v1", container.Missing, "has no container", nil),
			},
			{
				Service: "livekit", Container: "l-1", State: "restarting", Restarts: 7, ExitCode: 1, Expected: true,
				Verdict: bad("livekit", container.Looping, "keeps exiting (exit 1), restarted 7 times",
					&container.End{Code: 1}),
			},
			{Service: "migrate", Container: "m-1", State: "exited", Finished: up, Verdict: fine(container.Done)},
			{
				Service: "old", Container: "o-1", State: "running", Orphan: true, Started: noon.Add(-50 * time.Hour),
				Verdict: fine(container.Running),
			},
			{
				Service: "redis", Container: "r-1", State: "exited", ExitCode: 137, OOMKills: 1, MemoryLimit: 512 << 20,
				Expected: true,
				Verdict: bad("redis", container.Broken, "killed: out of memory (limit 512 MiB)",
					&container.End{Cause: container.OutOfMemory, Code: 137}),
			},
			{
				Service: "whisper-stt", Container: "w-1", State: "running", Health: "healthy", ResponseMS: 4,
				Answer:     Answer{Of: "http://172.18.0.3:8001/health", MS: 1.44, Named: true},
				CPUPercent: 1, MemoryUsed: 15 << 30, MemoryLimit: 16 << 30, MemoryPercent: 93.75,
				Started: noon.Add(-70 * time.Second), Expected: true, Verdict: fine(container.Healthy),
			},
		},
		Disk: Disk{
			Images: DiskUse{12, 6, 4 << 30, 1 << 30}, Containers: DiskUse{8, 5, 1 << 20, 0},
			Volumes: DiskUse{6, 6, 2 << 30, 0}, BuildCache: DiskUse{90, 0, 20 << 30, 20 << 30},
			Root: "/var/lib/docker", Space: &diskspace.Space{Free: 4 << 30, Total: 100 << 30},
		},
	}
	s.Disk.At = noon.Add(-3 * time.Minute)
	for i := range s.Services {
		if r := &s.Services[i]; r.Running() {
			r.Source, r.Rates = sampler.SourceHybrid, sampler.Rates{Seconds: 0.5, Received: 2048, BlockWritten: 4096}
			r.Counters.Pressure = &sampler.Pressures{CPU: sampler.Pressure{Waiting10: 0.04}}
		}
	}
	s.Services[0].Counters.Pressure.IO.Waiting10 = 4.04
	s.Services[5].Rates, s.Services[5].Counters.Pressure = sampler.Rates{}, nil // one that has just started
	s.Findings = findings(s)
	return s
}

func well() Snapshot {
	s := trouble()
	s.Services = s.Services[4:5]
	s.Disk.Space = &diskspace.Space{Free: 40 << 30, Total: 100 << 30}
	s.Findings = findings(s)
	return s
}

func TestPrint(t *testing.T) {
	for name, s := range map[string]Snapshot{"trouble.txt": trouble(), "well.txt": well()} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			s.Print(ui.New(&b))
			golden.Check(t, name, b.String())
		})
	}
}

func TestAppendedLines(t *testing.T) {
	var b bytes.Buffer
	show(trouble(), ui.New(&b))
	golden.Check(t, "lines.txt", b.String())
}

func TestJSON(t *testing.T) {
	s := trouble()
	s.Services = s.Services[:1]
	s.Findings = findings(s)
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "snapshot.json", string(text)+"\n")
}

func TestThresholds(t *testing.T) {
	running := func(change func(*Replica)) Replica {
		r := Replica{
			Service: "s", State: "running", Expected: true, CPULimit: 1, MemoryLimit: 100,
			Verdict: fine(container.Running),
		}
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		replica Replica
		want    string // part of the one finding, "" for none
	}{
		"memory just below": {running(func(r *Replica) { r.MemoryPercent = 89.9 }), ""},
		"memory at 90":      {running(func(r *Replica) { r.MemoryPercent = 90 }), "uses 90 %"},
		"cpu just below":    {running(func(r *Replica) { r.CPULimitPercent = 89.9 }), ""},
		"cpu at 90":         {running(func(r *Replica) { r.CPULimitPercent = 90 }), "held back"},
		"throttled":         {running(func(r *Replica) { r.ThrottledPercent = 50 }), "held back"},
		"no limit, whole CPUs": {
			running(func(r *Replica) { r.CPULimit, r.CPULimitPercent = 0, 95 }), "saturates the machine",
		},
		"restarted once": {running(func(r *Replica) { r.Restarts = 1 }), "was restarted once"},
		"paused": {
			running(func(r *Replica) { r.State, r.Verdict = "paused", bad("s", container.Paused, "is paused", nil) }),
			"is paused",
		},
		"starting is no fault": {running(func(r *Replica) { r.Health = "starting" }), ""},
		"done, a child killed": {
			Replica{
				Service: "s", State: "exited", OOMKills: 1, MemoryLimit: 30 << 20,
				Verdict: container.Opinion{
					Condition: container.Done, Fine: true,
					End: &container.End{Cause: container.Completed, ChildKilled: true},
				},
			},
			"s ended (exit 0), and processes in it were killed for want of memory once, at its limit of 30MiB",
		},
		"a worker killed": {
			running(func(r *Replica) { r.OOMKills = 2 }),
			"s runs, and processes in it were killed for want of memory 2 times",
		},
		"could not be looked at": {running(func(r *Replica) { r.Error = "EOF" }), "s could not be looked at: EOF"},
		"more than it should": {
			Replica{
				Service: "s", State: StateSurplus,
				Verdict: bad("s", container.Surplus, "has 2 containers, and should have 1", nil),
			}, "has 2 containers",
		},
		"provider":             {Replica{Service: "s", State: StateProvider, Verdict: fine(container.Provider)}, ""},
		"gone while looked at": {Replica{Service: "s", State: StateGone}, ""},
		"of an inactive profile": {
			Replica{Service: "s", State: "exited", Verdict: bad("s", container.Broken, "exited (exit 3)", nil)}, "",
		},
		"old load, now stopped": {Replica{Service: "s", State: "exited", MemoryPercent: 99}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := findings(Snapshot{Services: []Replica{c.replica}})
			if c.want == "" {
				if len(got) != 0 {
					t.Errorf("got %+v, want nothing", got)
				}
				return
			}
			if len(got) != 1 || !strings.Contains(got[0].Evidence, c.want) || got[0].Remedy == "" {
				t.Errorf("got %+v, want one with %q and a next step", got, c.want)
			}
		})
	}
}

func TestLessFreeThanTheProjectNeeds(t *testing.T) {
	half := Disk{Space: &diskspace.Space{Free: 50 << 30, Total: 100 << 30}}
	for needs, want := range map[int64]int{0: 0, 50 << 30: 0, 51 << 30: 1} {
		if got := needsFinding(half, needs); len(got) != want {
			t.Errorf("%d: %+v, want %d", needs, got, want)
		}
	}
	low := Disk{Space: &diskspace.Space{Free: 5 << 30, Total: 100 << 30}}
	if got := needsFinding(low, 51<<30); len(got) != 0 {
		t.Errorf("said twice: %+v", got)
	}
	if got := needsFinding(Disk{}, 51<<30); len(got) != 0 {
		t.Errorf("of a disk elsewhere: %+v", got)
	}
}

func TestStatesComeBeforeRates(t *testing.T) {
	var first, rest, whole bytes.Buffer
	s := trouble()
	s.PrintStates(ui.New(&first))
	s.PrintRates(ui.New(&rest))
	s.Print(ui.New(&whole))
	if first.String()+rest.String() != whole.String() || strings.Contains(first.String(), "CPU") {
		t.Errorf("first:\n%s\nthen:\n%s", first.String(), rest.String())
	}
	s.Disk.At = time.Time{}
	first.Reset()
	s.PrintStates(ui.New(&first))
	if !strings.Contains(first.String(), "the engine has not yet said") || strings.Contains(first.String(), "images") {
		t.Errorf("without the engine's answer:\n%s", first.String())
	}
}

func TestDiskNearlyFull(t *testing.T) {
	for name, c := range map[string]struct {
		space *diskspace.Space
		want  int
	}{
		"elsewhere":            {nil, 0},
		"roomy":                {&diskspace.Space{Free: 50 << 30, Total: 100 << 30}, 0},
		"under a tenth":        {&diskspace.Space{Free: 90 << 30, Total: 1000 << 30}, 1},
		"a fifth, but few GiB": {&diskspace.Space{Free: 9 << 30, Total: 40 << 30}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := diskFindings(Disk{Space: c.space}); len(got) != c.want {
				t.Errorf("got %+v, want %d", got, c.want)
			}
		})
	}
}

func TestCompareWithModel(t *testing.T) {
	two := 2
	project := &types.Project{
		Services: types.Services{
			"web": {Name: "web", Scale: &two}, "job": {Name: "job"}, "redis": {Name: "redis", Restart: "always"},
			"none": {Name: "none"}, "zero": {Name: "zero", Scale: new(int)}, "more": {Name: "more"},
			"cloud": {Name: "cloud", Provider: &types.ServiceProviderConfig{Type: "aws"}},
		},
		DisabledServices: types.Services{"agent": {Name: "agent"}},
	}
	look := func(service, name string, state moby.ContainerState) Replica {
		r := Replica{Service: service}
		r.describe(moby.InspectResponse{
			ID: name, Name: "/" + name, State: &moby.State{Status: state},
			HostConfig: &moby.HostConfig{
				RestartPolicy: moby.RestartPolicy{Name: moby.RestartPolicyMode(project.Services[service].Restart)},
			},
		})
		return r
	}
	got := compareWithModel([]Replica{
		look("web", "web-1", "running"), look("job", "job-1", "exited"), look("redis", "redis-1", "exited"),
		look("agent", "agent-1", "running"), look("gone", "gone-1", "exited"), look("more", "more-1", "running"),
		look("more", "more-2", "running"),
		{Service: "more", Container: "more-3", State: StateGone},
	}, project, noon)
	var lines []string
	for _, r := range got {
		lines = append(lines, fmt.Sprintf("%s %s expected=%v orphan=%v", r.Service, r.State, r.Expected, r.Orphan))
		if r.Verdict.Condition == "" && r.State != StateGone {
			t.Errorf("%s: no verdict", r.Service)
		}
	}
	want := []string{
		"agent running expected=false orphan=false", // of a profile that is not active: no orphan
		"cloud provider expected=false orphan=false",
		"gone exited expected=false orphan=true",
		"job exited expected=false orphan=false", // ended with 0 and asks for no more
		"more surplus expected=false orphan=false",
		"more running expected=true orphan=false",
		"more running expected=true orphan=false",
		"more gone expected=false orphan=false",
		"none missing expected=true orphan=false",
		"redis exited expected=true orphan=false",
		"web missing expected=true orphan=false",
		"web running expected=true orphan=false",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestDescribe(t *testing.T) {
	var r Replica
	r.describe(moby.InspectResponse{
		Name: "/p-web-1", RestartCount: 2,
		State: &moby.State{
			Status: "running", StartedAt: "2025-11-24T11:00:00.5Z", FinishedAt: "0001-01-01T00:00:00Z",
			Health: &moby.Health{Status: "unhealthy", Log: []*moby.HealthcheckResult{
				{Start: noon, End: noon.Add(time.Second)},
				{Start: noon, End: noon.Add(42500 * time.Microsecond), ExitCode: 1, Output: "\nno answer\nmore\n"},
			}},
		},
		HostConfig: &moby.HostConfig{Resources: moby.Resources{Memory: 1 << 20, CPUQuota: 50_000}},
	})
	if r.Container != "p-web-1" || r.Restarts != 2 || r.MemoryLimit != 1<<20 || r.CPULimit != 0.5 {
		t.Errorf("got %+v", r)
	}
	if r.ResponseMS != 42.5 || r.HealthOutput != "no answer" || r.Health != "unhealthy" {
		t.Errorf("health: %v ms %q %q", r.ResponseMS, r.HealthOutput, r.Health)
	}
	if !r.Finished.IsZero() || r.Started.Minute() != 0 || r.Started.IsZero() {
		t.Errorf("times: %v %v", r.Started, r.Finished)
	}
}

func TestPrintIn80Columns(t *testing.T) {
	var b bytes.Buffer
	trouble().Print(ui.New(ui.Within(&b, 80)))
	golden.Check(t, "trouble80.txt", b.String())
}
