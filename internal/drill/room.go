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

// room refuses a drill for which the machine has no memory or no disk beside what runs.
func room(e *engine.Engine, project *types.Project, m snapshots.Manifest) error {
	if text, err := bounded.ReadFile("/proc/meminfo"); err == nil && e.Local() {
		if needed, free := memoryNeeded(project), available(string(text)); free > 0 && needed > free {
			return fault.New(fault.Resources, "the same command on another machine, or when less runs",
				"a drill starts all services a second time: they reserve %s of memory, and %s are free",
				ui.Bytes(needed),
				ui.Bytes(free))
		}
	}
	if _, err := os.Stat(e.Info.DockerRootDir); !e.Local() || err != nil {
		return nil // its disk is another machine's, and not known
	}
	space, err := diskspace.Of(e.Info.DockerRootDir)
	if err != nil {
		return err
	}
	needed := int64(0)
	for _, size := range m.Sizes {
		needed += size.Bytes
	}
	if needed += needed / 20; needed > space.Free {
		return fault.New(fault.Resources, "go tool mage cleanup",
			"a drill writes the snapshot's volumes a second time: they have %s, and %s of disk are free",
			ui.Bytes(needed), ui.Bytes(space.Free))
	}
	return nil
}
