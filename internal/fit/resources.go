package fit

import (
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"
)

// Resources are a service's limits and reservations for one container; 0 means none.
type Resources struct {
	CPUs           float64 `json:"cpus,omitempty"`            // limit, cores
	Memory         int64   `json:"memory,omitempty"`          // limit, bytes
	ReservedCPUs   float64 `json:"reserved_cpus,omitempty"`   // cores
	ReservedMemory int64   `json:"reserved_memory,omitempty"` // bytes
}

// defaultCPUPeriod is the kernel's, in microseconds, where cpu_quota is set and cpu_period is not.
const defaultCPUPeriod = 100_000

// ResourcesOf reads deploy.resources, else the older keys cpus, cpu_quota (with cpu_period), mem_limit and
// mem_reservation.
func ResourcesOf(s types.ServiceConfig) Resources {
	r := Resources{CPUs: float64(s.CPUS), Memory: int64(s.MemLimit), ReservedMemory: int64(s.MemReservation)}
	if s.Deploy != nil && s.Deploy.Resources.Limits != nil {
		if c := s.Deploy.Resources.Limits.NanoCPUs; c > 0 {
			r.CPUs = float64(c)
		}
		if b := s.Deploy.Resources.Limits.MemoryBytes; b > 0 {
			r.Memory = int64(b)
		}
	}
	if s.Deploy != nil && s.Deploy.Resources.Reservations != nil {
		if c := s.Deploy.Resources.Reservations.NanoCPUs; c > 0 {
			r.ReservedCPUs = float64(c)
		}
		if b := s.Deploy.Resources.Reservations.MemoryBytes; b > 0 {
			r.ReservedMemory = int64(b)
		}
	}
	if r.CPUs == 0 && s.CPUQuota > 0 {
		r.CPUs = float64(s.CPUQuota) / float64(cpuPeriod(s))
	}
	return r
}

// ResourcesOfAll gives the resources of the project's services by name.
func ResourcesOfAll(project *types.Project) map[string]Resources {
	out := map[string]Resources{}
	for name, s := range project.Services {
		out[name] = ResourcesOf(s)
	}
	return out
}

func cpuPeriod(s types.ServiceConfig) int64 {
	if s.CPUPeriod > 0 {
		return s.CPUPeriod
	}
	return defaultCPUPeriod
}

// cores prints a cpus limit as a Compose file has it: 0.5, 4.
func cores(f float64) string { return strconv.FormatFloat(f, 'f', -1, 32) }
