package preflight

import (
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/system"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/fit"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// What the engine and the kernel take: bytes, microseconds, processes.
const (
	leastMemory = 6 << 20
	leastQuota  = 1000
	leastPeriod = 1000
	mostPeriod  = 1_000_000
	mostPids    = 4_194_304
)

// limits says what the engine refuses of a service's limits, and what its kernel can't enforce. The engine's own
// checks are in daemon_unix.go, verifyPlatformContainerResources.
func limits(info system.Info, s types.ServiceConfig) []finding.Finding {
	var out []finding.Finding
	refuse := func(remedy, format string, args ...any) {
		out = append(out, finding.Fail(fault.Config, "limits.refused", remedy, format, args...).Of(s.Name))
	}
	r := fit.ResourcesOf(s)
	swap := int64(s.MemSwapLimit)
	switch {
	case r.Memory > 0 && r.Memory < leastMemory:
		refuse("a memory limit of at least 6M", "the memory limit %s is below the engine's least, 6MiB",
			ui.Bytes(r.Memory))
	case r.ReservedMemory > 0 && r.ReservedMemory < leastMemory:
		refuse("a memory reservation of at least 6M", "the memory reservation %s is below the engine's least, 6MiB",
			ui.Bytes(r.ReservedMemory))
	case r.Memory > 0 && r.ReservedMemory > r.Memory:
		refuse("a reservation up to the limit", "the memory reservation %s is above the limit %s",
			ui.Bytes(r.ReservedMemory), ui.Bytes(r.Memory))
	case r.Memory > 0 && swap > 0 && swap < r.Memory:
		refuse("memswap_limit is memory and swap together", "memswap_limit %s is below the memory limit %s",
			ui.Bytes(swap), ui.Bytes(r.Memory))
	case r.Memory == 0 && swap > 0:
		refuse("mem_limit beside memswap_limit", "memswap_limit %s has no memory limit beside it", ui.Bytes(swap))
	}
	cpus := float64(s.CPUS)
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil && s.Deploy.Resources.Limits.NanoCPUs > 0 {
		cpus = float64(s.Deploy.Resources.Limits.NanoCPUs)
	}
	switch {
	case cpus > 0 && (s.CPUPeriod > 0 || s.CPUQuota > 0):
		refuse("one of the two", "cpus and cpu_quota or cpu_period are two spellings of one limit")
	case info.NCPU > 0 && cpus > float64(info.NCPU):
		refuse("cpus up to "+strconv.Itoa(info.NCPU), "the cpus limit %g is above the %d that the engine has", cpus,
			info.NCPU)
	case s.CPUPeriod != 0 && (s.CPUPeriod < leastPeriod || s.CPUPeriod > mostPeriod):
		refuse("a cpu_period from 1000 to 1000000", "cpu_period %d is not between 1000 and 1000000 microseconds",
			s.CPUPeriod)
	case s.CPUQuota > 0 && s.CPUQuota < leastQuota:
		refuse("a cpu_quota from 1000", "cpu_quota %d is below 1000 microseconds", s.CPUQuota)
	}
	if bad := outside(s.CPUSet, info.NCPU); bad != "" {
		refuse("CPUs from 0 to "+strconv.Itoa(info.NCPU-1), "cpuset %q: the engine has no CPU %s", s.CPUSet, bad)
	}
	if pids := pidsOf(s); pids > mostPids {
		refuse("a pids limit up to 4194304", "the pids limit %d is above the kernel's most, 4194304", pids)
	}
	return append(out, unenforced(info, s, r)...)
}

func pidsOf(s types.ServiceConfig) int64 {
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil && s.Deploy.Resources.Limits.Pids > 0 {
		return s.Deploy.Resources.Limits.Pids
	}
	return s.PidsLimit
}

// outside gives the first part of a list of CPUs ("0-3,5") that the engine does not have; "" for none. Of a list that
// can't be read it says nothing.
func outside(set string, cpus int) string {
	if set == "" || cpus == 0 {
		return ""
	}
	for part := range strings.SplitSeq(set, ",") {
		_, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = part
		}
		if n, err := strconv.Atoi(strings.TrimSpace(last)); err == nil && n >= cpus {
			return strconv.Itoa(n)
		}
	}
	return ""
}

// unenforced names limits that the engine takes and its kernel does not keep.
func unenforced(info system.Info, s types.ServiceConfig, r fit.Resources) []finding.Finding {
	var out []finding.Finding
	const remedy = "a kernel with that cgroup controller"
	if r.Memory > 0 && !info.MemoryLimit {
		out = append(out,
			finding.Warn("limits.unenforced", remedy, "the engine's kernel does not enforce memory limits").Of(s.Name))
	}
	if r.CPUs > 0 && !info.CPUCfsQuota {
		out = append(out,
			finding.Warn("limits.unenforced", remedy, "the engine's kernel does not enforce cpus limits").Of(s.Name))
	}
	if pidsOf(s) > 0 && !info.PidsLimit {
		out = append(out,
			finding.Warn("limits.unenforced", remedy, "the engine's kernel does not enforce pids limits").Of(s.Name))
	}
	if r.Memory > 0 && info.MemoryLimit && !info.SwapLimit && info.CgroupVersion == "1" {
		f := finding.Tell("limits.swap", "",
			"the engine's kernel does not count swap (swapaccount=1): the memory limit holds for memory alone")
		out = append(out, f.Of(s.Name))
	}
	return out
}
