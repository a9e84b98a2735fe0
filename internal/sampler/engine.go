package sampler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// Window is the least time between two readings of which a share of CPU time is made: a multiple of the kernel's
// period of CPU limits (100 ms), in which a limited container runs first and then waits.
const Window = 500 * time.Millisecond

// prompt is how long an engine may take for its first statistics that collects them when asked. Up to 20.10 they are
// collected once a second only, and whoever asks waits for that.
const prompt = 150 * time.Millisecond

// StatsAPI is how an engine is asked for a container's statistics.
type StatsAPI interface {
	ContainerStats(context.Context, string, client.ContainerStatsOptions) (client.ContainerStatsResult, error)
}

// errNoFigures is the end of a stream without figures: the container has ended.
var errNoFigures = errors.New("reading stats: the engine has no figures of the container")

// Ask takes two readings from the engine, as soon as that can: where its first answer comes at once, the second is
// asked for after the Window; else the engine's next second is waited for.
func Ask(ctx context.Context, api StatsAPI, id string) (before, after Counters, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	stream, err := frames(ctx, api, id, true)
	if err != nil {
		return before, after, err
	}
	defer func() { _ = stream.close() }()
	if before, err = stream.next(); err != nil {
		return before, after, err
	}
	if time.Since(began) > prompt {
		after, err = stream.next()
		return before, after, err
	}
	select {
	case <-ctx.Done():
		return before, after, ctx.Err()
	case <-time.After(Window):
	}
	once, err := frames(ctx, api, id, false)
	if err != nil {
		return before, after, err
	}
	defer func() { _ = once.close() }()
	after, err = once.next()
	return before, after, err
}

// Stream reads a container's counters from the engine, about once a second, and gives each reading to take. It
// returns when the container has ended or can't be read, or ctx has ended.
func Stream(ctx context.Context, api StatsAPI, id string, take func(Counters)) error {
	stream, err := frames(ctx, api, id, true)
	if err != nil {
		return err
	}
	defer func() { _ = stream.close() }()
	for {
		c, err := stream.next()
		if err != nil {
			return err
		}
		take(c)
	}
}

// frameReader reads statistics one after the other, each up to a limit.
type frameReader struct {
	close   func() error
	limited *io.LimitedReader
	decoder *json.Decoder
}

func frames(ctx context.Context, api StatsAPI, id string, stream bool) (*frameReader, error) {
	got, err := api.ContainerStats(ctx, id, client.ContainerStatsOptions{Stream: stream})
	if err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: got.Body}
	return &frameReader{close: got.Body.Close, limited: limited, decoder: json.NewDecoder(limited)}, nil
}

func (f *frameReader) next() (Counters, error) {
	f.limited.N = engine.StatsLimit.Bytes
	var s moby.StatsResponse
	switch err := f.decoder.Decode(&s); {
	case errors.Is(err, io.EOF), err == nil && s.Read.IsZero():
		return Counters{}, errNoFigures
	case err != nil:
		return Counters{}, fmt.Errorf("reading stats: %w", err)
	}
	return fromEngine(s), nil
}

// fromEngine takes from the engine's statistics what the cgroup files would have told. OOM kills and pressure the
// engine does not tell.
func fromEngine(s moby.StatsResponse) Counters {
	cpu, memory := s.CPUStats, s.MemoryStats
	c := Counters{
		Read:             s.Read,
		CPUSeconds:       float64(cpu.CPUUsage.TotalUsage) / 1e9,
		CPUUserSeconds:   float64(cpu.CPUUsage.UsageInUsermode) / 1e9,
		CPUSystemSeconds: float64(cpu.CPUUsage.UsageInKernelmode) / 1e9,
		Periods:          int64(cpu.ThrottlingData.Periods),
		ThrottledPeriods: int64(cpu.ThrottlingData.ThrottledPeriods),
		ThrottledSeconds: float64(cpu.ThrottlingData.ThrottledTime) / 1e9,
		MemoryUsage:      int64(memory.Usage),
		MemoryMax:        int64(memory.MaxUsage),
		Processes:        int64(s.PidsStats.Current),
	}
	of := func(name string) int64 { return int64(memory.Stats[name]) }
	if inactive, v1 := memory.Stats["total_inactive_file"]; v1 {
		c.MemoryWorkingSet = workingSet(c.MemoryUsage, int64(inactive))
		c.MemoryAnonymous, c.MemoryCache, c.MemorySwap = of("total_rss"), of("total_cache"), of("total_swap")
		c.MemoryUnreclaimable = c.MemoryAnonymous + of("total_shmem")
	} else {
		c.MemoryWorkingSet = workingSet(c.MemoryUsage, of("inactive_file"))
		c.MemoryAnonymous, c.MemoryCache = of("anon"), of("file")
		kernel := of("kernel_stack") + of("pagetables") + of("percpu") + of("slab")
		c.MemoryUnreclaimable = c.MemoryAnonymous + of("shmem") + kernel + of("sock")
	}
	for _, n := range s.Networks {
		c.NetworkReceived, c.NetworkSent = c.NetworkReceived+int64(n.RxBytes), c.NetworkSent+int64(n.TxBytes)
	}
	for _, e := range s.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(e.Op) {
		case "read":
			c.BlockRead += int64(e.Value)
		case "write":
			c.BlockWritten += int64(e.Value)
		}
	}
	return c
}
