package monitor

import (
	"math"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/engine"
)

func stats(at time.Time, used, system uint64, cpus uint32, perCPU int) moby.StatsResponse {
	return moby.StatsResponse{Read: at, CPUStats: moby.CPUStats{
		CPUUsage:    moby.CPUUsage{TotalUsage: used, PercpuUsage: make([]uint64, perCPU)},
		SystemUsage: system, OnlineCPUs: cpus,
	}}
}

func TestCPUPercent(t *testing.T) {
	t0 := time.Unix(100, 0)
	t1 := t0.Add(time.Second)
	const second = 1_000_000_000
	for name, c := range map[string]struct {
		before, after moby.StatsResponse
		want          float64
	}{
		"one core of four": {
			stats(t0, second, 10*second, 4, 0), stats(t1, 2*second, 14*second, 4, 0), 100,
		},
		"all four": {stats(t0, 0, 10*second, 4, 0), stats(t1, 4*second, 14*second, 4, 0), 400},
		"idle": {
			stats(t0, second, 10*second, 4, 0), stats(t1, second, 14*second, 4, 0), 0,
		},
		"cgroup v1 without online_cpus":   {stats(t0, 0, 10*second, 0, 2), stats(t1, second/2, 12*second, 0, 2), 50},
		"no system usage: the wall clock": {stats(t0, 0, 0, 2, 0), stats(t1, second/4, 0, 2, 0), 25},
		"restarted in between": {
			stats(t0, 5*second, 10*second, 4, 0), stats(t1, second, 14*second, 4, 0), 0,
		},
		"ended in between: an empty sample": {stats(t0, 5*second, 10*second, 4, 0), moby.StatsResponse{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cpuPercent(c.before, c.after); math.Abs(got-c.want) > 0.01 {
				t.Errorf("got %v %%, want %v %%", got, c.want)
			}
		})
	}
}

func TestMemoryUsedLeavesTheCacheOut(t *testing.T) {
	for name, c := range map[string]struct {
		stats moby.MemoryStats
		want  int64
	}{
		"cgroup v1": {
			moby.MemoryStats{Usage: 100, Stats: map[string]uint64{"total_inactive_file": 30, "inactive_file": 10}}, 70,
		},
		"cgroup v1, no cache": {
			moby.MemoryStats{Usage: 100, Stats: map[string]uint64{"total_inactive_file": 0, "inactive_file": 10}}, 100,
		},
		"cgroup v2":               {moby.MemoryStats{Usage: 100, Stats: map[string]uint64{"inactive_file": 40}}, 60},
		"cache larger than usage": {moby.MemoryStats{Usage: 100, Stats: map[string]uint64{"inactive_file": 140}}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			if got := memoryUsed(c.stats); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestMeasureAgainstLimitsAndMachine(t *testing.T) {
	t0 := time.Unix(100, 0)
	before, after := stats(t0, 0, 1e9, 4, 0), stats(t0.Add(time.Second), 5e8, 5e9, 4, 0) // half a core
	after.CPUStats.ThrottlingData = moby.ThrottlingData{Periods: 10, ThrottledPeriods: 4}
	after.MemoryStats = moby.MemoryStats{Usage: 512}
	machine := engine.Machine{CPUs: 4, Memory: 2048}
	for name, c := range map[string]struct {
		replica                Replica
		cpu, memory, throttled float64
	}{
		"limited":   {Replica{CPULimit: 0.5, MemoryLimit: 1024}, 100, 50, 40},
		"unlimited": {Replica{}, 12.5, 25, 40},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.replica
			r.measure(before, after, machine)
			if r.CPULimitPercent != c.cpu || r.MemoryPercent != c.memory || r.ThrottledPercent != c.throttled {
				t.Errorf("cpu %v memory %v throttled %v, want %v %v %v", r.CPULimitPercent, r.MemoryPercent,
					r.ThrottledPercent, c.cpu, c.memory, c.throttled)
			}
		})
	}
}

func TestOOMFile(t *testing.T) {
	const id = "0123abc"
	for name, c := range map[string]struct{ cgroup, want string }{
		"v1": {
			"11:cpu,cpuacct:/docker/0123abc\n9:memory:/docker/0123abc\n0::/docker/0123abc\n",
			"/sys/fs/cgroup/memory/docker/0123abc/memory.oom_control",
		},
		"v2": {
			"0::/system.slice/docker-0123abc.scope\n", "/sys/fs/cgroup/system.slice/docker-0123abc.scope/memory.events",
		},
		"another machine's process": {"0::/user.slice/session-1.scope\n", ""},
		"nothing":                   {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := oomFile(strings.NewReader(c.cgroup), id); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestOOMCount(t *testing.T) {
	for text, want := range map[string]int{
		"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n":                3, // v1
		"low 0\nhigh 0\nmax 12\noom 4\noom_kill 2\noom_group_kill 0\n": 2, // v2
		"oom_kill_disable 0\nunder_oom 0\n":                            0, // v1 before Linux 4.13
		"":                                                             0,
	} {
		if got := oomCount(strings.NewReader(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
