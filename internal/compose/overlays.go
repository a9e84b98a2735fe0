package compose

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Names of the variables that overrule the choice of overlays.
const (
	TierVariable = "STACK_TIER" // 8g, 16g, 32g, or none
	GPUVariable  = "STACK_GPU"  // a boolean
)

// addOverlays appends tier-<name>.yaml and gpu.yaml from the Compose files' directory where they exist and fit. vars
// are this process's variables and those of the .env files.
func (s *Model) addOverlays(vars types.Mapping, dir string, m engine.Machine) error {
	known := []string{"none"}
	for _, name := range fit.Tiers() {
		if isFile(filepath.Join(dir, "tier-"+name+".yaml")) {
			known = append(known, name)
		}
	}
	want := strings.ToLower(vars[TierVariable])
	if want != "" && !slices.Contains(known, want) {
		return fault.New(fault.Usage, "unset "+TierVariable, "no tier %q in %s%s; there are %s", want, TierVariable,
			fault.DidYouMean(want, known), strings.Join(known, ", "))
	}
	if want == "" && m.Memory > 0 {
		want = fit.TierFor(m.Memory)
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

// Explain says how the stack was fitted to the machine for which it was loaded, and what can't be had on that machine.
func (s *Model) Explain(m engine.Machine) fit.Report {
	r := fit.Explain(s.Project, s.given, m)
	r.Tier, r.Why, r.Warnings = s.Tier, s.whyTier(m), append(slices.Clone(s.Notices), r.Warnings...)
	return r
}

// FittedSentence says in one sentence which keys fitting changed; "" where none.
func (s *Model) FittedSentence() string { return fit.Sentence(s.Changes) }

// whyTier says who chose the tier.
func (s *Model) whyTier(m engine.Machine) string {
	switch asked := strings.ToLower(s.Project.Environment[TierVariable]); {
	case s.explicitFiles:
		return "COMPOSE_FILE says which files are read"
	case asked != "":
		return TierVariable + "=" + asked
	case s.Tier == "":
		return fmt.Sprintf("there is no tier-%s.yaml beside the Compose file", fit.TierFor(m.Memory))
	}
	if floor := fit.TierFloor(s.Tier); floor > 0 {
		return fmt.Sprintf("the engine has %s of memory, and this tier is for %s and more", ui.Bytes(m.Memory),
			ui.Bytes(floor))
	}
	return fmt.Sprintf("the engine has %s of memory, too little for the other tiers", ui.Bytes(m.Memory))
}
