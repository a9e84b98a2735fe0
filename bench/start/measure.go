package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// longestRun bounds one run of one tool.
const longestRun = 20 * time.Minute

// once is one timed run. Times are in seconds.
type once struct {
	seconds  float64 // the whole process
	ready    float64 // from the process's start until the last service was truly ready
	cpu      float64 // of the process and its children
	engine   float64 // CPU time of the engine
	probes   int
	memory   int64 // bytes
	critical reference
	services map[string]float64 // what each took to get ready
}

// result is what one case gave on one stack.
type result struct {
	stack    *stack
	scenario scenario
	runs     map[string][]once // by tool, one a round
	failed   map[string]string // why a tool gave none
}

// measureStack makes a stack and runs its cases.
func (b *bench) measureStack(ctx context.Context, name string, interval time.Duration) ([]result, error) {
	s, err := b.makeStack(ctx, name, interval)
	if err != nil {
		return nil, fmt.Errorf("making the stack: %w", err)
	}
	var results []result
	for _, sc := range scenarios() {
		if slices.Contains(b.cases, sc.name) && ctx.Err() == nil {
			results = append(results, b.measure(ctx, s, sc))
		}
	}
	for _, project := range b.projects {
		if err := b.wipe(context.WithoutCancel(ctx), project); err != nil {
			return results, err
		}
	}
	return results, nil
}

// measure runs one case: the rounds, in alternating order, each with its reference.
func (b *bench) measure(ctx context.Context, s *stack, sc scenario) result {
	r := result{stack: s, scenario: sc, runs: map[string][]once{}, failed: map[string]string{}}
	rig.Say("== %s: %s", s.title, sc.title)
	for round := range b.pairs {
		order := slices.DeleteFunc(slices.Clone(b.tools), func(t tool) bool { return sc.args[t.args] == nil })
		if round%2 == 1 {
			slices.Reverse(order)
		}
		var last *tool
		for _, t := range order {
			if r.failed[t.name] != "" {
				continue
			}
			one, err := b.run(ctx, s, sc, t)
			if ctx.Err() != nil {
				return r // interrupted: no failure of the tool's
			}
			if err != nil {
				r.fail(t, err)
				continue
			}
			r.runs[t.name] = append(r.runs[t.name], one)
			if last == nil || t.ours() {
				last = &t
			}
			rig.Say("%-17s %.2f s, ready after %.2f s, %d probes, %d MiB",
				t.title, one.seconds, one.ready, one.probes, one.memory>>20)
		}
		if last == nil {
			return r
		}
		ref, err := b.refer(ctx, s, sc, *last)
		if ctx.Err() != nil {
			return r
		}
		if err != nil {
			rig.Say("no critical path: %v", err)
			continue
		}
		rig.Say("%-17s %.2f s", "critical path", ref.seconds)
		for _, t := range order {
			if runs := r.runs[t.name]; r.failed[t.name] == "" && len(runs) > 0 {
				runs[len(runs)-1].critical = ref
			}
		}
		if math.IsNaN(s.alone.start) { // the first round has shown how the containers are made
			if s.alone, err = b.measureAlone(ctx, s, b.projects[last.family]); err != nil {
				rig.Say("the engine's calls alone were not measured: %v", err)
			}
		}
	}
	return r
}

func (r *result) fail(t tool, err error) {
	rig.Say("%-17s failed: %v", t.title, err)
	r.failed[t.name] = err.Error()
	delete(r.runs, t.name)
}

// prepare brings about the state that a run finds. Containers of the other tools don't run meanwhile.
func (b *bench) prepare(ctx context.Context, s *stack, sc scenario, t tool) error {
	project := b.projects[t.family]
	for family, other := range b.projects {
		var err error
		switch {
		case family == t.family:
		case sc.state == nothing:
			err = b.wipe(ctx, other)
		default:
			err = b.stopAll(ctx, other)
		}
		if err != nil {
			return err
		}
	}
	if sc.state == nothing {
		return b.wipe(ctx, project)
	}
	ids, err := b.ids(ctx, project)
	if err != nil {
		return err
	}
	if len(ids) < len(s.graph) {
		if err := b.wipe(ctx, project); err != nil {
			return err
		}
		if out, err := t.command(ctx, b, s, create[t.family]).CombinedOutput(); err != nil {
			return fmt.Errorf("making the containers: %w: %s", err, figures.LastWords(out))
		}
	}
	if sc.state == stopped {
		return b.stopAll(ctx, project)
	}
	return b.bringUp(ctx, s, project)
}

// bringUp has all the project's containers run and be ready.
func (b *bench) bringUp(ctx context.Context, s *stack, project string) error {
	all, err := b.list(ctx, project)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.State != "running" {
			if err := b.startGraph(ctx, s, s.graph, project); err != nil {
				return err
			}
			break
		}
	}
	return sleep(ctx, time.Second) // what they do when they have just got ready is not the run's
}

// expected are the services that the case starts.
func (sc scenario) expected(s *stack) []string {
	if sc.one {
		return []string{s.one}
	}
	return s.graph.names()
}

// run brings about the state that the case starts from and runs the tool. An error says that the tool failed, or
// that it did not do what it should have.
func (b *bench) run(ctx context.Context, s *stack, sc scenario, t tool) (once, error) {
	one := once{critical: unknown}
	if err := b.prepare(ctx, s, sc, t); err != nil {
		return one, err
	}
	project := b.projects[t.family]
	within, cancel := context.WithTimeout(ctx, longestRun)
	defer cancel()
	args := slices.Clone(sc.args[t.args])
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "{one}", s.one)
	}
	cmd := t.command(within, b, s, args)
	output, log, err := b.capture(cmd, sc, t)
	if err != nil {
		return one, err
	}
	defer log.Close()
	rig.Rest(ctx)
	w, before, began := b.watch(ctx, project), b.engineCPU(), time.Now()
	err = cmd.Run()
	one.seconds, one.engine = time.Since(began).Seconds(), b.engineCPU().since(before)
	if err != nil {
		w.stop()
		return one, fmt.Errorf("%w: %s", err, figures.LastWords(output.Bytes()))
	}
	own, err := b.ownChecks(ctx, project, began)
	seen := w.stop()
	if err := errors.Join(err, seen.lost); err != nil {
		return one, fmt.Errorf("reading what the engine did: %w", err)
	}
	one.probes, one.memory = max(0, seen.execs-own), peakMemory(cmd.ProcessState)
	one.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	ready, err := b.awaitReady(ctx, s, project, sc.expected(s), began)
	if err != nil {
		return one, fmt.Errorf("it ended well, and %w", err)
	}
	one.ready = slices.MaxFunc(slices.Collect(maps.Values(ready)), time.Time.Compare).Sub(began).Seconds()
	if err := check(s, sc, t, seen, ready, began.Add(time.Duration(one.seconds*float64(time.Second)))); err != nil {
		return one, err
	}
	if err := b.remember(ctx, s, project); err != nil {
		return one, err
	}
	one.services = s.readinessOf(sc, seen, ready)
	return one, nil
}

// capture sends what the command prints to a buffer and to a log file, which the caller closes.
func (b *bench) capture(cmd *exec.Cmd, sc scenario, t tool) (*bytes.Buffer, *os.File, error) {
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	b.runs++
	log, err := os.Create(filepath.Join(b.work, fmt.Sprintf("run-%03d-%s-%s.log", b.runs, sc.name, t.name)))
	if err != nil {
		return nil, nil, err
	}
	var output bytes.Buffer
	cmd.Stdout = io.MultiWriter(&output, log)
	cmd.Stderr = cmd.Stdout
	return &output, log, nil
}

// check asks whether the tool did what it should have: every service was started, none before what it waits for was
// ready, and who waits ended when all were.
func check(s *stack, sc scenario, t tool, seen observed, ready map[string]time.Time, ended time.Time) error {
	for _, name := range sc.expected(s) {
		if seen.started[name].IsZero() {
			return fmt.Errorf("it ended well, and did not start %q", name)
		}
		if t.waits && ready[name].After(ended) {
			return fmt.Errorf("it ended before %q was ready", name)
		}
	}
	if !t.waits || sc.one {
		return nil
	}
	var early []error
	for _, n := range s.graph {
		for _, e := range n.after {
			if !e.started && seen.started[n.name].Before(ready[e.on]) {
				early = append(early, fmt.Errorf("it started %q before %q was ready", n.name, e.on))
			}
		}
	}
	return errors.Join(early...)
}

// readinessOf is what each service took from the end of the engine's start call to being ready, in seconds. The
// stack keeps it for the reference.
func (s *stack) readinessOf(sc scenario, seen observed, ready map[string]time.Time) map[string]float64 {
	out := map[string]float64{}
	for _, name := range sc.expected(s) {
		// A fast service can be ready before the engine has told of its start.
		out[name] = max(0, ready[name].Sub(seen.started[name]).Seconds())
		s.readiness[name] = out[name]
	}
	return out
}

// longest is the longest path of a run, in seconds: readiness as in that run, the engine's calls as when it has
// nothing else to do. NaN where those were not measured.
func (s *stack) longest(sc scenario, one once) float64 {
	if math.IsNaN(s.alone.start) {
		return math.NaN()
	}
	g, by := s.graph, map[string]cost{}
	if sc.one {
		g = []node{{name: s.one}}
	}
	for _, n := range g {
		by[n.name] = cost{start: s.alone.start, ready: one.services[n.name]}
	}
	seconds, _ := g.longest(by)
	if sc.state == nothing {
		seconds += s.alone.network + s.alone.create
	}
	return seconds
}
