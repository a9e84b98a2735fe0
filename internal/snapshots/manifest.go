package snapshots

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// The tags of snapshots.
const (
	GoodTag    = "compose-mage"      // whole, and of one moment
	PartTag    = "compose-mage-part" // made by a run that has not yet confirmed it, or was killed
	ProjectTag = "project="          // before the project's name
	VolumeTag  = "volume="           // before a volume's key
	MovedTag   = "moved="            // before the key of one that was written to while it was saved
)

// The names at the top of a snapshot.
const (
	ManifestName = "manifest.json"
	VolumesDir   = "volumes"       // a directory for each volume, by key
	LargeDir     = "volumes-large" // the same, for large files that were being written to, which VolumesDir lacks
	FilesDir     = "project"       // the project's files, by their path below the project
	OutsideDir   = "outside"       // those that are not below the project, by number
	DumpsDir     = "dumps"         // a directory for each service that gives a dump
)

// The versions of the manifest: a reader refuses a later one than it knows. LargeFormat is of a snapshot that has
// files in LargeDir.
const (
	Format      = 1
	LargeFormat = 2
)

// DirsOf are the directories of a snapshot in which a volume's files are. Restored over one another they are the
// volume.
func DirsOf(key string) []string {
	return []string{path.Join(VolumesDir, key), path.Join(LargeDir, key)}
}

// Manifest says what a snapshot holds, for a restore on a machine that knows nothing else.
type Manifest struct {
	Format  int       `json:"format"`
	Project string    `json:"project"`
	Folder  string    `json:"folder"` // of the project, on the machine that made the snapshot
	Root    string    `json:"root"`   // below which the files are: the folder, or one above it
	Made    time.Time `json:"made"`
	Engine  string    `json:"engine"` // its version
	Volumes []Volume  `json:"volumes"`
	Users   []User    `json:"services"` // who wrote to the volumes, and what was done about that
	Dumps   []Dump    `json:"dumps"`
	Files   []File    `json:"files"`
	Images  []Image   `json:"images"`
	// LeftOut are the keys of volumes that are not saved on purpose; nil where an older program made the snapshot.
	LeftOut []string        `json:"left_out"`
	Facts   []Fact          `json:"facts"`
	Sizes   map[string]Size `json:"sizes"` // by the volume's key
}

// Volume is one that is saved.
type Volume struct {
	Key     string            `json:"key"` // in the Compose file
	Name    string            `json:"name"`
	Driver  string            `json:"driver"`
	Options map[string]string `json:"options,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Holds   string            `json:"holds"` // data or cache
	Path    string            `json:"-"`     // of its files on this machine
}

// Size is what a volume had right before it was saved.
type Size struct {
	Files int64 `json:"files"` // regular ones
	Bytes int64 `json:"bytes"` // of them
	// Tree is a hash of their paths, sizes, times, modes and owners; "" where they were being written to.
	Tree string `json:"tree,omitempty"`
}

// Fact is what a service said of its data right before it was saved, which it has to say again once it is restored.
type Fact struct {
	Service string   `json:"service"`
	Command []string `json:"command"`          // run in its container; prints lines: a name, a space, a value
	Recipe  string   `json:"recipe,omitempty"` // whose command it is, where the Compose file names none
	// Seen are the values, by name, of several looks one after the other: where they differ, the service was being
	// written to.
	Seen map[string][]string `json:"seen"`
	// Seconds are between the first and the last look.
	Seconds float64 `json:"seconds"`
}

// User is a container that writes to volumes that are saved.
type User struct {
	ID        string   `json:"-"`
	Container string   `json:"container"`
	Service   string   `json:"service,omitempty"` // of this project; "" for another's container
	By        string   `json:"by"`                // freeze, stop, dump or none
	Recipe    string   `json:"recipe,omitempty"`  // whose commands are run, where the Compose file names none
	Before    []string `json:"before,omitempty"`
	After     []string `json:"after,omitempty"`
	Dump      []string `json:"dump,omitempty"`
	Facts     []string `json:"-"` // prints what a drill compares
	Knows     string   `json:"-"` // the recipe that is known of its program
}

// Dump is what a service's command printed.
type Dump struct {
	Service string `json:"service"`
	Path    string `json:"path"` // in the snapshot
	Recipe  string `json:"recipe,omitempty"`
}

// File is one of the project's files.
type File struct {
	Path   string `json:"path"`   // below the root, or absolute
	Stored string `json:"stored"` // in the snapshot
	Mode   uint32 `json:"mode"`
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
}

// Image is what a service's container was made of.
type Image struct {
	Service string   `json:"service"`
	Name    string   `json:"name"`
	ID      string   `json:"id"`
	Digests []string `json:"digests,omitempty"` // under which registries have it
}

// ParseManifest reads the manifest of a snapshot, and refuses one that would lead a restore outside of what it is
// about.
func ParseManifest(text []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fault.New(fault.Failed, "go tool mage backup -list", "reading the snapshot's manifest: %w", err)
	}
	if m.Format < 1 || m.Format > LargeFormat {
		return m, fault.New(fault.Failed, "update compose-mage, then the same command again",
			"the snapshot's manifest is of format %d, and %d is the latest that is known", m.Format, LargeFormat)
	}
	for _, v := range m.Volumes {
		if !PlainName(v.Key) || !PlainName(v.Name) {
			return m, fmt.Errorf("the snapshot's manifest has the volume %q, named %q: that is no name", v.Key, v.Name)
		}
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(f.Stored) {
			return m, fmt.Errorf("the snapshot's manifest has a file stored at %q", f.Stored)
		}
	}
	for _, d := range m.Dumps {
		if !filepath.IsLocal(d.Path) {
			return m, fmt.Errorf("the snapshot's manifest has a dump stored at %q", d.Path)
		}
	}
	return m, nil
}

// PlainName says whether a name is one that the engine takes for a volume, and so no path.
func PlainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.HasPrefix(name, "-") &&
		!strings.ContainsFunc(name, func(c rune) bool {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
			return !letter && !strings.ContainsRune("_.-", c)
		})
}
