package sampler

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// clock is an engine whose only container uses half a core. It collects statistics when asked, or where ticks is
// set, once in a tick, as Docker 20.10 does once a second.
type clock struct {
	tick  time.Duration
	ends  int // after so many frames; 0 is never
	asked []bool
}

func (c *clock) ContainerStats(ctx context.Context, _ string, o client.ContainerStatsOptions,
) (client.ContainerStatsResult, error) {
	c.asked = append(c.asked, o.Stream)
	r, w := io.Pipe()
	go func() {
		defer w.Close()
		for n := 1; ; n++ {
			if c.tick > 0 {
				time.Sleep(c.tick)
			} else if n > 1 {
				time.Sleep(4 * Window)
			}
			now := time.Now()
			frame := moby.StatsResponse{Read: now, MemoryStats: moby.MemoryStats{Usage: 7}}
			frame.CPUStats.CPUUsage.TotalUsage = uint64(now.UnixNano() / 2)
			if json.NewEncoder(w).Encode(frame) != nil || n == c.ends || !o.Stream {
				return
			}
		}
	}()
	context.AfterFunc(ctx, func() { r.Close() })
	return client.ContainerStatsResult{Body: r}, nil
}

func TestAskTakesTheQuickestPair(t *testing.T) {
	for name, c := range map[string]struct {
		engine *clock
		asked  int
		least  time.Duration
	}{
		"collects when asked":  {&clock{}, 2, Window},
		"collects in a second": {&clock{tick: 2 * prompt}, 1, 2 * prompt},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, err := Ask(t.Context(), c.engine, "x")
			if err != nil {
				t.Fatal(err)
			}
			r := Between(before, after)
			if r.CPUPercent < 49 || r.CPUPercent > 51 || after.MemoryWorkingSet != 7 {
				t.Errorf("rates %+v of %+v", r, after)
			}
			if got := after.Read.Sub(before.Read); got < c.least*9/10 || len(c.engine.asked) != c.asked {
				t.Errorf("window %s, %d requests", got, len(c.engine.asked))
			}
		})
	}
}

func TestAContainerThatEndsWhileItIsAskedFor(t *testing.T) {
	if _, _, err := Ask(t.Context(), &clock{tick: 2 * prompt, ends: 1}, "x"); !errors.Is(err, errNoFigures) {
		t.Errorf("got %v", err)
	}
}

// answers gives every request the same text.
type answers string

func (a answers) ContainerStats(context.Context, string, client.ContainerStatsOptions,
) (client.ContainerStatsResult, error) {
	return client.ContainerStatsResult{Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func TestOddAnswers(t *testing.T) {
	for text, want := range map[string]string{
		``:                                  "no figures",
		`{"id":"x"}`:                        "no figures", // how engines say that it does not run
		`{"read":"2025-01-01T00:00:00Z"`:    "unexpected EOF",
		`[]`:                                "cannot unmarshal",
		`"` + strings.Repeat("x", 9<<20):    "unexpected EOF",
		`{"read":"2025-01-01T00:00:00Z"} {`: "unexpected EOF",
	} {
		got := 0
		err := Stream(t.Context(), answers(text), "x", func(Counters) { got++ })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v", text, err)
		}
	}
}

func TestStreamGivesEachReading(t *testing.T) {
	var got []Counters
	err := Stream(t.Context(), &clock{tick: time.Millisecond, ends: 3}, "x", func(c Counters) { got = append(got, c) })
	if len(got) != 3 || !errors.Is(err, errNoFigures) {
		t.Errorf("%d readings, %v", len(got), err)
	}
}

func TestFromEngine(t *testing.T) {
	s := moby.StatsResponse{
		Networks: map[string]moby.NetworkStats{"eth0": {RxBytes: 1, TxBytes: 2}, "eth1": {RxBytes: 10, TxBytes: 20}},
		BlkioStats: moby.BlkioStats{
			IoServiceBytesRecursive: []moby.BlkioStatEntry{{Op: "Read", Value: 5}, {Op: "write", Value: 6}},
		},
		PidsStats: moby.PidsStats{Current: 4},
	}
	s.CPUStats.CPUUsage = moby.CPUUsage{TotalUsage: 3e9, UsageInUsermode: 2e9, UsageInKernelmode: 1e9}
	s.CPUStats.ThrottlingData = moby.ThrottlingData{Periods: 8, ThrottledPeriods: 3, ThrottledTime: 5e8}
	common := Counters{
		CPUSeconds: 3, CPUUserSeconds: 2, CPUSystemSeconds: 1, Periods: 8, ThrottledPeriods: 3, ThrottledSeconds: 0.5,
		MemoryUsage: 100, NetworkReceived: 11, NetworkSent: 22, BlockRead: 5, BlockWritten: 6, Processes: 4,
	}
	v1, v2 := common, common
	v1.MemoryWorkingSet, v1.MemoryAnonymous, v1.MemoryCache, v1.MemorySwap, v1.MemoryUnreclaimable = 70, 40, 50, 3, 42
	v2.MemoryWorkingSet, v2.MemoryAnonymous, v2.MemoryCache, v2.MemoryUnreclaimable = 60, 30, 60, 30+5+1+2+3+4+8
	for name, c := range map[string]struct {
		stats map[string]uint64
		want  Counters
	}{
		"cgroup v1": {map[string]uint64{
			"total_inactive_file": 30, "inactive_file": 10, "total_rss": 40, "total_cache": 50, "total_swap": 3,
			"total_shmem": 2, "rss": 1,
		}, v1},
		"cgroup v2": {map[string]uint64{
			"inactive_file": 40, "anon": 30, "file": 60, "shmem": 5, "kernel_stack": 1, "pagetables": 2, "percpu": 3,
			"slab": 4, "sock": 8,
		}, v2},
	} {
		t.Run(name, func(t *testing.T) {
			s.MemoryStats = moby.MemoryStats{Usage: 100, Stats: c.stats}
			if got := fromEngine(s); got != c.want {
				t.Errorf("got\n%+v, want\n%+v", got, c.want)
			}
		})
	}
	s.MemoryStats.Stats = map[string]uint64{"inactive_file": 140}
	if got := fromEngine(s); got.MemoryWorkingSet != 100 {
		t.Errorf("cache larger than usage: %d", got.MemoryWorkingSet)
	}
}
