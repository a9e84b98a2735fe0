package running

import (
	"bufio"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/subject"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/regular"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// mostProc bounds a file of /proc.
const mostProc = 1 << 20

// read gives a file of the kernel's; "" where there is none.
func read(path string) string {
	text, err := regular.Read(path, mostProc)
	if err != nil {
		return ""
	}
	return string(text)
}

var memoryCheck = check.Check[*subject.Subject]{
	Rules: []check.Rule{
		ruleOf("memory.host", "the machine's memory is nearly used up", check.Kernel, finding.Warning,
			"kernel.org: MemAvailable, pressure stall information"),
		ruleOf("memory.maps", "too few memory maps for Elasticsearch or OpenSearch", check.Kernel, finding.Warning,
			"elastic.co: vm.max_map_count"),
		ruleOf("memory.overcommit", "Redis may fail to save", check.Kernel, finding.Info,
			"redis.io: vm.overcommit_memory"),
	},
	Look: func(ctx context.Context, s *subject.Subject) ([]check.Finding, error) {
		if err := s.Local(); err != nil {
			return nil, err
		}
		info := read("/proc/meminfo")
		if info == "" {
			return nil, check.NotSeen("this machine has no /proc/meminfo")
		}
		var users []monitor.Replica
		if snapshot, err := s.Snapshot(ctx); err == nil {
			users = snapshot.Services
		}
		out := hostMemory(info, read("/proc/pressure/memory"), users)
		project, err := s.Project()
		if err != nil {
			return out, check.NotSeenOf([]string{"memory.maps", "memory.overcommit"}, "%v", err)
		}
		images := map[string]string{}
		for _, service := range project.Services {
			images[service.Name] = service.Image
		}
		return append(out, kernelSettings(images, read("/proc/sys/vm/max_map_count"),
			read("/proc/sys/vm/overcommit_memory"))...), nil
	},
}

// The machine's memory is short below this share of it, or where all processes wait for it this share of a minute.
const (
	fewPercent     = 10
	stalledPercent = 5
)

// hostMemory judges /proc/meminfo and /proc/pressure/memory ("" where the kernel has none), and names the largest of
// the project's containers.
func hostMemory(meminfo, pressure string, users []monitor.Replica) []check.Finding {
	total, available := kilobytes(meminfo, "MemTotal:"), kilobytes(meminfo, "MemAvailable:")
	stalled := fullMinute(pressure)
	if total == 0 || available*100 >= total*fewPercent && stalled < stalledPercent {
		return nil
	}
	f := check.Warn("memory.host", "go tool mage monitor, and lower limits or a larger machine",
		"%s of %s are available; in the last minute everything waited for memory %.0f %% of the time",
		ui.Bytes(available), ui.Bytes(total), stalled)
	users = slices.DeleteFunc(slices.Clone(users), func(r monitor.Replica) bool { return r.MemoryUsed == 0 })
	slices.SortFunc(users, func(a, b monitor.Replica) int { return int(min(max(b.MemoryUsed-a.MemoryUsed, -1), 1)) })
	var largest []string
	for _, r := range users[:min(3, len(users))] {
		largest = append(largest, r.Container+" "+ui.Bytes(r.MemoryUsed))
	}
	if len(largest) > 0 {
		f = f.Because("the project's largest: %s", strings.Join(largest, ", "))
	}
	return []check.Finding{f}
}

// kilobytes gives a line of /proc/meminfo in bytes; 0 where there is none.
func kilobytes(text, key string) int64 {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == key {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// fullMinute gives the percent of the last minute in which all processes waited; 0 where that is not known.
func fullMinute(pressure string) float64 {
	for line := range strings.Lines(pressure) {
		if rest, is := strings.CutPrefix(line, "full "); is {
			for field := range strings.FieldsSeq(rest) {
				if text, is := strings.CutPrefix(field, "avg60="); is {
					n, _ := strconv.ParseFloat(text, 64)
					return n
				}
			}
		}
	}
	return 0
}

// fewestMaps is what Elasticsearch and OpenSearch ask for.
const fewestMaps = 262144

// kernelSettings judges settings that well-known images ask for; images are by service.
func kernelSettings(images map[string]string, maps, overcommit string) []check.Finding {
	var search, redis []string
	for service, image := range images {
		switch {
		case strings.Contains(image, "elasticsearch"), strings.Contains(image, "opensearchproject/opensearch:"):
			search = append(search, service)
		case strings.Contains(image, "redis"), strings.Contains(image, "valkey"):
			redis = append(redis, service)
		}
	}
	slices.Sort(search)
	slices.Sort(redis)
	var out []check.Finding
	if n, err := strconv.Atoi(strings.TrimSpace(maps)); err == nil && n < fewestMaps && len(search) > 0 {
		out = append(out, check.Warn("memory.maps", "sysctl -w vm.max_map_count=262144, and in /etc/sysctl.d",
			"the kernel's vm.max_map_count is %d", n).Of(search...).
			Because("Elasticsearch and OpenSearch need 262144, and refuse to start with less outside of development"))
	}
	if strings.TrimSpace(overcommit) == "0" && len(redis) > 0 {
		out = append(out, check.Tell("memory.overcommit", "sysctl -w vm.overcommit_memory=1, and in /etc/sysctl.d",
			"the kernel's vm.overcommit_memory is 0").Of(redis...).
			Because("Redis forks to save, and that can fail when its data take half of the free memory"))
	}
	return out
}
