// Package sampler owns how a container's counters are read: from the kernel's cgroup files where the engine is this
// machine's, else from the engine; and what two readings give a second. It judges nothing.
package sampler

import "time"

// Counters are what the kernel has counted of one container since it started, read at one moment. Where a source does
// not have one of them it is 0, or nil. Sizes are bytes.
type Counters struct {
	Read time.Time `json:"read,omitzero"` // zero where nothing was read

	CPUSeconds       float64 `json:"cpu_seconds"` // of all cores together
	CPUUserSeconds   float64 `json:"cpu_user_seconds"`
	CPUSystemSeconds float64 `json:"cpu_system_seconds"`
	Periods          int64   `json:"cpu_periods"`           // of the CPU limit
	ThrottledPeriods int64   `json:"cpu_throttled_periods"` // those in which the limit held the container back
	ThrottledSeconds float64 `json:"cpu_throttled_seconds"`

	MemoryUsage      int64 `json:"memory_usage_bytes"`       // with the file cache that is charged to it
	MemoryWorkingSet int64 `json:"memory_working_set_bytes"` // without the inactive file cache
	// MemoryUnreclaimable is what nobody else can have: anonymous and shared memory, and the kernel's for it.
	MemoryUnreclaimable int64 `json:"memory_unreclaimable_bytes"`
	MemoryAnonymous     int64 `json:"memory_rss_bytes"`
	MemoryCache         int64 `json:"memory_cache_bytes"`
	MemorySwap          int64 `json:"memory_swap_bytes"`
	MemoryMax           int64 `json:"memory_max_usage_bytes"` // the most that usage has been
	OOMKills            int64 `json:"oom_kills"`              // of the container's processes, its first or another

	NetworkReceived int64 `json:"network_received_bytes"`
	NetworkSent     int64 `json:"network_sent_bytes"`
	BlockRead       int64 `json:"block_read_bytes"`
	BlockWritten    int64 `json:"block_written_bytes"`
	Processes       int64 `json:"processes"`

	Pressure *Pressures `json:"pressure,omitempty"` // nil where the kernel does not tell
}

// Pressures are the times in which processes of the container could not go on for want of something (the kernel's
// pressure stall information).
type Pressures struct {
	CPU    Pressure `json:"cpu"`
	Memory Pressure `json:"memory"`
	IO     Pressure `json:"io"`
}

// Pressure is of one resource.
type Pressure struct {
	WaitingSeconds float64 `json:"waiting_seconds"`     // in which at least one process waited
	StalledSeconds float64 `json:"stalled_seconds"`     // in which all did
	Waiting10      float64 `json:"waiting_10s_percent"` // of the last ten seconds, in which at least one waited
}

// Rates are what happened between two readings. Its zero value is that there was only one.
type Rates struct {
	Seconds      float64 `json:"seconds"`               // between the two readings
	CPUPercent   float64 `json:"cpu_percent"`           // of one core
	Throttled    float64 `json:"cpu_throttled_percent"` // of the CPU limit's periods
	Received     float64 `json:"network_received_bytes_per_second"`
	Sent         float64 `json:"network_sent_bytes_per_second"`
	BlockRead    float64 `json:"block_read_bytes_per_second"`
	BlockWritten float64 `json:"block_written_bytes_per_second"`
}
