// Package projects owns what is known of all Compose projects of an engine, whichever folders they are of: which there
// are, whether their services are as they should be, and whose memory, CPU, ports and disk it is. It reads no Compose
// file, for those of others are not ours to read: Compose's labels and the containers' own state say all of it. It
// changes nothing.
package projects

import (
	"time"

	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// Report is every project on an engine at one moment.
type Report struct {
	Time     time.Time `json:"time"`
	CPUs     int       `json:"machine_cpus"`
	Memory   int64     `json:"machine_memory_bytes"`
	Fine     bool      `json:"fine"`     // every project is
	Projects []Project `json:"projects"` // the one with the most memory first
	Root     string    `json:"data_root"`
	// Space is the data root's; nil where the engine is elsewhere.
	Space *diskspace.Space `json:"space,omitempty"`

	resources bool // printed are the resources, not the services
}

// Unknown is a size in bytes that is not known.
const Unknown = -1

// The states of a project.
const (
	StateRunning = "running" // at least one container runs
	StateStopped = "stopped" // none does, and that is nobody's failure: they were stopped, made only, or are done
	StateFailed  = "failed"  // none does, and not because somebody stopped them all
	StateLeft    = "left"    // there are only volumes and networks of it
)

// Project is one Compose project, or all containers that are of none.
type Project struct {
	Name    string   `json:"project"` // empty: the containers that no Compose project has made
	State   string   `json:"state"`   // running, stopped, failed or left
	Fine    bool     `json:"fine"`    // no service is in a state that it should not be in; a stopped project is fine
	Folders []Folder `json:"folders"` // from which its containers were made: one, or those of several checkouts

	// Services are those that have a container; a service without one is known to the Compose files alone.
	Services     int      `json:"services"`
	FineServices int      `json:"services_fine"`
	Containers   int      `json:"containers"` // in whatever state, those of compose run included
	Running      int      `json:"containers_running"`
	Ports        []string `json:"ports"` // published by running containers: "127.0.0.1:8000->8000/tcp"

	CPUPercent  float64 `json:"cpu_percent"`        // of one core; 0 where it was not asked for
	MemoryUsed  int64   `json:"memory_used_bytes"`  // as docker stats counts; -1 where it is not known
	MemoryLimit int64   `json:"memory_limit_bytes"` // of the running containers together; 0 where one has none
	Restarts    int     `json:"restarts"`           // by the engine, of all its containers
	OOMKills    int     `json:"oom_kills"`

	Networks int `json:"networks"`
	Volumes  int `json:"volumes"`
	// ImageBytes are of the images that its containers were made of. Images share layers, also with other projects':
	// the sizes do not add up.
	ImageBytes     int64 `json:"image_bytes"`
	VolumeBytes    int64 `json:"volume_bytes"`          // -1 where one is not known
	ContainerBytes int64 `json:"container_layer_bytes"` // what the containers wrote into their own layers; -1 likewise
	LogBytes       int64 `json:"log_bytes"`             // -1 likewise
	// DiskAge is how old the sizes of volumes and container layers are, in seconds; 0 where there are none.
	DiskAge float64 `json:"disk_age_seconds"`

	Findings []finding.Finding `json:"findings"`
}

// Folder is a directory that a project was made from.
type Folder struct {
	Path string `json:"path"`
	Gone bool   `json:"gone"` // it is no longer there; false where the engine is elsewhere
}

// Disk is what the project has on disk as far as it is known, in bytes, and whether that is all.
func (p Project) Disk() (bytes int64, whole bool) {
	whole = true
	for _, n := range []int64{p.ImageBytes, p.VolumeBytes, p.ContainerBytes, p.LogBytes} {
		if n < 0 {
			whole = false
			continue
		}
		bytes += n
	}
	return bytes, whole
}
