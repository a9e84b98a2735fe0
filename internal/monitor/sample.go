package monitor

import (
	"context"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// SampleInterval lies between the two samples of which a CPU share is made. Under a second the kernel's 10 ms clock
// ticks would show as noise.
const SampleInterval = time.Second

// sampleTwice takes two one-shot samples. The engine's own pair (stats without one-shot) costs up to two seconds.
func sampleTwice(ctx context.Context, api API, id string) (before, after moby.StatsResponse, err error) {
	if before, err = sample(ctx, api, id); err != nil {
		return
	}
	select {
	case <-ctx.Done():
		return before, after, ctx.Err()
	case <-time.After(SampleInterval):
	}
	after, err = sample(ctx, api, id)
	return
}

func sample(ctx context.Context, api API, id string) (moby.StatsResponse, error) {
	var s moby.StatsResponse
	got, err := api.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return s, err
	}
	defer got.Body.Close()
	return s, engine.StatsLimit.Decode(got.Body, &s)
}

// measure fills in CPU and memory. A container that ended between the samples keeps zeros.
func (r *Replica) measure(before, after moby.StatsResponse, machine engine.Machine) {
	r.CPUPercent = cpuPercent(before, after)
	cores := r.CPULimit
	if cores == 0 {
		cores = float64(machine.CPUs)
	}
	if cores > 0 {
		r.CPULimitPercent = r.CPUPercent / cores
	}
	b, a := before.CPUStats.ThrottlingData, after.CPUStats.ThrottlingData
	if a.Periods > b.Periods && a.ThrottledPeriods >= b.ThrottledPeriods {
		r.ThrottledPercent = 100 * float64(a.ThrottledPeriods-b.ThrottledPeriods) / float64(a.Periods-b.Periods)
	}
	r.MemoryUsed = memoryUsed(after.MemoryStats)
	limit := r.MemoryLimit
	if limit == 0 {
		limit = machine.Memory
	}
	if limit > 0 {
		r.MemoryPercent = 100 * float64(r.MemoryUsed) / float64(limit)
	}
}

// cpuPercent is Docker's formula, in percent of one core: the container's share of the machine's CPU time, times the
// number of CPUs. Where the engine leaves the machine's time out, the wall clock between the samples stands in.
func cpuPercent(before, after moby.StatsResponse) float64 {
	if after.CPUStats.CPUUsage.TotalUsage < before.CPUStats.CPUUsage.TotalUsage {
		return 0 // restarted, or ended, in between
	}
	used := float64(after.CPUStats.CPUUsage.TotalUsage - before.CPUStats.CPUUsage.TotalUsage)
	cpus := float64(after.CPUStats.OnlineCPUs)
	if cpus == 0 {
		cpus = float64(len(after.CPUStats.CPUUsage.PercpuUsage)) // engines before 17.03, and some cgroup v1 kernels
	}
	if after.CPUStats.SystemUsage > before.CPUStats.SystemUsage && before.CPUStats.SystemUsage > 0 && cpus > 0 {
		return 100 * cpus * used / float64(after.CPUStats.SystemUsage-before.CPUStats.SystemUsage)
	}
	if elapsed := after.Read.Sub(before.Read); elapsed > 0 {
		return 100 * used / float64(elapsed.Nanoseconds())
	}
	return 0
}

// memoryUsed leaves the inactive file cache out, as docker stats does: the kernel gives it back when asked. cgroup v1
// calls it total_inactive_file, v2 inactive_file.
func memoryUsed(m moby.MemoryStats) int64 {
	cache, v1 := m.Stats["total_inactive_file"]
	if !v1 {
		cache = m.Stats["inactive_file"]
	}
	if cache < m.Usage {
		return int64(m.Usage - cache)
	}
	return int64(m.Usage)
}
