package compose

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// Fit changes project in place: limits above the machine are clamped to it (Docker refuses such cpus and ignores such
// memory), what the engine holds against them follows, and the settings of each service's runtimes are derived from the result.
// It returns every value that it changed.
func Fit(project *types.Project, m engine.Machine) []Change {
	var changes []Change
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		declared := limitsOf(service)
		changes = append(changes, clamp(&service, m)...)
		changes = append(changes, deriveRuntime(&service, declared, limitsOf(service))...)
		project.Services[name] = service
	}
	return changes
}

// notices gives a sentence for each clamp among the changes.
func notices(changes []Change) []string {
	var out []string
	for _, c := range changes {
		if c.Why != "" {
			out = append(out, c.notice())
		}
	}
	return out
}

// deriveRuntime sets the variables of the service's runtimes. What the file sets by hand wins, unless it is just what
// the declared limits give: then it moves along when a limit is clamped. It returns the variables that it set, by name.
func deriveRuntime(s *types.ServiceConfig, declared, fitted limits) []Change {
	runtimes := Runtimes(*s)
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

// settings gives the variables that the limits imply. Shares of the memory limit: Go 90 % (its limit is soft, and
// covers the Go heap only), Java and Node 75 % (their heaps; the rest of the process comes on top), redis 75 % (a
// rewrite of the append-only file copies pages).
func settings(runtimes []string, l limits) map[string]string {
	out := map[string]string{}
	threads := strconv.Itoa(max(1, int(math.Floor(l.cpus))))
	for _, runtime := range runtimes {
		switch runtime {
		case "go":
			if l.memory > 0 {
				out["GOMEMLIMIT"] = fmt.Sprintf("%dMiB", l.memory*9/10>>20)
			}
			if l.cpus > 0 {
				out["GOMAXPROCS"] = strconv.Itoa(max(1, int(math.Ceil(l.cpus))))
			}
		case "openmp":
			if l.cpus > 0 {
				out["OMP_NUM_THREADS"] = threads
			}
		case "python":
			out["PYTHONUNBUFFERED"], out["PYTHONDONTWRITEBYTECODE"], out["PYTHONHASHSEED"] = "1", "1", "random"
		case "node":
			if l.memory > 0 {
				out["NODE_OPTIONS"] = fmt.Sprintf("--max-old-space-size=%d", l.memory*3/4>>20)
			}
		case "java":
			if options := javaOptions(l); options != "" {
				out["JAVA_TOOL_OPTIONS"] = options
			}
		case "redis":
			if l.memory > 0 {
				out["REDIS_MAXMEMORY"] = strconv.FormatInt(l.memory*3/4, 10)
			}
		}
	}
	return out
}

func javaOptions(l limits) string {
	var options []string
	if l.memory > 0 {
		options = append(options, fmt.Sprintf("-Xmx%dm", l.memory*3/4>>20))
	}
	if l.cpus > 0 {
		options = append(options, fmt.Sprintf("-XX:ActiveProcessorCount=%d", int(math.Ceil(l.cpus))))
	}
	return strings.Join(options, " ")
}

// cores prints a cpus limit as a Compose file has it: 0.5, 4.
func cores(f float64) string { return strconv.FormatFloat(f, 'f', -1, 32) }
