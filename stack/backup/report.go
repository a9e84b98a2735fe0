package backup

import (
	"io"
	"time"

	"github.com/25eloquence/compose-mage/internal/backup"
	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Plan is what a backup would save, and how; its JSON is in docs/json.md.
type Plan struct {
	Project    string   `json:"project"`
	Repository string   `json:"repository"` // without a password
	Volumes    []Volume `json:"volumes"`    // by key
	Users      []User   `json:"users"`      // in the order in which those are stopped that are
	Dumps      []User   `json:"dumps"`      // those whose command's output is saved
	Left       []Left   `json:"left_out"`
	Helper     string   `json:"helper,omitempty"` // why a container reads the volumes; "" where none does
	Seconds    float64  `json:"longest_freeze_seconds"`

	found backup.Plan
}

// planOf gives the plan's public form.
func planOf(found backup.Plan) (Plan, error) {
	out, err := shape.Into[Plan](found)
	out.found = found
	return out, err
}

// Print writes the plan.
func (p Plan) Print(w io.Writer) { p.found.Print(ui.New(w)) }

// Volume is one that is saved.
type Volume struct {
	Key     string            `json:"key"` // in the Compose file
	Name    string            `json:"name"`
	Driver  string            `json:"driver"`
	Options map[string]string `json:"options,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Holds   string            `json:"holds"` // data or cache
}

// User is a container that writes to volumes that are saved.
type User struct {
	Container string   `json:"container"`
	Service   string   `json:"service,omitempty"` // of this project; "" for another's container
	By        string   `json:"by"`                // freeze, stop, dump or none
	Recipe    string   `json:"recipe,omitempty"`  // whose commands are run, where the Compose file names none
	Before    []string `json:"before,omitempty"`
	After     []string `json:"after,omitempty"`
	Dump      []string `json:"dump,omitempty"`
}

// Left is what is not saved.
type Left struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Snapshots is a project's good snapshots, oldest first; its JSON is in docs/json.md.
type Snapshots struct {
	Project    string     `json:"project"`
	Repository string     `json:"repository"` // without a password
	Snapshots  []Snapshot `json:"snapshots"`

	found []snapshots.Snapshot
}

// Snapshot is one of a project.
type Snapshot struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Host    string    `json:"host"`    // the machine that made it
	Volumes []string  `json:"volumes"` // by key
}

// Print writes a line for each.
func (s Snapshots) Print(w io.Writer) { snapshots.Print(ui.New(w), s.Project, s.Repository, s.found) }

// Restored is what a restore came to; its JSON is in docs/json.md.
type Restored struct {
	Snapshot string           `json:"snapshot"`
	Time     time.Time        `json:"time"`
	Volumes  []RestoredVolume `json:"volumes"`
	Files    []string         `json:"files"` // of the project that were missing, and were written
	Dumps    []string         `json:"dumps"` // files that a service has to read
	Seconds  float64          `json:"seconds"`
}

// RestoredVolume is one volume's.
type RestoredVolume struct {
	Key    string `json:"key"`
	Name   string `json:"name"`             // the volume that has the data now
	Copy   bool   `json:"copy"`             // it is another than the project's own, which is as it was
	Before string `json:"before,omitempty"` // the volume that has what was there before
}
