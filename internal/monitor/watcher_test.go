package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/sampler"
	"github.com/25eloquence/compose-mage/internal/state"
)

// talking is an engine elsewhere that counts what it is asked, and tells what the test makes it tell.
type talking struct {
	API
	mutex      sync.Mutex
	asked      map[string]int
	containers map[string]moby.InspectResponse
	lost       error // of every request but that for events
	events     chan events.Message
	broken     chan error
}

func newTalking() *talking {
	return &talking{
		asked: map[string]int{}, containers: map[string]moby.InspectResponse{},
		events: make(chan events.Message), broken: make(chan error),
	}
}

func (f *talking) ask(what string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.asked[what]++
	return f.lost
}

func (f *talking) DaemonHost() string { return "tcp://elsewhere" }

func (f *talking) DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error) {
	return client.DiskUsageResult{}, nil
}

func (f *talking) Events(_ context.Context, o client.EventsListOptions) client.EventsResult {
	if o.Until != "" { // the past
		done := make(chan error, 1)
		done <- io.EOF
		return client.EventsResult{Err: done}
	}
	_ = f.ask("events")
	return client.EventsResult{Messages: f.events, Err: f.broken}
}

func (f *talking) ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error) {
	var out client.ContainerListResult
	err := f.ask("list")
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for id := range f.containers {
		out.Items = append(out.Items, moby.Summary{
			ID: id, Names: []string{"/" + id},
			Labels: map[string]string{api.ServiceLabel: id, api.OneoffLabel: "False", api.ProjectLabel: "p"},
		})
	}
	return out, err
}

func (f *talking) ContainerInspect(_ context.Context, id string, _ client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	err := f.ask("inspect")
	f.mutex.Lock()
	defer f.mutex.Unlock()
	c, ok := f.containers[id]
	if err == nil && !ok {
		err = errdefs.ErrNotFound
	}
	return client.ContainerInspectResult{Container: c}, err
}

func (f *talking) ContainerStats(ctx context.Context, _ string, _ client.ContainerStatsOptions,
) (client.ContainerStatsResult, error) {
	r, w := io.Pipe()
	go func() {
		for n := 0; ; n++ {
			at := noon.Add(time.Duration(n) * time.Second).Format(time.RFC3339)
			_, err := fmt.Fprintf(w, `{"read":%q,"cpu_stats":{"cpu_usage":{"total_usage":%d}}}`, at, n*2e8)
			if err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	context.AfterFunc(ctx, func() { r.Close() })
	return client.ContainerStatsResult{Body: r}, f.ask("stats")
}

// put makes a container what the function says, beginning with one that runs.
func (f *talking) put(id string, change func(*moby.InspectResponse)) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	c := moby.InspectResponse{
		ID: id, Name: "/" + id, Config: &moby.Config{},
		State: &moby.State{Status: moby.StateRunning, Running: true, StartedAt: noon.Format(time.RFC3339)},
	}
	if change != nil {
		change(&c)
	}
	f.containers[id] = c
}

func (f *talking) tell(id string, action string, attributes map[string]string, at time.Duration) {
	f.events <- events.Message{
		Action: events.Action(action), Actor: events.Actor{ID: id, Attributes: attributes},
		TimeNano: noon.Add(at).UnixNano(),
	}
}

func (f *talking) count(what string) int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.asked[what]
}

// observe starts an observer; until waits for a snapshot that satisfies the condition.
func (f *talking) observe(t *testing.T, services ...string) (until func(what string, is func(Snapshot) bool) Snapshot) {
	t.Helper()
	t.Setenv(state.Variable, t.TempDir())
	project := &types.Project{Name: "p", Services: types.Services{}}
	for _, name := range services {
		project.Services[name] = types.ServiceConfig{Name: name}
	}
	o := NewObserver(f, project, engine.Machine{CPUs: 1, Memory: 100}, sampler.Window)
	snapshots, stop := o.Follow()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the observer ended: %v", err)
		}
	})
	return func(what string, is func(Snapshot) bool) Snapshot {
		t.Helper()
		for deadline := time.After(10 * time.Second); ; {
			select {
			case s := <-snapshots:
				if is(s) {
					return s
				}
			case <-deadline:
				last, _ := o.Latest()
				t.Fatalf("%s: not within 10 s: %+v", what, last)
			}
		}
	}
}

func of(s Snapshot, service string) Replica {
	i := slices.IndexFunc(s.Services, func(r Replica) bool { return r.Service == service })
	if i < 0 {
		return Replica{}
	}
	return s.Services[i]
}

func TestASteadyRefreshAsksTheEngineNothing(t *testing.T) {
	f := newTalking()
	f.put("web", func(c *moby.InspectResponse) {
		c.Config.Healthcheck = &moby.HealthConfig{
			Test: []string{"CMD-SHELL", "curl -f localhost"}, Interval: time.Minute,
		}
		c.State.Health = &moby.Health{Status: moby.Healthy}
	})
	until := f.observe(t, "web")
	until("rates", func(s Snapshot) bool { return of(s, "web").Rates.Seconds > 0 })
	for i := range 3 {
		at := time.Duration(i) * time.Minute
		id := map[string]string{"execID": fmt.Sprint("e", i), "exitCode": "0"}
		f.tell("web", "exec_create: /bin/sh -c curl -f localhost", id, at)
		f.tell("web", "exec_start: /bin/sh -c curl -f localhost", id, at)
		f.tell("web", "exec_start: somebody's", map[string]string{"execID": "other"}, at)
		f.tell("web", "exec_die", map[string]string{"execID": "other", "exitCode": "3"}, at+time.Second)
		f.tell("web", "exec_die", id, at+time.Duration(i+1)*10*time.Millisecond)
		s := until("the check's time", func(s Snapshot) bool { return of(s, "web").ResponseMS == float64(10*(i+1)) })
		if r := of(s, "web"); r.CPUPercent < 19 || r.CPUPercent > 21 || r.Source != sampler.SourceEngine {
			t.Errorf("got %+v", r)
		}
	}
	want := map[string]int{"events": 1, "list": 1, "inspect": 1, "stats": 1}
	for _, what := range []string{"events", "list", "inspect", "stats"} {
		if got := f.count(what); got != want[what] {
			t.Errorf("%s: asked %d times, want %d", what, got, want[what])
		}
	}
}

func TestAChangeIsSeenAtOnce(t *testing.T) {
	f := newTalking()
	f.put("web", nil)
	f.put("db", nil)
	until := f.observe(t, "web", "db")
	until("both", func(s Snapshot) bool { return of(s, "db").Rates.Seconds > 0 })

	f.put("web", func(c *moby.InspectResponse) {
		c.State = &moby.State{Status: moby.StateExited, ExitCode: 137, OOMKilled: true}
	})
	f.tell("web", "oom", nil, time.Minute)
	f.tell("web", "die", nil, time.Minute)
	s := until("the end", func(s Snapshot) bool { return of(s, "web").State == "exited" })
	if r := of(s, "web"); r.OOMKills != 1 || r.Source != "" || r.Rates.Seconds != 0 {
		t.Errorf("after the end: %+v", r)
	}
	if f.count("inspect") != 3 {
		t.Errorf("%d inspections", f.count("inspect"))
	}

	f.put("web", func(c *moby.InspectResponse) {
		c.State.StartedAt, c.RestartCount = noon.Add(2*time.Minute).Format(time.RFC3339), 1
	})
	f.tell("web", "start", nil, 2*time.Minute)
	s = until("the restart", func(s Snapshot) bool { return of(s, "web").Rates.Seconds > 0 })
	if r := of(s, "web"); r.OOMKills != 1 || r.Restarts != 1 {
		t.Errorf("after the restart: %+v", r)
	}

	f.put("extra", nil)
	f.tell("extra", "create", nil, 0)
	s = until("a new container", func(s Snapshot) bool { return of(s, "extra").Running() })
	if !of(s, "extra").Orphan {
		t.Error("the model has no such service")
	}
	f.mutex.Lock()
	delete(f.containers, "extra")
	delete(f.containers, "db")
	f.mutex.Unlock()
	f.tell("extra", "destroy", nil, 0)
	s = until("a removed container", func(s Snapshot) bool { return of(s, "extra").Service == "" })
	if of(s, "db").State != StateMissing {
		t.Errorf("got %+v", of(s, "db"))
	}
}

func TestAContainerThatVanishesIsARow(t *testing.T) {
	f := newTalking()
	f.put("web", nil)
	until := f.observe(t, "web")
	until("it", func(s Snapshot) bool { return of(s, "web").Rates.Seconds > 0 })
	f.mutex.Lock()
	delete(f.containers, "web") // before the engine tells of it
	f.mutex.Unlock()
	f.tell("web", "kill", nil, 0)
	until("its end", func(s Snapshot) bool {
		return slices.ContainsFunc(s.Services, func(r Replica) bool {
			return r.Container == "web" && r.State == StateGone
		})
	})
}

func TestAnEngineThatGoesAwayIsSaidAndLookedFor(t *testing.T) {
	f := newTalking()
	f.put("web", func(c *moby.InspectResponse) { c.RestartCount = 2 })
	until := f.observe(t, "web")
	before := until("it", func(s Snapshot) bool { return of(s, "web").Rates.Seconds > 0 })

	f.mutex.Lock()
	f.lost = &net.OpError{Op: "dial", Net: "unix", Err: syscall.ECONNREFUSED}
	f.mutex.Unlock()
	f.broken <- io.ErrUnexpectedEOF
	has := func(s Snapshot, id string) bool {
		return slices.ContainsFunc(s.Findings, func(f finding.Finding) bool { return f.ID == id })
	}
	s := until("that it is away", func(s Snapshot) bool { return has(s, idEngineLost) })
	r := of(s, "web")
	if r.Error == "" || r.Source != "" || r.Rates.Seconds != 0 || r.State != "running" {
		t.Errorf("got %+v", r)
	}
	if !has(before, "service.restarted") || !has(s, "service.restarted") {
		t.Error("a finding that stood before does not stand while the engine is away")
	}
	f.mutex.Lock()
	f.lost = nil
	f.mutex.Unlock()
	s = until("that it is back", func(s Snapshot) bool { return of(s, "web").Rates.Seconds > 0 })
	if has(s, idEngineLost) || of(s, "web").Error != "" {
		t.Errorf("got %+v", s)
	}
}

func TestTheFirstLookThatFailsIsAnError(t *testing.T) {
	f := newTalking()
	f.lost = errors.New("no engine")
	err := NewObserver(f, &types.Project{Name: "p"}, engine.Machine{}, 0).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no engine") {
		t.Errorf("got %v", err)
	}
}

func TestChecksThatNoEventTellsOfAreLookedAt(t *testing.T) {
	r := &row{}
	r.describe(moby.InspectResponse{
		Config: &moby.Config{Healthcheck: &moby.HealthConfig{Interval: time.Second, Timeout: time.Second}},
		State:  &moby.State{Status: "running", Health: &moby.Health{Status: "healthy"}},
	})
	r.checks.last = time.Now().Add(-2900 * time.Millisecond)
	if r.checkOverdue() {
		t.Error("looked at too early")
	}
	r.checks.last = time.Now().Add(-3100 * time.Millisecond)
	if !r.checkOverdue() || r.checkOverdue() {
		t.Error("not looked at, or twice")
	}
}

func TestCheckCommand(t *testing.T) {
	for want, test := range map[string][]string{
		"":                      {"NONE"},
		"/probe health 150 0":   {"CMD", "/probe", "health", "150", "0"},
		"/bin/sh -c curl -f x":  {"CMD-SHELL", "curl -f x"},
		"/bin/bash -ec curl -f": {"CMD-SHELL", "curl -f"},
	} {
		c := &moby.Config{Healthcheck: &moby.HealthConfig{Test: test}}
		if strings.HasPrefix(want, "/bin/bash") {
			c.Shell = []string{"/bin/bash", "-ec"}
		}
		if got := checkCommand(c); got != want {
			t.Errorf("%q: %q, want %q", test, got, want)
		}
	}
}
