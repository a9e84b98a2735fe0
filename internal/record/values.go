// Package record owns what of a project's snapshots goes into its history, and what a stretch of that history says of
// each service: its figures, restarts, OOM kills, and when it was not as it should be.
package record

import (
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
)

// engineLost is the finding of a snapshot that knows nothing new: the engine did not answer.
const engineLost = "engine.lost"

// Values gives the figures of a snapshot. A service with several containers has the greatest of their figures that are
// held against one container's limits (CPU, memory, throttling, pressure) and of times that somebody waited, and the
// sum of what is sent and written and of what is counted. It is healthy where all of them are, and up since the last
// one started.
func Values(s monitor.Snapshot) []history.Value {
	if slices.ContainsFunc(s.Findings, func(f finding.Finding) bool { return f.ID == engineLost }) {
		return nil
	}
	v := values{at: map[history.Series]int{}}
	for _, r := range s.Services {
		v.replica(r, s.Time)
	}
	if s.Disk.Space != nil {
		v.greatest("", history.DiskFree, float64(s.Disk.Space.Free))
	}
	return v.all
}

type values struct {
	all []history.Value
	at  map[history.Series]int // where each stands
}

func (v *values) combine(service, metric string, figure float64, combined func(a, b float64) float64) {
	key := history.Series{Service: service, Metric: metric}
	if i, there := v.at[key]; there {
		v.all[i].V = combined(v.all[i].V, figure)
		return
	}
	v.at[key] = len(v.all)
	v.all = append(v.all, history.Value{Service: service, Metric: metric, V: figure})
}

func (v *values) greatest(service, metric string, figure float64) {
	v.combine(service, metric, figure, func(a, b float64) float64 { return max(a, b) })
}

func (v *values) sum(service, metric string, figure float64) {
	v.combine(service, metric, figure, func(a, b float64) float64 { return a + b })
}

func (v *values) replica(r monitor.Replica, now time.Time) {
	if r.Expected {
		healthy := 0.0
		if r.Verdict.Fine {
			healthy = 1
		}
		v.combine(r.Service, history.Healthy, healthy, func(a, b float64) float64 { return min(a, b) })
	}
	if r.ID != "" && r.State != monitor.StateGone && r.Error == "" {
		v.sum(r.Service, history.Restarts, float64(r.Restarts))
		v.sum(r.Service, history.OOMKills, float64(r.OOMKills))
	}
	if !r.Running() {
		return
	}
	v.load(r)
	if up := now.Sub(r.Started).Seconds(); !r.Started.IsZero() {
		v.combine(r.Service, history.UpSeconds, max(0, up), func(a, b float64) float64 { return min(a, b) })
	}
	if r.ResponseMS > 0 {
		v.greatest(r.Service, history.HealthCheckMS, r.ResponseMS)
	}
	if r.Answer.MS > 0 {
		v.greatest(r.Service, history.ResponseMS, r.Answer.MS)
	}
	if r.Log.Total > 0 {
		v.sum(r.Service, history.LogErrors, r.Log.PerMinute)
	}
}

// load is what the kernel counts of a container that runs, as far as the counters could be read.
func (v *values) load(r monitor.Replica) {
	if r.Counters.Read.IsZero() {
		return
	}
	v.greatest(r.Service, history.MemoryWorkingSet, float64(r.MemoryUsed))
	if r.Counters.MemoryUnreclaimable > 0 { // 0 where the source does not tell
		v.greatest(r.Service, history.MemoryUnreclaimable, float64(r.Counters.MemoryUnreclaimable))
	}
	if p := r.Counters.Pressure; p != nil {
		v.greatest(r.Service, history.PressureCPU, p.CPU.Waiting10)
		v.greatest(r.Service, history.PressureMemory, p.Memory.Waiting10)
		v.greatest(r.Service, history.PressureIO, p.IO.Waiting10)
	}
	if r.Rates.Seconds == 0 { // there was only one reading
		return
	}
	v.greatest(r.Service, history.CPUPercent, r.CPUPercent)
	v.greatest(r.Service, history.CPUThrottled, r.ThrottledPercent)
	v.sum(r.Service, history.NetworkReceived, r.Rates.Received)
	v.sum(r.Service, history.NetworkSent, r.Rates.Sent)
	v.sum(r.Service, history.BlockRead, r.Rates.BlockRead)
	v.sum(r.Service, history.BlockWritten, r.Rates.BlockWritten)
}
