// Package fit owns how a Compose model is fitted to a machine: limits above the machine are lowered to it, what the
// engine compares with the limits follows, and runtimes (Go, Java, Node, OpenMP, redis) get settings that suit their
// limits. The package changes a loaded project and says what it changed and why; which files are read, overlays of a
// tier included, is package compose's.
package fit

import (
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// A tier is for machines of at least so much memory. A "16 GB" machine shows some 15.5 GiB to the engine, so each floor
// is an eighth below its name.
type tier struct {
	name  string
	floor int64 // bytes
}

// tiers are those that there may be an overlay for, the largest first.
var tiers = []tier{{"32g", 28 << 30}, {"16g", 14 << 30}, {"8g", 0}}

// Tiers gives the names of the tiers, the largest first.
func Tiers() []string {
	names := make([]string, len(tiers))
	for i, t := range tiers {
		names[i] = t.name
	}
	return names
}

// TierFor gives the tier of a machine with so many bytes of memory.
func TierFor(memory int64) string {
	for _, t := range tiers {
		if memory >= t.floor {
			return t.name
		}
	}
	return tiers[len(tiers)-1].name
}

// TierFloor gives the least memory of a tier's machines in bytes; 0 where the tier is for any.
func TierFloor(name string) int64 {
	for _, t := range tiers {
		if t.name == name {
			return t.floor
		}
	}
	return 0
}

// Change is one value of a service that fitting to the machine changed.
type Change struct {
	Service string `json:"service"`
	// as the Compose file spells it: mem_limit, deploy.resources.limits.memory, environment.GOMAXPROCS
	Key string `json:"key"`
	Old string `json:"old"` // "" where the file sets none
	New string `json:"new"`
	Why string `json:"why,omitempty"` // of a clamp; "" for a runtime's setting
}

// String gives the change as "mem_limit: 64GiB -> 16GiB".
func (c Change) String() string {
	old := c.Old
	if old == "" {
		old = "not set"
	}
	return c.Key + ": " + old + " -> " + c.New
}

// Fit changes project in place: limits above the machine are clamped to it (Docker refuses such cpus and ignores such
// memory), what the engine holds against them follows, and the settings of each service's runtimes are derived from
// the result. Fit returns every value that it changed.
func Fit(project *types.Project, m engine.Machine) []Change {
	var changes []Change
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		declared := ResourcesOf(service)
		changes = append(changes, clamp(&service, m)...)
		changes = append(changes, deriveRuntime(&service, declared, ResourcesOf(service))...)
		project.Services[name] = service
	}
	return changes
}

// Notices gives a sentence for each clamp among the changes.
func Notices(changes []Change) []string {
	var out []string
	for _, c := range changes {
		if c.Why != "" {
			out = append(out,
				fmt.Sprintf("%s: %s %s is above %s, clamped to %s", c.Service, c.Key, c.Old, c.Why, c.New))
		}
	}
	return out
}

// Sentence says in one sentence which keys fitting changed; "" where none. The values of a clamp are in its notice.
func Sentence(changes []Change) string {
	var services []string
	for rest := changes; len(rest) > 0; {
		n := 0
		var keys []string
		for n < len(rest) && rest[n].Service == rest[0].Service {
			if rest[n].Why != "" {
				keys = append(keys, rest[n].Key)
			} else {
				keys = append(keys, rest[n].String())
			}
			n++
		}
		services = append(services, rest[0].Service+": fitted "+strings.Join(keys, ", "))
		rest = rest[n:]
	}
	if len(services) == 0 {
		return ""
	}
	return strings.Join(services, "; ") + "; docker compose's next up makes these containers anew"
}
