package monitor

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/sampler"
)

// sample reads the container's counters, or begins to ask the engine for them.
func (s subject) sample(ctx context.Context, r *row) {
	if !r.Running() {
		return
	}
	if s.readFirst(r) {
		return
	}
	r.asked = make(chan readings, 1)
	go func() {
		var got readings
		got.before, got.after, got.err = sampler.Ask(ctx, s.api, r.ID)
		r.asked <- got
	}()
}

// readFirst reads the counters from the cgroup files, where that can be.
func (s subject) readFirst(r *row) bool {
	if r.group == nil {
		return false
	}
	counters, err := r.group.Read()
	if err != nil { // it has ended just now, or this user may not read
		r.group = nil
		return false
	}
	r.Source = r.group.Source()
	r.measure(counters, s.machine)
	return true
}

// sampleAgain waits until the Window has passed for every container and reads the counters for the second time.
func (s subject) sampleAgain(ctx context.Context, rows []*row) error {
	var last time.Time
	for _, r := range rows {
		if r.Counters.Read.After(last) {
			last = r.Counters.Read
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(last.Add(sampler.Window))):
	}
	for _, r := range rows {
		if r.group == nil {
			continue
		}
		counters, err := r.group.Read()
		if err != nil {
			s.lookAgain(ctx, r, err)
			continue
		}
		r.measure(counters, s.machine)
	}
	for _, r := range rows {
		if r.asked == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case got := <-r.asked:
			if got.err != nil {
				s.lookAgain(ctx, r, got.err)
				continue
			}
			r.Source = sampler.SourceEngine
			r.measure(got.before, s.machine)
			r.measure(got.after, s.machine)
		}
	}
	return lost(ctx, rows)
}

// lookAgain says of a container that can't be sampled what it is now, which tells more than that: the statistics of a
// container that ends or is removed meanwhile just end.
func (s subject) lookAgain(ctx context.Context, r *row, err error) {
	before := r.Started
	r.unsample()
	s.inspect(ctx, r, container.EndedByStop(s.project.Name))
	if r.Running() && r.lost == nil && r.Started.Equal(before) {
		r.fail(err)
	}
}

// unsample forgets what was measured: it was of an earlier run of the container.
func (r *Replica) unsample() {
	r.Source, r.Counters, r.Rates = "", sampler.Counters{}, sampler.Rates{}
	r.CPUPercent, r.CPULimitPercent, r.ThrottledPercent, r.MemoryUsed, r.MemoryPercent = 0, 0, 0, 0, 0
}

// measure takes down counters, and what has happened since those before them.
func (r *Replica) measure(now sampler.Counters, machine engine.Machine) {
	r.Rates = sampler.Between(r.Counters, now)
	r.Counters = now
	r.CPUPercent, r.ThrottledPercent = r.Rates.CPUPercent, r.Rates.Throttled
	cores := r.CPULimit
	if cores == 0 {
		cores = float64(machine.CPUs)
	}
	r.CPULimitPercent = 0
	if cores > 0 {
		r.CPULimitPercent = r.CPUPercent / cores
	}
	r.MemoryUsed = now.MemoryWorkingSet
	limit := r.MemoryLimit
	if limit == 0 {
		limit = machine.Memory
	}
	r.MemoryPercent = 0
	if limit > 0 {
		r.MemoryPercent = 100 * float64(r.MemoryUsed) / float64(limit)
	}
}
