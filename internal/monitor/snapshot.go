// Package monitor owns what is known of a running stack: one snapshot of every service's state, health, CPU, memory,
// restarts and OOM kills, of the engine's disk, and of what is wrong with any of it. It changes nothing.
package monitor

import (
	"time"

	"github.com/25eloquence/compose-mage/internal/answer"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/logerrors"
	"github.com/25eloquence/compose-mage/internal/sampler"
)

// Snapshot is the state of a project at one moment. It marshals to JSON with its units in the names.
type Snapshot struct {
	Time    time.Time `json:"time"`
	Project string    `json:"project"`
	CPUs    int       `json:"machine_cpus"`
	Memory  int64     `json:"machine_memory_bytes"`
	// in the order of their names; a service that should run but has no container is one too
	Services []Replica         `json:"services"`
	Disk     Disk              `json:"disk"`
	Findings []finding.Finding `json:"findings"`
}

// The states that are not the engine's.
const (
	StateMissing  = "missing"  // the service has no container, or fewer than it should
	StateSurplus  = "surplus"  // beside its containers' rows: it has more than it should
	StateProvider = "provider" // a provider gives the service
	StateGone     = "gone"     // the container was removed while it was looked at
)

// Replica is one container of a service, or the lack of one.
type Replica struct {
	Service   string `json:"service"`
	Container string `json:"container,omitempty"` // its name
	ID        string `json:"id,omitempty"`
	Image     string `json:"image,omitempty"`  // as the container was made from it: redis:7
	Orphan    bool   `json:"orphan,omitempty"` // the model no longer has this service
	// State is the engine's: created, running, paused, restarting, removing, exited or dead; or missing, surplus,
	// provider or gone.
	State  string `json:"state"`
	Health string `json:"health,omitempty"` // starting, healthy or unhealthy; empty without a health check
	// HealthOutput is the first line of the last failed health check's output.
	HealthOutput string    `json:"health_output,omitempty"`
	ResponseMS   float64   `json:"health_check_ms"`           // how long the last check took; 0 where none ran yet
	Checked      time.Time `json:"health_check_end,omitzero"` // when that check ended

	CPUPercent       float64 `json:"cpu_percent"`           // of one core, as docker stats counts
	CPULimit         float64 `json:"cpu_limit_cores"`       // 0: none
	CPULimitPercent  float64 `json:"cpu_percent_of_limit"`  // of the limit, or of the whole machine where there is none
	ThrottledPercent float64 `json:"cpu_throttled_percent"` // scheduler periods in which the limit held it back
	MemoryUsed       int64   `json:"memory_used_bytes"`     // without the inactive file cache, as docker stats counts
	MemoryLimit      int64   `json:"memory_limit_bytes"`    // 0: none
	MemoryPercent    float64 `json:"memory_percent"`        // of the limit, or of the machine where there is none

	// Source is where the figures of CPU, memory, network and block I/O are from: cgroup v1, cgroup v2, hybrid or
	// engine; empty where none were taken.
	Source   string           `json:"source,omitempty"`
	Counters sampler.Counters `json:"counters"`          // what the kernel has counted since the container started
	Rates    sampler.Rates    `json:"rates"`             // what happened a second between two samples
	Written  int64            `json:"layer_bytes"`       // into the container's own layer, as the engine last told
	Answer   Answer           `json:"response,omitzero"` // of the service itself
	Log      LogErrors        `json:"log,omitzero"`

	Restarts int       `json:"restarts"`
	OOMKills int       `json:"oom_kills"`
	ExitCode int       `json:"last_exit_code"` // meaningful where the container ended at least once
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Expected bool      `json:"expected"` // the project wants it to run, and for ever (not a job that may end with 0)
	// Verdict is the judgement that start and status print.
	Verdict container.Opinion `json:"verdict"`
	Error   string            `json:"error,omitempty"` // why it could not be looked at, or not sampled

	seen *container.Replica // nil where it could not be looked at
	lost error              // why it could not be
}

// Answer is how the service itself answered, asked from outside of its container.
type Answer = answer.Answer

// LogErrors is what the container's log says of errors; only an Observer reads logs.
type LogErrors = logerrors.Errors

// Running says whether processes of this container are at work.
func (r Replica) Running() bool { return r.State == "running" }

// Disk is the engine's use of disk, as docker system df shows it, and the space left where the engine's files can be
// seen.
type Disk struct {
	// At is when the engine was asked what it stores; zero where it has not answered yet, and the uses are not known.
	At         time.Time        `json:"at,omitzero"`
	Images     DiskUse          `json:"images"`
	Containers DiskUse          `json:"containers"`
	Volumes    DiskUse          `json:"volumes"`
	BuildCache DiskUse          `json:"build_cache"`
	Root       string           `json:"data_root"`
	Space      *diskspace.Space `json:"space,omitempty"` // of the data root; nil where the engine is elsewhere

	layers  map[string]int64 // bytes that containers wrote into their own layers, by container ID
	volumes map[string]int64 // sizes in bytes, by name
}

// DiskUse is one line of docker system df.
type DiskUse struct {
	Total       int64 `json:"total"`
	Active      int64 `json:"active"`
	Size        int64 `json:"size_bytes"`
	Reclaimable int64 `json:"reclaimable_bytes"`
}

// Reclaimable is what all kinds together could give back, in bytes; volumes, which hold data, are left out.
func (d Disk) Reclaimable() int64 {
	return d.Images.Reclaimable + d.Containers.Reclaimable + d.BuildCache.Reclaimable
}
