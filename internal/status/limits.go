package status

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Misfits asks the engine what it applied to the project's containers and gives a sentence for each limit that is
// not in force, and for limits and reservations that add up to more than the machine has. An error means that the
// engine could not be asked.
func Misfits(ctx context.Context, e *engine.Engine, project *types.Project) ([]string, error) {
	found, err := container.Inspect(ctx, e, project.Name)
	if err != nil {
		return nil, err
	}
	applied := map[string][]moby.HostConfig{}
	for service, replicas := range found {
		for _, c := range replicas {
			if c.HostConfig != nil {
				applied[service] = append(applied[service], *c.HostConfig)
			}
		}
	}
	return misfits(project, e.Machine(), applied), nil
}

// misfits compares what the project asks for with what the engine applied, by service.
func misfits(project *types.Project, m engine.Machine, applied map[string][]moby.HostConfig) []string {
	out := fit.Overcommitted(project, m)
	var noSwapLimit []string
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		want := fit.ResourcesOf(service)
		for _, have := range applied[name] {
			if have.Memory != want.Memory {
				out = append(
					out,
					fmt.Sprintf(
						"%s: memory limit %s is not in force, the engine has %s",
						name,
						amount(want.Memory),
						amount(have.Memory),
					),
				)
			}
			if cpus := cpusOf(have); math.Abs(cpus-want.CPUs) > 0.001 {
				out = append(
					out,
					fmt.Sprintf("%s: cpus limit %g is not in force, the engine has %g", name, want.CPUs, cpus),
				)
			}
			if have.MemoryReservation != want.ReservedMemory {
				out = append(
					out,
					fmt.Sprintf(
						"%s: memory reservation %s is not in force, the engine has %s",
						name,
						amount(want.ReservedMemory),
						amount(have.MemoryReservation),
					),
				)
			}
			// Of itself the engine sets twice the memory limit for both; -1 is what is left where the kernel can't
			// count swap.
			if want.Memory > 0 && have.MemorySwap < 0 && service.MemSwapLimit >= 0 &&
				!slices.Contains(noSwapLimit, name) {
				noSwapLimit = append(noSwapLimit, name)
			}
		}
	}
	if len(noSwapLimit) > 0 {
		out = append(
			out,
			fmt.Sprintf(
				"%s: swap is not limited, the kernel of the engine does not count it (swapaccount=1): "+
					"the memory limit holds for memory alone",
				strings.Join(noSwapLimit, ", "),
			),
		)
	}
	return out
}

func amount(n int64) string {
	if n == 0 {
		return "none"
	}
	return ui.Bytes(n)
}

// cpusOf gives the limit that the engine applied, in cores, in whichever of its two spellings; 0 is none.
func cpusOf(have moby.HostConfig) float64 {
	const defaultPeriod = 100_000 // microseconds, the kernel's
	if have.NanoCPUs == 0 && have.CPUQuota > 0 {
		return float64(have.CPUQuota) / float64(cmp.Or(have.CPUPeriod, defaultPeriod))
	}
	return float64(have.NanoCPUs) / 1e9
}
