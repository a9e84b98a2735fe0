package fit

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Need is the memory that one container of a service was seen to need, in bytes. The percentiles are those of five
// minutes' greatest figures.
type Need struct {
	Recorded float64 `json:"recorded_seconds"` // while its memory was looked at
	// P99 and Most are of the memory that nobody else can have; 0 where that is not known.
	P99  int64 `json:"unreclaimable_p99_bytes"`
	Most int64 `json:"unreclaimable_most_bytes"`
	Rest int64 `json:"unreclaimable_rest_bytes"` // the median of five minutes' least: what stays when garbage is gone
	// WorkingP99 and WorkingMost are of the working set: with the file cache that is in use.
	WorkingP99  int64 `json:"working_set_p99_bytes"`
	WorkingMost int64 `json:"working_set_most_bytes"`
	Kills       int   `json:"oom_kills"`  // for want of memory
	Started     bool  `json:"start_seen"` // of a container of it: what it needs then is in the figures
}

// Measured is what a service was seen to need, and what follows from that.
type Measured struct {
	Service string   `json:"service"`
	Need    Need     `json:"need"`
	Changes []Change `json:"changes"`
	Notes   []string `json:"notes,omitempty"` // why something stays as it is
}

// The room that a limit has above what was seen, and the least limits.
const (
	roomP99   = 1.3  // of the working set's 99th percentile
	roomMost  = 1.15 // of the most that it was
	roomData  = 2    // of the most that a database was: it grows with its data
	leastAny  = 32 << 20
	leastData = 64 << 20
	leastHeap = 16 << 20 // of a Go runtime
	leastBig  = 64 << 20 // of a Java or Node heap
)

// Measure gives what follows from a need for a service: its memory limit, and the settings of its runtimes. It only
// lowers a limit, and only one under which a start of the service was seen. CPU limits stay: what is not used of them
// costs nothing.
func Measure(s types.ServiceConfig, n Need, least time.Duration) Measured {
	m := measurer{service: s, need: n, runtimes: extension.Runtimes(s), result: Measured{
		Service: s.Name, Need: n, Changes: []Change{},
	}}
	recorded := time.Duration(n.Recorded * float64(time.Second)).Round(time.Second)
	switch {
	case n.WorkingMost == 0:
		m.note("nothing is recorded of it")
	case recorded < least:
		m.note("%s of it are recorded, and at least %s are needed", recorded, least)
	case n.Kills > 0:
		m.note("it was killed for want of memory %s: raise its limit, and measure again", times(n.Kills))
	default:
		limit := m.limit()
		m.heaps(cmp.Or(limit, ResourcesOf(s).Memory))
	}
	return m.result
}

type measurer struct {
	service  types.ServiceConfig
	need     Need
	runtimes []string
	result   Measured
}

func (m *measurer) note(format string, args ...any) {
	m.result.Notes = append(m.result.Notes, fmt.Sprintf(format, args...))
}

func (m *measurer) changed(key, was, is, why string) {
	m.result.Changes = append(m.result.Changes, Change{Service: m.service.Name, Key: key, Old: was, New: is, Why: why})
}

// limit lowers the memory limit, in the spelling that the file has, with what the engine holds against it, and gives
// the new one; 0 where it stays.
func (m *measurer) limit() int64 {
	n, declared := m.need, ResourcesOf(m.service).Memory
	if !m.need.Started {
		m.note("its limit stays: no start of it is recorded; restart it while monitor -serve runs")
		return 0
	}
	limit := int64(max(roomP99*float64(n.WorkingP99), roomMost*float64(n.WorkingMost), leastAny))
	why := fmt.Sprintf("working set: 99 %% of the time at most %s, never above %s", ui.Bytes(n.WorkingP99),
		ui.Bytes(n.WorkingMost))
	if m.has("redis") {
		limit = max(roomData*n.WorkingMost, leastData)
		why = fmt.Sprintf("twice the %s that it had at most: it grows with its data", ui.Bytes(n.WorkingMost))
	}
	const step = 4 << 20
	limit = (limit + step - 1) / step * step
	if declared > 0 && limit*10 > declared*9 { // a tenth less is not worth a new container
		if n.WorkingMost*10 >= declared*9 {
			m.note("it had up to %s of its limit of %s: the limit stays, and may be too low", ui.Bytes(n.WorkingMost),
				ui.Bytes(declared))
		}
		return 0
	}
	m.setLimit(limit, declared, why)
	return limit
}

func (m *measurer) setLimit(limit, declared int64, why string) {
	s := m.service
	set := func(key string, was types.UnitBytes) {
		old := ""
		if was > 0 {
			old = ui.Bytes(int64(was))
		}
		m.changed(key, old, memory(limit), why)
	}
	var deploy *types.Resource
	if s.Deploy != nil {
		deploy = s.Deploy.Resources.Limits
	}
	inDeploy := deploy != nil && deploy.MemoryBytes > 0
	if s.MemLimit > 0 {
		set("mem_limit", s.MemLimit)
	}
	if inDeploy || s.MemLimit == 0 {
		var was types.UnitBytes
		if inDeploy {
			was = deploy.MemoryBytes
		}
		set("deploy.resources.limits.memory", was)
	}
	follows := "the memory limit " + memory(limit)
	if s.MemReservation > types.UnitBytes(limit) {
		m.changed("mem_reservation", ui.Bytes(int64(s.MemReservation)), memory(limit), follows)
	}
	if s.Deploy != nil && s.Deploy.Resources.Reservations != nil {
		if r := s.Deploy.Resources.Reservations.MemoryBytes; r > types.UnitBytes(limit) {
			m.changed("deploy.resources.reservations.memory", ui.Bytes(int64(r)), memory(limit), follows)
		}
	}
	if swap := int64(s.MemSwapLimit); declared > 0 && swap >= declared {
		m.changed("memswap_limit", ui.Bytes(swap), memory(swap-declared+limit), "the same swap on top of "+follows)
	}
}

func (m *measurer) has(runtime string) bool { return slices.Contains(m.runtimes, runtime) }

// heaps sets what tells runtimes how much memory they may keep, from what the service needed and not from the limit,
// which is 0 where there is none.
func (m *measurer) heaps(limit int64) {
	if m.has("redis") && limit > 0 {
		m.set("REDIS_MAXMEMORY", strconv.FormatInt(limit*3/4, 10), reasons["REDIS_MAXMEMORY"])
	}
	if m.has("openmp") || m.has("python") {
		m.set("MALLOC_ARENA_MAX", "2", "glibc: two arenas in place of eight a core")
		m.set("MALLOC_TRIM_THRESHOLD_", "131072", "glibc: gives back what is free at the end of the heap")
	}
	if m.need.P99 == 0 {
		if m.has("go") || m.has("java") || m.has("node") {
			m.note("its runtime's settings stay: what of its memory nobody else can have is not known from this engine")
		}
		return
	}
	within := func(heap, least int64) int64 {
		if limit > 0 {
			heap = min(heap, limit*9/10)
		}
		return max(heap, least)
	}
	need := fmt.Sprintf("it had at most %s in 99 %% of the time", ui.Bytes(m.need.P99))
	if m.has("go") {
		m.goHeap(within)
	}
	if m.has("node") {
		m.set("NODE_OPTIONS", fmt.Sprintf("--max-old-space-size=%d", within(m.need.P99, leastBig)>>20), need)
	}
	if m.has("java") {
		options := fmt.Sprintf("-Xmx%dm", within(m.need.P99, leastBig)>>20)
		if cpus := ResourcesOf(m.service).CPUs; cpus > 0 {
			options += fmt.Sprintf(" -XX:ActiveProcessorCount=%d", int(math.Ceil(cpus)))
			if cpus < 2 {
				options += " -XX:+UseSerialGC"
			}
		}
		m.set("JAVA_TOOL_OPTIONS", options, need)
	}
}

// goHeap lets a Go heap grow to one and a half of its live size. Under GOGC=100 a heap doubles before it is collected,
// so that the live size is half of what was seen at most, or what stays at rest where that is more.
func (m *measurer) goHeap(within func(heap, least int64) int64) {
	percent := 100
	if have := m.service.Environment["GOGC"]; have != nil {
		n, err := strconv.Atoi(*have)
		if err != nil || n <= 0 {
			m.note("GOMEMLIMIT stays: GOGC=%s is set by hand", *have)
			return
		}
		percent = n
	}
	live := max(m.need.Rest, m.need.P99*100/int64(100+percent))
	why := fmt.Sprintf("one and a half of its live %s", ui.Bytes(live))
	m.set("GOMEMLIMIT", fmt.Sprintf("%dMiB", (within(live*3/2, leastHeap)+1<<20-1)>>20), why)
	m.set("GOGC", "50", "collects when the live heap has grown by half; costs CPU")
}

// set sets a variable, unless the Compose file has a value that the limits do not imply.
func (m *measurer) set(name, value, why string) {
	have := m.service.Environment[name]
	implied := settings(m.runtimes, ResourcesOf(m.service))[name]
	switch {
	case have == nil:
		m.changed("environment."+name, "", value, why)
	case *have == value:
	case *have == implied:
		m.changed("environment."+name, *have, value, why)
	default:
		m.note("%s stays %s, which the Compose file sets", name, *have)
	}
}

// memory spells bytes so that Compose reads just them.
func memory(n int64) string {
	if n%(1<<20) == 0 {
		return strconv.FormatInt(n>>20, 10) + "MiB"
	}
	return strconv.FormatInt(n, 10)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}

// Overlay gives the changes as a Compose file that goes on top of those that the project was read from; each line of
// about becomes a comment at its head.
func Overlay(about []string, all []Measured) string {
	var out strings.Builder
	for _, line := range about {
		out.WriteString("# " + line + "\n")
	}
	out.WriteString("services:\n")
	for _, m := range all {
		if len(m.Changes) == 0 {
			continue
		}
		fmt.Fprintf(&out, "  %s:\n", strconv.Quote(m.Service))
		var open []string
		// What stands under one key stands together.
		for _, c := range slices.SortedStableFunc(slices.Values(m.Changes), func(a, b Change) int {
			return strings.Compare(a.Key, b.Key)
		}) {
			path := strings.Split(c.Key, ".")
			for i, key := range path[:len(path)-1] {
				if i < len(open) && open[i] == key {
					continue
				}
				open = append(open[:min(i, len(open))], key)
				fmt.Fprintf(&out, "%s%s:\n", strings.Repeat("  ", i+2), key)
			}
			open = open[:len(path)-1]
			fmt.Fprintf(&out, "%s%s: %s # %s\n", strings.Repeat("  ", len(path)+1), path[len(path)-1],
				strconv.Quote(c.New), c.Why)
		}
	}
	return out.String()
}
