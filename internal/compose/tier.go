package compose

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Names of the variables that overrule the choice of overlays.
const (
	TierVariable = "STACK_TIER" // 8g, 16g, 32g, or none
	GPUVariable  = "STACK_GPU"  // a boolean
)

// A tier is for machines of at least so much memory. A "16 GB" machine shows some 15.5 GiB to the engine, so each floor
// is an eighth below its name.
var tiers = []struct {
	name  string
	floor int64 // bytes
}{
	{"32g", 28 << 30},
	{"16g", 14 << 30},
	{"8g", 0},
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

// addOverlays appends tier-<name>.yaml and gpu.yaml from the Compose files' directory where they exist and fit. vars are
// this process's variables and those of the .env files.
func (s *Model) addOverlays(vars types.Mapping, dir string, m engine.Machine) error {
	known := []string{"none"}
	for _, t := range tiers {
		if isFile(filepath.Join(dir, "tier-"+t.name+".yaml")) {
			known = append(known, t.name)
		}
	}
	want := strings.ToLower(vars[TierVariable])
	if want != "" && !slices.Contains(known, want) {
		return fault.New(fault.Usage, "unset "+TierVariable, "no tier %q in %s%s; there are %s", want, TierVariable,
			fault.DidYouMean(want, known), strings.Join(known, ", "))
	}
	if want == "" && m.Memory > 0 {
		want = TierFor(m.Memory)
	}
	if want != "none" && slices.Contains(known, want) {
		s.Tier = want
		s.Files = append(s.Files, filepath.Join(dir, "tier-"+want+".yaml"))
	}
	gpu := m.GPU
	if v := vars[GPUVariable]; v != "" {
		var err error
		if gpu, err = strconv.ParseBool(v); err != nil {
			return fault.New(fault.Usage, "unset "+GPUVariable, "%s=%q is not a boolean: use 1 or 0", GPUVariable, v)
		}
	}
	if path := filepath.Join(dir, "gpu.yaml"); gpu && isFile(path) {
		s.GPU = true
		s.Files = append(s.Files, path)
	}
	return nil
}
