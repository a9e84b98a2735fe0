package extension

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// Needs is what the stack needs of its machine at full size, as the Compose file says; 0 where the file says nothing.
type Needs struct {
	Memory            int64   // bytes
	MemoryRecommended int64   // bytes
	CPUs              float64 // cores
	CPUsRecommended   float64 // cores
	Disk              int64   // free bytes on the engine's disk
}

// NeedsOf reads x-compose-mage: {needs: {memory: 16G, memory_recommended: 32G, cpus: 8, cpus_recommended: 16, disk:
// 100G}}. Sizes are as in mem_limit: 16G is 16 GiB. Check has refused what they can't mean.
func NeedsOf(project *types.Project) Needs {
	var e onProject
	if decode(project.Extensions[Key], &e) != nil {
		return Needs{}
	}
	n, _, _ := readNeeds(e.Needs)
	return n
}

// readNeeds reads the map under needs; key is the one that an error is about.
func readNeeds(m map[string]any) (n Needs, key string, err error) {
	sizes := map[string]*int64{"memory": &n.Memory, "memory_recommended": &n.MemoryRecommended, "disk": &n.Disk}
	cores := map[string]*float64{"cpus": &n.CPUs, "cpus_recommended": &n.CPUsRecommended}
	known := slices.Sorted(maps.Keys(sizes))
	known = append(known, slices.Sorted(maps.Keys(cores))...)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		text := fmt.Sprint(m[key])
		switch {
		case sizes[key] != nil:
			if *sizes[key], err = units.RAMInBytes(text); err != nil || *sizes[key] <= 0 {
				return n, key, fmt.Errorf("%q is no size such as 16G", text)
			}
		case cores[key] != nil:
			if *cores[key], err = strconv.ParseFloat(text, 64); err != nil || !(*cores[key] > 0) {
				return n, key, fmt.Errorf("%q is no number of CPUs such as 8", text)
			}
		default:
			return n, key, fmt.Errorf("there is no such key%s", fault.DidYouMean(key, known))
		}
	}
	return n, "", nil
}
