package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Resources are a service's limits and reservations for one container; 0 means none.
type Resources struct {
	CPUs           float64 `json:"cpus,omitempty"`            // limit, cores
	Memory         int64   `json:"memory,omitempty"`          // limit, bytes
	ReservedCPUs   float64 `json:"reserved_cpus,omitempty"`   // cores
	ReservedMemory int64   `json:"reserved_memory,omitempty"` // bytes
}

// ResourcesOf reads deploy.resources, else the older keys.
func ResourcesOf(s types.ServiceConfig) Resources {
	l := limitsOf(s)
	r := Resources{CPUs: l.cpus, Memory: l.memory, ReservedMemory: int64(s.MemReservation)}
	if s.Deploy != nil && s.Deploy.Resources.Reservations != nil {
		if c := s.Deploy.Resources.Reservations.NanoCPUs; c > 0 {
			r.ReservedCPUs = float64(c)
		}
		if b := s.Deploy.Resources.Reservations.MemoryBytes; b > 0 {
			r.ReservedMemory = int64(b)
		}
	}
	return r
}

// resourcesOfAll is what the files say, by service, before fitting.
func resourcesOfAll(project *types.Project) map[string]Resources {
	out := map[string]Resources{}
	for name, s := range project.Services {
		out[name] = ResourcesOf(s)
	}
	return out
}

// Setting is a variable that a runtime reads, and why it has its value.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Why   string `json:"why"`
}

// FittedService is what the machine made of one service.
type FittedService struct {
	Service  string    `json:"service"`
	Given    Resources `json:"given"`  // as the Compose files say
	Fitted   Resources `json:"fitted"` // as it is started
	Settings []Setting `json:"settings,omitempty"`
}

// Fitted is what the machine made of the stack.
type Fitted struct {
	Tier     string          `json:"tier"` // "" for none
	Why      string          `json:"why"`
	Machine  engine.Machine  `json:"machine"`
	Services []FittedService `json:"services"` // by name
	Warnings []string        `json:"warnings,omitempty"`
}

// Explain says how the stack was fitted to the machine for which it was loaded, and what can't be had on it.
func (s *Model) Explain(m engine.Machine) Fitted {
	f := Fitted{Tier: s.Tier, Why: s.whyTier(m), Machine: m, Warnings: append(slices.Clone(s.Notices), Overcommitted(s.Project, m)...)}
	for _, name := range s.Project.ServiceNames() {
		service := s.Project.Services[name]
		f.Services = append(f.Services, FittedService{
			Service: name, Given: s.given[name], Fitted: ResourcesOf(service), Settings: explainSettings(service),
		})
	}
	return f
}

// whyTier says who chose the tier.
func (s *Model) whyTier(m engine.Machine) string {
	switch asked := strings.ToLower(s.Project.Environment[TierVariable]); {
	case s.named:
		return "COMPOSE_FILE says which files are read"
	case asked != "":
		return TierVariable + "=" + asked
	case s.Tier == "":
		return fmt.Sprintf("there is no tier-%s.yaml beside the Compose file", TierFor(m.Memory))
	}
	for _, t := range tiers {
		if t.name == s.Tier && t.floor > 0 {
			return fmt.Sprintf("the engine has %s of memory, and this tier is for %s and more", ui.Bytes(m.Memory), ui.Bytes(t.floor))
		}
	}
	return fmt.Sprintf("the engine has %s of memory, too little for the other tiers", ui.Bytes(m.Memory))
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
	for name, derived := range settings(Runtimes(s), limitsOf(s)) {
		one := Setting{Name: name, Value: derived, Why: reasons[name]}
		if have := s.Environment[name]; have != nil && *have != derived {
			one.Value, one.Why = *have, "set in the Compose file; the limits would give "+derived
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Overcommitted gives a sentence for each kind of limit or reservation that adds up, over all containers, to more than the
// machine has.
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
	if m.Memory > 0 && sum.ReservedMemory > m.Memory {
		out = append(out, fmt.Sprintf("the memory reservations add up to %s, above the machine's %s: not all can be met", ui.Bytes(sum.ReservedMemory), ui.Bytes(m.Memory)))
	}
	if m.CPUs > 0 && sum.ReservedCPUs > float64(m.CPUs) {
		out = append(out, fmt.Sprintf("the cpus reservations add up to %s, above the machine's %d: not all can be met", cores(sum.ReservedCPUs), m.CPUs))
	}
	if m.Memory > 0 && sum.Memory > m.Memory {
		out = append(out, fmt.Sprintf("the memory limits add up to %s, above the machine's %s: when all services use theirs, the kernel kills some", ui.Bytes(sum.Memory), ui.Bytes(m.Memory)))
	}
	if m.CPUs > 0 && sum.CPUs > float64(m.CPUs) {
		out = append(out, fmt.Sprintf("the cpus limits add up to %s, above the machine's %d: busy services slow each other down", cores(sum.CPUs), m.CPUs))
	}
	return out
}

// Print writes it for a person to read.
func (f Fitted) Print(out *ui.Out) {
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
			s.Service, change(cpuCell(s.Given.CPUs), cpuCell(s.Fitted.CPUs)), change(memoryCell(s.Given.Memory), memoryCell(s.Fitted.Memory)),
			change(cpuCell(s.Given.ReservedCPUs), cpuCell(s.Fitted.ReservedCPUs)), change(memoryCell(s.Given.ReservedMemory), memoryCell(s.Fitted.ReservedMemory)),
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

// change shows what fitting changed as "4 -> 2".
func change(given, fitted string) string {
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
