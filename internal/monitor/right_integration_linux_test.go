//go:build integration

package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// long makes the tests of this file as long as the claims are that docs make of them.
var long = os.Getenv("MONITOR_LONG") != ""

// truth is a reader of its own: it takes the CPU time of a container down every few milliseconds.
type truth struct {
	file    string
	unit    float64 // of the file's number, in seconds
	at      []time.Time
	seconds []float64
}

func truthOf(t *testing.T, id string) *truth {
	t.Helper()
	for pattern, unit := range map[string]float64{
		"/sys/fs/cgroup/cpuacct*/docker/" + id + "/cpuacct.usage":                    1e-9,
		"/sys/fs/cgroup/cpu,cpuacct/docker/" + id + "/cpuacct.usage":                 1e-9,
		"/sys/fs/cgroup/cpuacct*/system.slice/docker-" + id + ".scope/cpuacct.usage": 1e-9,
		"/sys/fs/cgroup/docker/" + id + "/cpu.stat":                                  1e-6,
		"/sys/fs/cgroup/system.slice/docker-" + id + ".scope/cpu.stat":               1e-6,
	} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return &truth{file: found[0], unit: unit}
		}
	}
	t.Fatalf("no cgroup of %s is where this test looks", id)
	return nil
}

func (r *truth) read(t *testing.T) {
	text, err := os.ReadFile(r.file)
	if err != nil {
		t.Error(err)
		return
	}
	number := strings.TrimPrefix(strings.SplitN(string(text), "\n", 2)[0], "usage_usec ")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		t.Error(err)
		return
	}
	r.at, r.seconds = append(r.at, time.Now()), append(r.seconds, n*r.unit)
}

// used is the CPU time until then, between two readings in proportion.
func (r *truth) used(then time.Time) float64 {
	for i := 1; i < len(r.at); i++ {
		if r.at[i].After(then) {
			part := float64(then.Sub(r.at[i-1])) / float64(r.at[i].Sub(r.at[i-1]))
			return r.seconds[i-1] + part*(r.seconds[i]-r.seconds[i-1])
		}
	}
	return math.NaN()
}

// TestCPUAsAnIndependentReaderHasIt: steady loads under limits of 0.1, 0.5 and 1 core and without one; each look is
// held against what another reader counted in the same window. A limited load runs in bursts, and where a burst lies
// at a window's edge the other reader's few milliseconds are a part of a point.
func TestCPUAsAnIndependentReaderHasIt(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+":test", nil)
	model := &types.Project{Name: project, Services: types.Services{}}
	truths := map[string]*truth{}
	for name, nano := range map[string]int64{"tenth": 1e8, "half": 5e8, "one": 1e9, "free": 0} {
		id := start(t, e, name, []string{"spin"}, nil,
			&container.HostConfig{Resources: container.Resources{NanoCPUs: nano}})
		model.Services[name], truths[name] = types.ServiceConfig{Name: name}, truthOf(t, id)
	}
	looks, good, all := 5, 0, 0
	if long {
		looks = 50
	}
	for range looks {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan bool)
		go func() {
			defer close(ended)
			for ctx.Err() == nil {
				for _, r := range truths {
					r.read(t)
				}
				time.Sleep(2 * time.Millisecond)
			}
		}()
		s, err := Take(t.Context(), e, model, e.Machine())
		time.Sleep(20 * time.Millisecond)
		cancel()
		<-ended
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Services {
			end := r.Counters.Read
			began := end.Add(-time.Duration(r.Rates.Seconds * float64(time.Second)))
			want := 100 * (truths[r.Service].used(end) - truths[r.Service].used(began)) / r.Rates.Seconds
			all++
			if math.Abs(r.CPUPercent-want) <= 3 {
				good++
			} else {
				t.Logf("%s: %.1f %%, the other reader %.1f %% in %.3f s", r.Service, r.CPUPercent, want,
					r.Rates.Seconds)
			}
		}
	}
	t.Logf("%d of %d within 3 points of a core", good, all)
	if all != 4*looks || good < all*95/100 {
		t.Errorf("%d of %d within 3 points of a core", good, all)
	}
}

// TestMemoryAsTheEngineHasIt compares with the engine's own statistics, as docker stats makes its figure of them.
func TestMemoryAsTheEngineHasIt(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+":test", nil)
	id := start(t, e, "holder", []string{"eat", "48"}, nil,
		&container.HostConfig{Resources: container.Resources{Memory: 256 << 20}})
	model := &types.Project{Name: project, Services: types.Services{"holder": {Name: "holder"}}}
	var ours, theirs int64
	enginetest.Until(t, 20*time.Second, "the same figure within two pages", func() bool {
		s, err := Take(t.Context(), e, model, e.Machine())
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.ContainerStats(t.Context(), id, client.ContainerStatsOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		var stats container.StatsResponse
		if err := json.NewDecoder(got.Body).Decode(&stats); err != nil {
			t.Fatal(err)
		}
		inactive, v1 := stats.MemoryStats.Stats["total_inactive_file"]
		if !v1 {
			inactive = stats.MemoryStats.Stats["inactive_file"]
		}
		ours, theirs = of(s, "holder").MemoryUsed, int64(stats.MemoryStats.Usage-inactive)
		return ours > 48<<20 && max(ours-theirs, theirs-ours) <= 2*4096
	})
	t.Logf("%d bytes, the engine has %d", ours, theirs)
}

// TestEveryKillIsCounted: of first processes that are started again, and of children whose parent goes on.
func TestEveryKillIsCounted(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+":test", nil)
	each := 3
	if long {
		each = 10
	}
	model := &types.Project{Name: project, Services: types.Services{}}
	for _, name := range []string{"parent", "first"} {
		model.Services[name] = types.ServiceConfig{Name: name}
	}
	o := NewObserver(e, model, e.Machine(), time.Second)
	snapshots, stop := o.Follow()
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	<-snapshots
	limit := container.Resources{Memory: 32 << 20, MemorySwap: 32 << 20}
	start(t, e, "parent", []string{"brood", "200", strconv.Itoa(each)}, nil, &container.HostConfig{Resources: limit})
	// Of one that is killed within a tenth of a second of its start, the engine itself may not see why it ended.
	start(t, e, "first", []string{"eat", "200", "1000"}, nil, &container.HostConfig{
		Resources:     limit,
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyOnFailure, MaximumRetryCount: each - 1},
	})
	kills := func(s Snapshot) string {
		return fmt.Sprint(of(s, "parent").OOMKills, " of children, ", of(s, "first").OOMKills, " of first processes")
	}
	want := fmt.Sprint(each, " of children, ", each, " of first processes")
	var last Snapshot
	enginetest.Until(t, 3*time.Minute, want, func() bool {
		last = <-snapshots
		return kills(last) == want && of(last, "first").State == "exited"
	})
	select { // nothing is counted twice
	case <-time.After(3 * time.Second):
	case <-t.Context().Done():
	}
	if last, _ = o.Latest(); kills(last) != want {
		t.Errorf("%s; want %s", kills(last), want)
	}
	looked, err := Take(t.Context(), e, model, e.Machine())
	if err != nil || kills(looked) != want {
		t.Errorf("one look has %s, %v; want %s", kills(looked), err, want)
	}
}

// counting is an engine whose requests are counted.
type counting struct {
	API
	asked atomic.Int64
}

func (c *counting) ContainerList(ctx context.Context, o client.ContainerListOptions,
) (client.ContainerListResult, error) {
	c.asked.Add(1)
	return c.API.ContainerList(ctx, o)
}

func (c *counting) ContainerInspect(ctx context.Context, id string, o client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	c.asked.Add(1)
	return c.API.ContainerInspect(ctx, id, o)
}

func (c *counting) ContainerStats(ctx context.Context, id string, o client.ContainerStatsOptions,
) (client.ContainerStatsResult, error) {
	c.asked.Add(1)
	return c.API.ContainerStats(ctx, id, o)
}

func (c *counting) Events(ctx context.Context, o client.EventsListOptions) client.EventsResult {
	c.asked.Add(1)
	return c.API.Events(ctx, o)
}

// TestWhileNothingChangesTheEngineIsNotAsked: health checks run meanwhile, and their times are followed.
func TestWhileNothingChangesTheEngineIsNotAsked(t *testing.T) {
	e := enginetest.Connect(t)
	enginetest.Image(t, e, project+":test", nil)
	start(t, e, "checked", []string{"sleep"}, []string{"/probe", "health", "150", "0"}, nil)
	model := &types.Project{Name: project, Services: types.Services{"checked": {Name: "checked"}}}
	c := &counting{API: e}
	o := NewObserver(c, model, e.Machine(), time.Second)
	snapshots, stop := o.Follow()
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	until := func(what string, is func(Replica) bool) {
		t.Helper()
		enginetest.Until(t, 20*time.Second, what, func() bool { return is(of(<-snapshots, "checked")) })
	}
	until("healthy and sampled", func(r Replica) bool { return r.Health == "healthy" && r.Rates.Seconds > 0.9 })
	before := c.asked.Load()
	checked, _ := o.Latest()
	for range 5 {
		until("another check", func(r Replica) bool { return r.Checked.After(of(checked, "checked").Checked) })
		checked, _ = o.Latest()
		if ms := of(checked, "checked").ResponseMS; ms < 150 || ms > 2000 {
			t.Errorf("a check of 150 ms took %v ms", ms)
		}
	}
	if asked := c.asked.Load() - before; asked != 0 {
		t.Errorf("%d requests in five steady refreshes", asked)
	}
}
