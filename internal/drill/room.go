package drill

import (
	"os"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// leastMemory is what is reckoned for a service that reserves none, in bytes.
const leastMemory = 64 << 20

// memoryNeeded is what the services ask for, in bytes: what they reserve.
func memoryNeeded(project *types.Project) (sum int64) {
	for _, s := range project.Services {
		reserved := int64(s.MemReservation)
		if s.Deploy != nil && s.Deploy.Resources.Reservations != nil {
			reserved = max(reserved, int64(s.Deploy.Resources.Reservations.MemoryBytes))
		}
		sum += max(reserved, leastMemory)
	}
	return sum
}

// available is the memory that programs can still have, in bytes, by the text of /proc/meminfo; 0 where it is not said.
func available(text string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// Room is what a drill needs beside what runs, and what there is; 0 where that is not known. All in bytes.
type Room struct {
	Memory     int64 `json:"memory"` // that the services reserve
	MemoryFree int64 `json:"memory_free"`
	Disk       int64 `json:"disk"` // of the volumes
	DiskFree   int64 `json:"disk_free"`
}

// roomOf finds out what a drill needs, and what there is.
func roomOf(e *engine.Engine, project *types.Project, m snapshots.Manifest) (Room, error) {
	r := Room{Memory: memoryNeeded(project)}
	for _, size := range m.Sizes {
		r.Disk += size.Bytes
	}
	r.Disk += r.Disk / 20
	if !e.Local() {
		return r, nil // its memory and its disk are another machine's
	}
	if text, err := bounded.ReadFile("/proc/meminfo"); err == nil {
		r.MemoryFree = available(string(text))
	}
	if _, err := os.Stat(e.Info.DockerRootDir); err != nil {
		return r, nil //nolint:nilerr // not this user's to see
	}
	space, err := diskspace.Of(e.Info.DockerRootDir)
	r.DiskFree = space.Free
	return r, err
}

// refuse is an error where there is no room.
func (r Room) refuse() error {
	switch {
	case r.MemoryFree > 0 && r.Memory > r.MemoryFree:
		return fault.New(fault.Resources, "the same command on another machine, or when less runs",
			"a drill starts all services a second time: they reserve %s of memory, and %s are free",
			ui.Bytes(r.Memory), ui.Bytes(r.MemoryFree))
	case r.DiskFree > 0 && r.Disk > r.DiskFree:
		return fault.New(fault.Resources, "go tool mage cleanup",
			"a drill writes the snapshot's volumes a second time: they have %s, and %s of disk are free",
			ui.Bytes(r.Disk), ui.Bytes(r.DiskFree))
	}
	return nil
}
