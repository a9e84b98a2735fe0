package compose

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// RuntimeExtension is the service key under which a Compose file names the runtimes whose settings follow from the
// limits: go, python, openmp, node, java, redis.
const RuntimeExtension = "x-runtime"

// Fit changes project in place: limits above the machine are clamped to it (Docker refuses such cpus and ignores such
// memory), reservations to their limits, and the settings of each service's runtimes are derived from the result. It
// returns one sentence for each clamp.
func Fit(project *types.Project, m engine.Machine) []string {
	var notices []string
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		declared := limitsOf(service)
		fitted := declared
		if declared.cpus > float64(m.CPUs) {
			fitted.cpus = float64(m.CPUs)
			notices = append(notices, fmt.Sprintf("%s: cpus limit %s is above the machine's %d, clamped to %d", name, cores(declared.cpus), m.CPUs, m.CPUs))
		}
		if m.Memory > 0 && declared.memory > m.Memory {
			fitted.memory = m.Memory
			notices = append(notices, fmt.Sprintf("%s: memory limit %s is above the machine's %s, clamped to it", name, ui.Bytes(declared.memory), ui.Bytes(m.Memory)))
		}
		setLimits(&service, fitted)
		if n := clampOpenFiles(&service, m.OpenFiles); n != "" {
			notices = append(notices, n)
		}
		deriveRuntime(&service, declared, fitted)
		project.Services[name] = service
	}
	return notices
}

// clampOpenFiles lowers the service's nofile limits to what the engine may grant, and says so.
func clampOpenFiles(s *types.ServiceConfig, most int64) string {
	u := s.Ulimits["nofile"]
	if u == nil || most <= 0 || int64(max(u.Single, u.Soft, u.Hard)) <= most {
		return ""
	}
	fitted := *u
	declared := max(u.Single, u.Soft, u.Hard)
	fitted.Single, fitted.Soft, fitted.Hard = min(u.Single, int(most)), min(u.Soft, int(most)), min(u.Hard, int(most))
	s.Ulimits["nofile"] = &fitted
	return fmt.Sprintf("%s: nofile limit %d is above the %d that the engine may grant, clamped to it", s.Name, declared, most)
}

// limits are a service's, 0 meaning none: cpus in cores, memory in bytes.
type limits struct {
	cpus   float64
	memory int64
}

// limitsOf reads deploy.resources.limits, else the older cpus and mem_limit keys.
func limitsOf(s types.ServiceConfig) limits {
	l := limits{cpus: float64(s.CPUS), memory: int64(s.MemLimit)}
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil {
		if c := s.Deploy.Resources.Limits.NanoCPUs; c > 0 {
			l.cpus = float64(c)
		}
		if b := s.Deploy.Resources.Limits.MemoryBytes; b > 0 {
			l.memory = int64(b)
		}
	}
	return l
}

func setLimits(s *types.ServiceConfig, l limits) {
	if s.CPUS > 0 {
		s.CPUS = float32(l.cpus)
	}
	if s.MemLimit > 0 {
		s.MemLimit = types.UnitBytes(l.memory)
	}
	if s.Deploy == nil {
		return
	}
	if d := s.Deploy.Resources.Limits; d != nil {
		if d.NanoCPUs > 0 {
			d.NanoCPUs = types.NanoCPUs(l.cpus)
		}
		if d.MemoryBytes > 0 {
			d.MemoryBytes = types.UnitBytes(l.memory)
		}
	}
	if r := s.Deploy.Resources.Reservations; r != nil {
		if l.memory > 0 && int64(r.MemoryBytes) > l.memory {
			r.MemoryBytes = types.UnitBytes(l.memory)
		}
		if l.cpus > 0 && float64(r.NanoCPUs) > l.cpus {
			r.NanoCPUs = types.NanoCPUs(l.cpus)
		}
	}
}

// deriveRuntime sets the variables of the service's runtimes. What the file sets by hand wins, unless it is just what
// the declared limits give: then it moves along when a limit is clamped.
func deriveRuntime(s *types.ServiceConfig, declared, fitted limits) {
	runtimes := Runtimes(*s)
	if len(runtimes) == 0 {
		return
	}
	before, after := settings(runtimes, declared), settings(runtimes, fitted)
	if s.Environment == nil {
		s.Environment = types.MappingWithEquals{}
	}
	for key, value := range after {
		if have, set := s.Environment[key]; !set || (have != nil && *have == before[key]) {
			s.Environment[key] = &value
		}
	}
}

// Runtimes gives the runtimes that a service names under x-runtime.
func Runtimes(s types.ServiceConfig) []string {
	var names []string
	switch v := s.Extensions[RuntimeExtension].(type) {
	case string:
		names = append(names, v)
	case []any:
		for _, item := range v {
			names = append(names, fmt.Sprint(item))
		}
	}
	return names
}

var knownRuntimes = []string{"go", "java", "node", "openmp", "python", "redis"}

// CheckRuntimes returns a Config error for the first x-runtime that is not known.
func CheckRuntimes(project *types.Project) error {
	for _, name := range project.ServiceNames() {
		for _, runtime := range Runtimes(project.Services[name]) {
			if !slices.Contains(knownRuntimes, runtime) {
				return fault.New(fault.Config, "", "service %q: unknown %s %q%s", name, RuntimeExtension, runtime, fault.DidYouMean(runtime, knownRuntimes))
			}
		}
	}
	return nil
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
