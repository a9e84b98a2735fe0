package fit

import (
	"fmt"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// clamper lowers what one service asks for to what the machine has, in each spelling that the Compose file may use,
// and records each change.
type clamper struct {
	service *types.ServiceConfig
	machine engine.Machine
	changes []Change
}

// clamp lowers the limits of the service that are above the machine, and then what the engine compares with them: it
// refuses a reservation above the limit, and a sum of memory and swap below it.
func clamp(s *types.ServiceConfig, m engine.Machine) []Change {
	c := clamper{service: s, machine: m}
	c.cpus()
	c.memory()
	c.openFiles()
	return c.changes
}

func (c *clamper) changed(key, was, is, why string) {
	c.changes = append(c.changes, Change{Service: c.service.Name, Key: key, Old: was, New: is, Why: why})
}

func (c *clamper) cpus() {
	s, most := c.service, float64(c.machine.CPUs)
	machine := fmt.Sprintf("the machine's %d", c.machine.CPUs)
	if float64(s.CPUS) > most {
		c.changed("cpus", cores(float64(s.CPUS)), cores(most), machine)
		s.CPUS = float32(most)
	}
	if most := c.machine.CPUs; s.CPUQuota > int64(most)*cpuPeriod(*s) {
		was := s.CPUQuota
		s.CPUQuota = int64(most) * cpuPeriod(*s)
		c.changed("cpu_quota", strconv.FormatInt(was, 10), strconv.FormatInt(s.CPUQuota, 10),
			fmt.Sprintf("the machine's %d CPUs", most))
	}
	if s.Deploy == nil {
		return
	}
	if d := s.Deploy.Resources.Limits; d != nil && float64(d.NanoCPUs) > most {
		c.changed("deploy.resources.limits.cpus", cores(float64(d.NanoCPUs)), cores(most), machine)
		d.NanoCPUs = types.NanoCPUs(most)
	}
	// Reserved CPUs are no matter of the engine's; start's admission counts them.
	limit := ResourcesOf(*s).CPUs
	if r := s.Deploy.Resources.Reservations; r != nil && limit > 0 && float64(r.NanoCPUs) > limit {
		c.changed("deploy.resources.reservations.cpus", cores(float64(r.NanoCPUs)), cores(limit), "the limit of "+
			cores(limit))
		r.NanoCPUs = types.NanoCPUs(limit)
	}
}

func (c *clamper) memory() {
	declared := ResourcesOf(*c.service).Memory
	if c.machine.Memory > 0 && declared > c.machine.Memory {
		c.memoryLimit()
	}
	fitted := ResourcesOf(*c.service).Memory
	c.memoryReservation(fitted)
	// memswap_limit is memory and swap together: the same swap stays, on top of less memory. -1 is no limit, and a
	// sum that is below the memory limit in the file already is a mistake that the engine names.
	if s := c.service; declared != fitted && int64(s.MemSwapLimit) >= declared {
		was := s.MemSwapLimit
		s.MemSwapLimit -= types.UnitBytes(declared - fitted)
		c.changed("memswap_limit", ui.Bytes(int64(was)), ui.Bytes(int64(s.MemSwapLimit)),
			"the same swap on top of the memory limit "+ui.Bytes(fitted))
	}
}

func (c *clamper) memoryLimit() {
	s, most := c.service, types.UnitBytes(c.machine.Memory)
	const machine = "the machine's memory"
	if s.MemLimit > most {
		c.changed("mem_limit", ui.Bytes(int64(s.MemLimit)), ui.Bytes(int64(most)), machine)
		s.MemLimit = most
	}
	if s.Deploy == nil {
		return
	}
	if d := s.Deploy.Resources.Limits; d != nil && d.MemoryBytes > most {
		c.changed("deploy.resources.limits.memory", ui.Bytes(int64(d.MemoryBytes)), ui.Bytes(int64(most)), machine)
		d.MemoryBytes = most
	}
}

// memoryReservation lowers the reservation to the limit, in bytes; 0 is no limit.
func (c *clamper) memoryReservation(limit int64) {
	s, most := c.service, types.UnitBytes(limit)
	if limit == 0 {
		return
	}
	why := "the memory limit " + ui.Bytes(limit)
	if s.MemReservation > most {
		c.changed("mem_reservation", ui.Bytes(int64(s.MemReservation)), ui.Bytes(limit), why)
		s.MemReservation = most
	}
	if s.Deploy == nil {
		return
	}
	if r := s.Deploy.Resources.Reservations; r != nil && r.MemoryBytes > most {
		c.changed("deploy.resources.reservations.memory", ui.Bytes(int64(r.MemoryBytes)), ui.Bytes(limit), why)
		r.MemoryBytes = most
	}
}

// openFiles lowers the nofile limits to what the engine may grant.
func (c *clamper) openFiles() {
	u, most := c.service.Ulimits["nofile"], c.machine.OpenFiles
	if u == nil || most <= 0 || int64(max(u.Single, u.Soft, u.Hard)) <= most {
		return
	}
	fitted := *u
	fitted.Single, fitted.Soft, fitted.Hard = min(u.Single, int(most)), min(u.Soft, int(most)), min(u.Hard, int(most))
	c.service.Ulimits["nofile"] = &fitted
	c.changed("ulimits.nofile", strconv.Itoa(max(u.Single, u.Soft, u.Hard)), strconv.FormatInt(most, 10),
		fmt.Sprintf("the %d that the engine may grant", most))
}
