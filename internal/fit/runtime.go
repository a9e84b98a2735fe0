package fit

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/extension"
)

// deriveRuntime sets the variables of the service's runtimes and returns those that it set, by name. A value that the
// file sets by hand wins, unless it is just what the declared limits give: such a value follows when a limit is
// clamped.
func deriveRuntime(s *types.ServiceConfig, declared, fitted Resources) []Change {
	runtimes := extension.Runtimes(*s)
	if len(runtimes) == 0 {
		return nil
	}
	before, after := settings(runtimes, declared), settings(runtimes, fitted)
	if s.Environment == nil {
		s.Environment = types.MappingWithEquals{}
	}
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(after)) {
		value := after[key]
		have, set := s.Environment[key]
		if set && (have == nil || *have != before[key] || *have == value) {
			continue
		}
		change := Change{Service: s.Name, Key: "environment." + key, New: value}
		if have != nil {
			change.Old = *have
		}
		changes = append(changes, change)
		s.Environment[key] = &value
	}
	return changes
}

// settings gives the variables that the limits imply. Shares of the memory limit: Go 90 % (GOMEMLIMIT is soft, and
// covers the Go heap only), Java and Node 75 % (their heaps; the rest of the process comes on top), redis 75 % (a
// rewrite of the append-only file copies pages).
func settings(runtimes []string, r Resources) map[string]string {
	out := map[string]string{}
	threads := strconv.Itoa(max(1, int(math.Floor(r.CPUs))))
	for _, runtime := range runtimes {
		switch runtime {
		case "go":
			if r.Memory > 0 {
				out["GOMEMLIMIT"] = fmt.Sprintf("%dMiB", r.Memory*9/10>>20)
			}
			if r.CPUs > 0 {
				out["GOMAXPROCS"] = strconv.Itoa(max(1, int(math.Ceil(r.CPUs))))
			}
		case "openmp":
			if r.CPUs > 0 {
				out["OMP_NUM_THREADS"] = threads
			}
		case "python":
			out["PYTHONUNBUFFERED"], out["PYTHONDONTWRITEBYTECODE"], out["PYTHONHASHSEED"] = "1", "1", "random"
		case "node":
			if r.Memory > 0 {
				out["NODE_OPTIONS"] = fmt.Sprintf("--max-old-space-size=%d", r.Memory*3/4>>20)
			}
		case "java":
			if options := javaOptions(r); options != "" {
				out["JAVA_TOOL_OPTIONS"] = options
			}
		case "redis":
			if r.Memory > 0 {
				out["REDIS_MAXMEMORY"] = strconv.FormatInt(r.Memory*3/4, 10)
			}
		}
	}
	return out
}

func javaOptions(r Resources) string {
	var options []string
	if r.Memory > 0 {
		options = append(options, fmt.Sprintf("-Xmx%dm", r.Memory*3/4>>20))
	}
	if r.CPUs > 0 {
		options = append(options, fmt.Sprintf("-XX:ActiveProcessorCount=%d", int(math.Ceil(r.CPUs))))
	}
	return strings.Join(options, " ")
}
