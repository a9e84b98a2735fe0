package fit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Setting is a variable that a runtime reads, and why it has its value.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Why   string `json:"why"`
}

// Service is what fitting made of one service.
type Service struct {
	Service  string    `json:"service"`
	Given    Resources `json:"given"`  // as the Compose files say
	Fitted   Resources `json:"fitted"` // as it is started
	Settings []Setting `json:"settings,omitempty"`
}

// Report is what fitting made of the stack.
type Report struct {
	Tier     string         `json:"tier"` // "" for none
	Why      string         `json:"why"`
	Machine  engine.Machine `json:"machine"`
	Services []Service      `json:"services"` // by name
	Warnings []string       `json:"warnings,omitempty"`
}

// Explain says what fitting made of the project's services: given is what the Compose files say, by service.
func Explain(project *types.Project, given map[string]Resources, m engine.Machine) Report {
	f := Report{Machine: m, Warnings: Overcommitted(project, m)}
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		f.Services = append(f.Services, Service{
			Service: name, Given: given[name], Fitted: ResourcesOf(service), Settings: explainSettings(service),
		})
	}
	return f
}

// reasons are why a derived variable has its value.
var reasons = map[string]string{
	"GOMEMLIMIT":              "90 % of the memory limit: it covers the Go heap only",
	"GOMAXPROCS":              "the cpus limit, rounded up",
	"OMP_NUM_THREADS":         "the cpus limit, rounded down, at least 1",
	"NODE_OPTIONS":            "a heap of 75 % of the memory limit: the rest of the process comes on top",
	"JAVA_TOOL_OPTIONS":       "a heap of 75 % of the memory limit, and the cpus limit, rounded up",
	"REDIS_MAXMEMORY":         "75 % of the memory limit, in bytes: a rewrite of the append-only file copies pages",
	"PYTHONUNBUFFERED":        "python: output appears at once in the log",
	"PYTHONDONTWRITEBYTECODE": "python: no .pyc files in the container",
	"PYTHONHASHSEED":          "python: random hashes, against crafted keys",
}

// explainSettings lists the variables of the service's runtimes, by name.
func explainSettings(s types.ServiceConfig) []Setting {
	var out []Setting
	for name, derived := range settings(extension.Runtimes(s), ResourcesOf(s)) {
		one := Setting{Name: name, Value: derived, Why: reasons[name]}
		if have := s.Environment[name]; have != nil && *have != derived {
			one.Value, one.Why = *have, "set in the Compose file; the limits would give "+derived
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Overcommitted gives a sentence for each kind of limit or reservation that adds up, over all containers, to more
// than the machine has.
func Overcommitted(project *types.Project, m engine.Machine) []string {
	var sum Resources
	for _, s := range project.Services {
		r, n := ResourcesOf(s), s.GetScale()
		sum.CPUs += float64(n) * r.CPUs
		sum.Memory += int64(n) * r.Memory
		sum.ReservedCPUs += float64(n) * r.ReservedCPUs
		sum.ReservedMemory += int64(n) * r.ReservedMemory
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if m.Memory > 0 && sum.ReservedMemory > m.Memory {
		say("the memory reservations add up to %s, above the machine's %s: not all can be met",
			ui.Bytes(sum.ReservedMemory), ui.Bytes(m.Memory))
	}
	if m.CPUs > 0 && sum.ReservedCPUs > float64(m.CPUs) {
		say("the cpus reservations add up to %s, above the machine's %d: not all can be met", cores(sum.ReservedCPUs),
			m.CPUs)
	}
	if m.Memory > 0 && sum.Memory > m.Memory {
		say("the memory limits add up to %s, above the machine's %s: when all services use theirs, the kernel kills "+
			"some",
			ui.Bytes(sum.Memory), ui.Bytes(m.Memory))
	}
	if m.CPUs > 0 && sum.CPUs > float64(m.CPUs) {
		say("the cpus limits add up to %s, above the machine's %d: busy services slow each other down", cores(sum.CPUs),
			m.CPUs)
	}
	return out
}

// Print writes the report for a person to read.
func (f Report) Print(out *ui.Out) {
	tier := f.Tier
	if tier == "" {
		tier = "none"
	}
	gpu := "no GPU"
	if f.Machine.GPU {
		gpu = "an NVIDIA GPU"
	}
	out.Title("tier %s: %s", tier, f.Why)
	out.Info("machine: %d CPUs, %s of memory, %s", f.Machine.CPUs, ui.Bytes(f.Machine.Memory), gpu)
	var limits, runtime [][]string
	for _, s := range f.Services {
		limits = append(limits, []string{
			s.Service,
			changeCell(cpuCell(s.Given.CPUs), cpuCell(s.Fitted.CPUs)),
			changeCell(memoryCell(s.Given.Memory), memoryCell(s.Fitted.Memory)),
			changeCell(cpuCell(s.Given.ReservedCPUs), cpuCell(s.Fitted.ReservedCPUs)),
			changeCell(memoryCell(s.Given.ReservedMemory), memoryCell(s.Fitted.ReservedMemory)),
		})
		for _, v := range s.Settings {
			runtime = append(runtime, []string{s.Service, v.Name, v.Value, v.Why})
		}
	}
	ui.Table(out.Writer(), []string{"SERVICE", "CPUS", "MEMORY", "RESERVED CPUS", "RESERVED MEMORY"}, limits)
	if len(runtime) > 0 {
		ui.Fprintf(out.Writer(), "\n")
		ui.Table(out.Writer(), []string{"SERVICE", "VARIABLE", "VALUE", "WHY"}, runtime)
	}
	for _, w := range f.Warnings {
		out.Warn("%s", w)
	}
}

// changeCell shows what fitting changed as "4 -> 2".
func changeCell(given, fitted string) string {
	if given == fitted {
		return fitted
	}
	return given + " -> " + fitted
}

func cpuCell(n float64) string {
	if n == 0 {
		return "-"
	}
	return cores(n)
}

func memoryCell(n int64) string {
	if n == 0 {
		return "-"
	}
	return ui.Bytes(n)
}
