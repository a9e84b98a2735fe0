package monitor

import (
	"slices"

	"github.com/25eloquence/compose-mage/internal/finding"
)

// Nearly gives what would be found if everything were a little worse: loads five points higher and a fifth less space
// free. Whoever has told of a finding waits until it is not even nearly so any more, and does not tell twice of a load
// that swings round a limit.
func (s Snapshot) Nearly() []finding.Finding {
	const points = 5
	s.Services = slices.Clone(s.Services)
	for i := range s.Services {
		r := &s.Services[i]
		r.MemoryPercent += points
		r.CPULimitPercent += points
		r.ThrottledPercent += points
	}
	if s.Disk.Space != nil {
		space := *s.Disk.Space
		space.Free -= space.Free / 5
		s.Disk.Space = &space
	}
	return findings(s)
}
