package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// longestRun bounds one run of one tool.
const longestRun = 45 * time.Minute

// result is what one case gave on one stack.
type result struct {
	stack    *stack
	scenario scenario
	times    map[string][]float64 // seconds by tool, one a round
	steps    map[string][]float64 // seconds in which RUN steps ran, by tool, one a round, for tools that tell
	bytes    map[string]int64     // that reached the engine, by tool; where they were counted
	layer    int64                // bytes of the layers that changed
	failed   map[string]string    // why a tool gave no times
}

// finished is one process that has ended.
type finished struct {
	seconds float64
	output  []byte
	before  map[string]string // image IDs by name
	after   map[string]string
}

// measure runs one case: what its tools need once, then the rounds, in alternating order.
func (b *bench) measure(ctx context.Context, s *stack, sc scenario) result {
	r := result{
		stack: s, scenario: sc, times: map[string][]float64{}, steps: map[string][]float64{},
		bytes: map[string]int64{}, failed: map[string]string{},
	}
	rig.Say("== %s: %s", s.title, sc.title)
	b.prepare(ctx, s, sc, &r)
	for round := range b.pairs {
		order := slices.Clone(b.tools)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, t := range order {
			if r.failed[t.name] != "" {
				continue
			}
			one, err := b.once(ctx, s, sc, t, b.host)
			if ctx.Err() != nil {
				return r // interrupted: no failure of the tool's
			}
			if err != nil {
				rig.Say("%-14s failed: %v", t.title, err)
				r.fail(t, err)
				continue
			}
			r.times[t.name] = append(r.times[t.name], one.seconds)
			if t.steps {
				r.steps[t.name] = append(r.steps[t.name], stepSeconds(one.output))
			}
			rig.Say("%-14s %.2f s", t.title, one.seconds)
		}
	}
	if !b.noBytes && !sc.forget {
		b.countBytes(ctx, s, sc, &r)
	}
	return r
}

func (r *result) fail(t tool, err error) {
	r.failed[t.name] = err.Error()
	delete(r.times, t.name)
}

// prepare does untimed what the case takes for granted.
func (b *bench) prepare(ctx context.Context, s *stack, sc scenario, r *result) {
	if sc.fill {
		if err := b.cache.Empty(ctx); err != nil {
			for _, t := range b.tools {
				r.fail(t, err)
			}
			return
		}
	}
	for _, t := range b.tools {
		if !sc.warm && !sc.fill {
			return
		}
		first := scenario{to: sc.fill, forget: sc.fill}
		filled := r.failed["mage-fast"] == "" && slices.Contains(b.config.tools, "mage-fast")
		if sc.fill && t.name != "mage-fast" && t.prefix == "bench-mage" && filled {
			continue // they share the cache
		}
		rig.Say("%-14s once, untimed", t.title)
		if _, err := b.once(ctx, s, first, t, b.host); err != nil {
			rig.Say("%-14s failed: %v", t.title, err)
			r.fail(t, err)
		}
	}
}

// once brings about the state that the case starts from and runs the tool. An error says that the tool failed, or
// that the engine has not what it should have made.
func (b *bench) once(ctx context.Context, s *stack, sc scenario, t tool, host string) (finished, error) {
	if sc.forget {
		if err := b.forget(ctx); err != nil {
			return finished{}, err
		}
	}
	if sc.to && !sc.from && sc.name != "" { // a timed export writes everything
		if err := b.cache.Empty(ctx); err != nil {
			return finished{}, err
		}
	}
	if sc.change != "" {
		if err := s.change(sc.change); err != nil {
			return finished{}, err
		}
	}
	images := s.images(t)
	one := finished{before: b.engine.ids(ctx, images)}
	ctx, cancel := context.WithTimeout(ctx, longestRun)
	defer cancel()
	cmd := t.command(b, s, request{ctx: ctx, host: host, from: sc.from, to: sc.to})
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	var output bytes.Buffer
	b.logs++
	log, err := os.Create(filepath.Join(b.work, fmt.Sprintf("run-%03d-%s-%s.log", b.logs, sc.name, t.name)))
	if err != nil {
		return one, err
	}
	defer log.Close()
	cmd.Stdout = io.MultiWriter(&output, log)
	cmd.Stderr = cmd.Stdout
	rig.Rest(ctx)
	began := time.Now()
	err = cmd.Run()
	one.seconds, one.output = time.Since(began).Seconds(), output.Bytes()
	if err != nil {
		return one, fmt.Errorf("%w: %s", err, figures.LastWords(one.output))
	}
	return one, b.check(ctx, s, sc, t, &one)
}

// check asks whether the engine has what the tool should have made, and removes what that replaced.
func (b *bench) check(ctx context.Context, s *stack, sc scenario, t tool, one *finished) error {
	images := s.images(t)
	one.after = b.engine.ids(ctx, images)
	if len(one.after) < len(images) {
		return fmt.Errorf("it ended well, and the engine has %d of its %d images", len(one.after), len(images))
	}
	edited := t.prefix + "/" + s.service + ":latest"
	if sc.change != "" && one.before[edited] == one.after[edited] {
		return errors.New("it ended well, and the edited service's image is the old one")
	}
	for name, id := range one.before {
		if id != one.after[name] {
			b.engine.remove(ctx, id)
		}
	}
	return nil
}

// images are the names of the stack's images as this tool makes them.
func (s *stack) images(t tool) []string {
	var out []string
	for _, service := range s.services {
		if t.alone && service != s.service {
			continue
		}
		out = append(out, t.prefix+"/"+service+":latest")
	}
	return out
}

// countBytes runs each tool once more, untimed, through a socket that counts. For an edit it also measures what
// changed.
func (b *bench) countBytes(ctx context.Context, s *stack, sc scenario, r *result) {
	for _, t := range b.tools {
		if r.failed[t.name] != "" || t.name == "mage" && slices.Contains(b.config.tools, "mage-fast") {
			continue
		}
		edited := t.prefix + "/" + s.service + ":latest"
		old, _, _ := b.engine.layers(ctx, edited)
		c, err := b.engine.count(filepath.Join(b.work, "count.sock"))
		if err != nil {
			rig.Say("%-14s bytes not counted: %v", t.title, err)
			continue
		}
		_, err = b.once(ctx, s, sc, t, c.host)
		n := c.close()
		if err != nil {
			rig.Say("%-14s bytes not counted: %v", t.title, err)
			continue
		}
		r.bytes[t.name] = n
		if digests, sizes, err := b.engine.layers(ctx, edited); err == nil && r.layer == 0 && len(old) > 0 {
			r.layer = changedSize(old, digests, sizes)
		}
	}
}

// changedSize adds up the sizes of the layers that differ: they are the image's last ones, since a layer follows
// from those below it. sizes holds the layers that are not empty, newest first.
func changedSize(old, now []string, sizes []int64) int64 {
	same := 0
	for same < min(len(old), len(now)) && old[same] == now[same] {
		same++
	}
	var sum int64
	for _, size := range sizes[:min(len(now)-same, len(sizes))] {
		sum += size
	}
	return sum
}
