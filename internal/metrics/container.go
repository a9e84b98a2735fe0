package metrics

import (
	"time"

	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/sampler"
)

// cpuPeriod is the kernel's default period of a CPU limit, in microseconds.
const cpuPeriod = 100_000

// container adds what cAdvisor tells of a container too, of one that runs.
func (f families) container(s monitor.Snapshot, r monitor.Replica) {
	l := cadvisor(s.Project, r)
	f.gauge("container_last_seen", "Last time that the container was seen, in seconds since 1970.", l, seconds(s.Time))
	f.gauge("container_start_time_seconds", "Start of the container, in seconds since 1970.", l, seconds(r.Started))
	f.gauge("container_spec_memory_limit_bytes", "Memory limit of the container; 0 for none.", l,
		float64(r.MemoryLimit))
	f.gauge("container_spec_cpu_period", "Period of the CPU limit, in microseconds.", l, cpuPeriod)
	if r.CPULimit > 0 {
		f.gauge("container_spec_cpu_quota", "CPU time in each period that the limit allows, in microseconds.", l,
			r.CPULimit*cpuPeriod)
	}
	f.gauge("container_fs_usage_bytes", "Bytes that the container wrote into its own layer.", l, float64(r.Written))
	if c := r.Counters; !c.Read.IsZero() {
		f.cpu(l, c, r.CPULimit > 0)
		f.memory(l, c)
		f.traffic(l, c)
		f.pressure(l, c.Pressure)
		f.gauge("compose_mage_container_memory_unreclaimable_bytes",
			"Memory that nobody else can have: anonymous, shared, and the kernel's for the container.",
			ofContainer(s.Project, r), float64(c.MemoryUnreclaimable))
	}
}

func (f families) cpu(l labels, c sampler.Counters, limited bool) {
	f.counter("container_cpu_usage_seconds_total", "CPU time of all cores together.",
		append(labelled(map[string]string{"cpu": "total"}), l...), c.CPUSeconds)
	f.counter("container_cpu_user_seconds_total", "CPU time in programs.", l, c.CPUUserSeconds)
	f.counter("container_cpu_system_seconds_total", "CPU time in the kernel.", l, c.CPUSystemSeconds)
	if !limited {
		return
	}
	f.counter("container_cpu_cfs_periods_total", "Periods of the CPU limit.", l, float64(c.Periods))
	f.counter("container_cpu_cfs_throttled_periods_total", "Periods in which the CPU limit held the container back.",
		l, float64(c.ThrottledPeriods))
	f.counter("container_cpu_cfs_throttled_seconds_total", "Time for which the CPU limit held the container back.", l,
		c.ThrottledSeconds)
}

func (f families) memory(l labels, c sampler.Counters) {
	f.gauge("container_memory_usage_bytes", "Memory with the file cache that is charged to the container.", l,
		float64(c.MemoryUsage))
	f.gauge("container_memory_working_set_bytes", "Memory without the inactive file cache.", l,
		float64(c.MemoryWorkingSet))
	f.gauge("container_memory_rss", "Anonymous memory, in bytes.", l, float64(c.MemoryAnonymous))
	f.gauge("container_memory_cache", "File cache, in bytes.", l, float64(c.MemoryCache))
	f.gauge("container_memory_swap", "Memory in swap, in bytes.", l, float64(c.MemorySwap))
	f.gauge("container_memory_max_usage_bytes", "The most that memory usage has been.", l, float64(c.MemoryMax))
}

func (f families) traffic(l labels, c sampler.Counters) {
	f.counter("container_network_receive_bytes_total", "Bytes received, on all interfaces.", l,
		float64(c.NetworkReceived))
	f.counter("container_network_transmit_bytes_total", "Bytes sent, on all interfaces.", l, float64(c.NetworkSent))
	f.counter("container_fs_reads_bytes_total", "Bytes read from block devices.", l, float64(c.BlockRead))
	f.counter("container_fs_writes_bytes_total", "Bytes written to block devices.", l, float64(c.BlockWritten))
	f.gauge("container_processes", "Processes in the container.", l, float64(c.Processes))
}

func (f families) pressure(l labels, p *sampler.Pressures) {
	if p == nil {
		return
	}
	for _, of := range []struct {
		what     string
		pressure sampler.Pressure
	}{{"cpu", p.CPU}, {"memory", p.Memory}, {"io", p.IO}} {
		f.counter("container_pressure_"+of.what+"_waiting_seconds_total",
			"Time in which at least one process could not go on for want of it.", l, of.pressure.WaitingSeconds)
		f.counter("container_pressure_"+of.what+"_stalled_seconds_total",
			"Time in which no process could go on for want of it.", l, of.pressure.StalledSeconds)
	}
}

// seconds gives a time as Prometheus has it; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
