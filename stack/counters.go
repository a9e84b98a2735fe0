package stack

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

// Answer is how the service itself answered, asked from outside of its container: by an HTTP request to the address
// under x-compose-mage, or by connecting to a port. Its zero value is that nobody asked.
type Answer struct {
	Of string    `json:"of"`          // what was asked: http://172.18.0.2:8000/health, tcp://127.0.0.1:6379
	At time.Time `json:"at,omitzero"` // when
	// MS is how long the answer took, in milliseconds: until the connection, or the head of the HTTP answer, was there.
	MS      float64 `json:"ms"`
	Error   string  `json:"error,omitempty"`   // why there was none, or why it is no good one: "HTTP 503"
	Pending bool    `json:"pending,omitempty"` // the service has not answered yet, after MS
	Named   bool    `json:"named,omitempty"`   // the Compose file names what was asked; else it is a published port
}

// LogErrors is what the container's log says of errors, counted since somebody reads it. Its zero value is that
// nobody does.
type LogErrors struct {
	Total     int64   `json:"errors_total"`
	PerMinute float64 `json:"errors_per_minute"` // in the last minute
	// Usual is how many a minute had on average, in the hour before the last minute; 0 where nobody has read for
	// longer.
	Usual  float64    `json:"usual_errors_per_minute"`
	Groups []LogGroup `json:"groups,omitempty"` // the most frequent, at most ten
	// Source is how the log is read: file, or engine.
	Source string `json:"source,omitempty"`
	// Skipped are bytes that were not looked at, since more was written than is read.
	Skipped int64 `json:"skipped_bytes,omitempty"`
}

// LogGroup is lines of errors that differ in numbers, identifiers and the like alone.
type LogGroup struct {
	Template string    `json:"template"` // the line with what differs as *
	Count    int64     `json:"count"`
	Last     time.Time `json:"last"` // when such a line was last read
}
