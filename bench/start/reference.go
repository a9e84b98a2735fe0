package main

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/semaphore"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// reference is the critical path, measured: what the engine takes to create and start the same containers when each
// is started the moment that what it waits for is ready, which the bench knows from the run before and so needs no
// probe for.
type reference struct {
	seconds float64
	cpu     float64 // the engine's, seconds
}

// unknown is a reference that was not measured.
var unknown = reference{seconds: math.NaN(), cpu: math.NaN()}

// refer measures the reference of a case, on containers as the tool made them.
func (b *bench) refer(ctx context.Context, s *stack, sc scenario, t tool) (reference, error) {
	project := b.projects[t.family]
	if err := b.prepare(ctx, s, sc, t); err != nil {
		return reference{}, err
	}
	graph := s.graph
	if sc.one {
		graph = []node{{name: s.one}}
	}
	before, began := b.engineCPU(), time.Now()
	switch {
	case sc.state == nothing:
		if err := b.makeNetworks(ctx, s, project); err != nil {
			return reference{}, err
		}
		if err := each(ctx, s.specs[project], b.callsAtOnce, b.make); err != nil {
			return reference{}, err
		}
	case sc.one:
		if err := b.stopOne(ctx, project, s.one); err != nil {
			return reference{}, err
		}
	case sc.state == running:
		if err := b.stopAll(ctx, project); err != nil {
			return reference{}, err
		}
	}
	if err := b.startGraph(ctx, s, graph, project); err != nil {
		return reference{}, err
	}
	return reference{seconds: time.Since(began).Seconds(), cpu: b.engineCPU().since(before)}, nil
}

// startGraph starts the project's containers, each as soon as what it waits for is ready, and returns when all are.
func (b *bench) startGraph(ctx context.Context, s *stack, g graph, project string) error {
	ids, err := b.ids(ctx, project)
	if err != nil {
		return err
	}
	type times struct{ started, ready chan struct{} }
	at := map[string]times{}
	for _, n := range g {
		at[n.name] = times{make(chan struct{}), make(chan struct{})}
	}
	// Enough calls at once to keep the engine busy.
	calls := semaphore.NewWeighted(int64(b.callsAtOnce))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, n := range g {
		all.Go(func() {
			for _, e := range n.after {
				wait := at[e.on].ready
				if e.started {
					wait = at[e.on].started
				}
				select {
				case <-wait:
				case <-ctx.Done():
					return
				}
			}
			if calls.Acquire(ctx, 1) != nil {
				return
			}
			began, err := b.startOne(ctx, ids[n.name])
			calls.Release(1)
			if err != nil {
				cancel(err)
				return
			}
			close(at[n.name].started)
			select {
			case <-time.After(time.Duration(s.readiness[n.name]*float64(time.Second)) - time.Since(began)):
				close(at[n.name].ready)
			case <-ctx.Done():
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// ids are the containers' by service.
func (b *bench) ids(ctx context.Context, project string) (map[string]string, error) {
	all, err := b.list(ctx, project)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, c := range all {
		out[c.Labels[serviceLabel]] = c.ID
	}
	return out, nil
}

func (b *bench) stopOne(ctx context.Context, project, service string) error {
	ids, err := b.ids(ctx, project)
	if err != nil {
		return err
	}
	if _, err := b.engine.ContainerStop(ctx, ids[service], client.ContainerStopOptions{}); err != nil {
		return fmt.Errorf("stopping %q: %w", service, err)
	}
	return nil
}

const (
	sampled     = 6  // containers of a stack on which the engine's calls are timed alone
	probesInAll = 36 // of which the cost of one is the mean
	idle        = 4 * time.Second
)

// measureAlone times the engine's calls one after the other with nothing else to do, and what one probe costs it.
// The project's containers are made for it and removed again.
func (b *bench) measureAlone(ctx context.Context, s *stack, project string) (costs, error) {
	c := unmeasured
	for _, p := range b.projects {
		if err := b.wipe(ctx, p); err != nil {
			return c, err
		}
	}
	began := time.Now()
	if err := b.makeNetworks(ctx, s, project); err != nil {
		return c, err
	}
	c.network = time.Since(began).Seconds()
	var creates, starts []float64
	specs := s.specs[project]
	for _, one := range specs[:min(sampled, len(specs))] {
		began := time.Now()
		if err := b.make(ctx, one); err != nil {
			return c, err
		}
		creates = append(creates, time.Since(began).Seconds())
		began = time.Now()
		if _, err := b.startOne(ctx, one.options.Name); err != nil {
			return c, err
		}
		starts = append(starts, time.Since(began).Seconds())
	}
	c.create, c.start = figures.Median(creates), figures.Median(starts)
	// They get ready meanwhile; what the engine does besides is told apart from the probes.
	before := b.engineCPU()
	if err := sleep(ctx, idle); err != nil {
		return c, err
	}
	idling := b.engineCPU().since(before) / idle.Seconds()
	var err error
	c.probe, err = b.probeCost(ctx, specs[:min(sampled, len(specs))], project, idling)
	return c, err
}

// probeCost is the engine's CPU time for one probe, in seconds: the containers' own health checks, run as a start
// runs them, with those counted that the engine itself runs meanwhile. idling is what it uses without, in seconds a
// second.
func (b *bench) probeCost(ctx context.Context, specs []spec, project string, idling float64) (float64, error) {
	w := b.watch(ctx, project)
	before, began := b.engineCPU(), time.Now()
	for range probesInAll / len(specs) {
		for _, one := range specs {
			check := one.options.Config.Healthcheck
			if check == nil || len(check.Test) < 2 {
				continue
			}
			// One that ended without its neighbours costs nothing and is not counted.
			if _, err := engine.Exec(ctx, b.engine, one.options.Name, command(check)); ctx.Err() != nil {
				return 0, err
			}
		}
	}
	used := b.engineCPU().since(before) - idling*time.Since(began).Seconds()
	n := w.stop().execs
	if n == 0 {
		return 0, nil
	}
	return used / float64(n), nil
}

// command is what a health check runs.
func command(check *container.HealthConfig) []string {
	if check.Test[0] == "CMD-SHELL" {
		return append([]string{"/bin/sh", "-c"}, check.Test[1:]...)
	}
	return check.Test[1:]
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// cpuTimes is the CPU time of processes, in seconds, by PID.
type cpuTimes map[int]float64

// since is what has been used since an earlier look. What ended in between is left out: its time can't be known.
func (c cpuTimes) since(before cpuTimes) float64 {
	var sum float64
	for pid, seconds := range c {
		sum += max(0, seconds-before[pid])
	}
	return sum
}
