// Package history owns what was measured of a project over time: the last hour in memory as it was measured, and seven
// days in files of the state directory, which can be read after any kill. Who measures, and what a figure means for a
// service, is not the package's.
package history

import (
	"errors"
	"time"
)

// The metrics that are kept. A unit stands at the end of each name. A metric that is not among them is kept too.
const (
	CPUPercent          = "cpu_percent"              // of one core
	CPUThrottled        = "cpu_throttled_percent"    // of the CPU limit's periods
	MemoryWorkingSet    = "memory_working_set_bytes" // without the inactive file cache
	MemoryUnreclaimable = "memory_unreclaimable_bytes"
	PressureCPU         = "pressure_cpu_percent" // of the last ten seconds, in which a process waited for a CPU
	PressureMemory      = "pressure_memory_percent"
	PressureIO          = "pressure_io_percent"
	NetworkReceived     = "network_received_bytes_per_second"
	NetworkSent         = "network_sent_bytes_per_second"
	BlockRead           = "block_read_bytes_per_second"
	BlockWritten        = "block_written_bytes_per_second"
	HealthCheckMS       = "health_check_ms" // how long the last health check took
	ResponseMS          = "response_ms"     // how long the service's own answer took
	LogErrors           = "log_errors_per_minute"
	Restarts            = "restarts"   // counted since the container was made
	OOMKills            = "oom_kills"  // counted since the container was made
	Healthy             = "healthy"    // 1 where the service is as it should be, else 0
	UpSeconds           = "up_seconds" // since the container was started
	DiskFree            = "disk_free_bytes"
)

// Metrics gives the metrics that are known, in the order in which they are shown.
func Metrics() []string {
	return []string{
		CPUPercent, CPUThrottled, MemoryWorkingSet, MemoryUnreclaimable, PressureCPU, PressureMemory, PressureIO,
		NetworkReceived, NetworkSent, BlockRead, BlockWritten, HealthCheckMS, ResponseMS, LogErrors,
		Restarts, OOMKills, Healthy, UpSeconds, DiskFree,
	}
}

// Series is one metric of one service.
type Series struct {
	Service string `json:"service"` // "" is the machine
	Metric  string `json:"metric"`
}

// Value is one figure, as it was measured.
type Value struct {
	Service string // "" is the machine
	Metric  string // one of Metrics, or another
	V       float64
}

// Point is what a metric was from Time on, until the next point's: the least, the mean and the greatest of all that was
// measured then. Where nothing was measured there is no point.
type Point struct {
	Time time.Time `json:"time"`
	Min  float64   `json:"min"`
	Mean float64   `json:"mean"`
	Max  float64   `json:"max"`
}

// ErrTaken is Open's error where another process writes the history of the project: ReadOnly still reads it.
var ErrTaken = errors.New("another process records this project's history")
