package host

import (
	"io"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/projects"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Report is every project on an engine at one moment; its JSON is in docs/json.md.
type Report struct {
	Time     time.Time `json:"time"`
	CPUs     int       `json:"machine_cpus"`
	Memory   int64     `json:"machine_memory_bytes"`
	Fine     bool      `json:"fine"`     // every project is
	Projects []Project `json:"projects"` // the one with the most memory first
	Root     string    `json:"data_root"`
	// Space is the data root's; nil where the engine is elsewhere.
	Space *Space `json:"space,omitempty"`

	found projects.Report
}

// Space is a file system's.
type Space struct {
	Free  int64 `json:"free_bytes"`  // what an ordinary user may still write
	Total int64 `json:"total_bytes"` // the file system's size
}

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

	Findings []Finding `json:"findings"`
}

// Folder is a directory that a project was made from.
type Folder struct {
	Path string `json:"path"`
	Gone bool   `json:"gone"` // it is no longer there; false where the engine is elsewhere
}

// Finding is one thing that is wrong, or worth knowing.
type Finding struct {
	ID       string `json:"id"`       // which rule found it, dotted and stable
	Severity string `json:"severity"` // ok, info, warning or failure
	// Subjects are the services that the finding is about; none where it is about the machine or the project.
	Subjects []string `json:"subjects,omitempty"`
	Evidence string   `json:"evidence"`            // what was seen, a sentence
	Remedy   string   `json:"remedy,omitempty"`    // what to do or type next
	Code     int      `json:"exit_code,omitempty"` // of a failure
}

// Print writes a line for each project, and what is wrong.
func (r Report) Print(w io.Writer) { r.found.Print(ui.New(w)) }

// Err is an error where a service of a project that runs is not as it should be.
func (r Report) Err() error {
	if r.Fine {
		return nil
	}
	return fault.New(fault.Failed, r.found.Next(), "not every project on the engine is as it should be")
}
