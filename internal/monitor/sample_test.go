package monitor

import (
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/sampler"
)

func TestMeasureAgainstLimitsAndMachine(t *testing.T) {
	t0 := time.Unix(100, 0)
	before := sampler.Counters{Read: t0, CPUSeconds: 1}
	after := sampler.Counters{ // half a core
		Read: t0.Add(time.Second), CPUSeconds: 1.5, Periods: 10, ThrottledPeriods: 4, MemoryUsage: 600,
		MemoryWorkingSet: 512,
	}
	machine := engine.Machine{CPUs: 4, Memory: 2048}
	for name, c := range map[string]struct {
		replica                Replica
		cpu, memory, throttled float64
	}{
		"limited":   {Replica{CPULimit: 0.5, MemoryLimit: 1024}, 100, 50, 40},
		"unlimited": {Replica{}, 12.5, 25, 40},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.replica
			r.measure(before, machine)
			r.measure(after, machine)
			if r.CPULimitPercent != c.cpu || r.MemoryPercent != c.memory || r.ThrottledPercent != c.throttled {
				t.Errorf("cpu %v memory %v throttled %v, want %v %v %v", r.CPULimitPercent, r.MemoryPercent,
					r.ThrottledPercent, c.cpu, c.memory, c.throttled)
			}
			if r.CPUPercent != 50 || r.Counters != after || r.Rates.Seconds != 1 {
				t.Errorf("got %+v", r)
			}
			if r.unsample(); r.CPUPercent+r.MemoryPercent+r.Rates.Seconds != 0 || r.Counters.MemoryUsage != 0 {
				t.Errorf("forgotten: %+v", r)
			}
		})
	}
}
