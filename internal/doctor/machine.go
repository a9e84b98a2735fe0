package doctor

import (
	"context"
	"fmt"
	"strconv"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// tolerance is the part of its memory that a machine sold as 16 GB does not show.
const tolerance = 8

// checkMachine holds the machine against what the Compose file says: what the stack needs, and the sums of its limits.
func checkMachine(_ context.Context, in Input) []finding.Finding {
	if in.Project == nil {
		return machine(in.Machine, extension.Needs{})
	}
	out := machine(in.Machine, extension.NeedsOf(in.Project))
	for _, sentence := range fit.Overcommitted(in.Project, in.Machine) {
		out = append(out, finding.Warn("limits.sum", "go tool mage fit", "%s", sentence))
	}
	return out
}

// machine judges memory and CPUs by what the stack needs; without a word of that they are just told.
func machine(m engine.Machine, n extension.Needs) []finding.Finding {
	memory := ui.Bytes(m.Memory) + " of memory" + wanted(sizeOf(n.Memory), sizeOf(n.MemoryRecommended))
	out := []finding.Finding{finding.Good("machine.memory", "%s", memory)}
	if m.Memory < n.Memory-n.Memory/tolerance {
		out[0] = finding.Warn("machine.memory", "go tool mage fit shows the limits that fit the machine", "%s", memory)
	}
	cpus := count(m.CPUs, "CPU") + wanted(cores(n.CPUs), cores(n.CPUsRecommended))
	if float64(m.CPUs) < n.CPUs {
		return append(out,
			finding.Warn("machine.cpus", "go tool mage fit shows the limits that fit the machine", "%s", cpus))
	}
	return append(out, finding.Good("machine.cpus", "%s", cpus))
}

// wanted gives in brackets the size that the Compose file says; "" where the file says nothing.
func wanted(needed, recommended string) string {
	switch {
	case needed != "" && recommended != "":
		return fmt.Sprintf(" (the Compose file needs %s for everything at full size, and recommends %s)", needed,
			recommended)
	case needed != "":
		return fmt.Sprintf(" (the Compose file needs %s for everything at full size)", needed)
	case recommended != "":
		return fmt.Sprintf(" (the Compose file recommends %s)", recommended)
	}
	return ""
}

func sizeOf(n int64) string {
	if n == 0 {
		return ""
	}
	return ui.Bytes(n)
}

func cores(n float64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}
