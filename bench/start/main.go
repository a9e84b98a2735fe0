// Command start compares `mage start` and `mage restart` with `docker compose up --wait` and `restart`: the same
// Compose file, the same images, the same engine, whole processes, in alternating order.
//
//	go -C bench run ./start -pairs=5 -out=/tmp/start.md
//	go -C bench run ./start -stacks=chain-3,fan-30 -intervals=5s -cases=first,warm -engine=current
//
// After each round it starts the same containers itself, with perfect knowledge of when each is ready and without
// any probe: that is the critical path which the round's runs are divided by. docs/start-bench.md says how
// everything is measured. It needs Linux and root; the six services are built with `mage build` and need what `mage
// setup` makes. It removes what it made: containers, networks and volumes of the projects bench-start-…, images
// bench-start/….
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/bench/internal/figures"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// config is what the command line says.
type config struct {
	cases, stacks, tools []string
	programs             []program // targets that were compiled before, to compare as well
	callsAtOnce          int
	intervals            []time.Duration
	engine               string // "host", "current" or a unix:// address
	builder              string // BUILDKIT_HOST for the six services; "" for setup's
	pairs                int
	out, dir, registry   string
	keep                 bool
}

func main() { rig.Main(parse, run) }

// parse reads the command line and checks it before anything is started.
func parse(args []string) (config, error) {
	var c config
	var cases, stacks, tools, intervals, programs string
	cache, err := os.UserCacheDir()
	if err != nil {
		return c, fmt.Errorf("finding the cache directory: %w", err)
	}
	flags := flag.NewFlagSet("start", flag.ContinueOnError)
	flags.StringVar(&cases, "cases", strings.Join(names(scenarios()), ","), "what to compare")
	flags.StringVar(&stacks, "stacks", "six,chain-3,chain-10,fan-30,mixed-50",
		"six (the six services), or chain-N, fan-N, mixed-N: N generated services")
	flags.StringVar(&intervals, "intervals", "5s,30s", "of the generated services' health checks")
	flags.StringVar(&tools, "tools", strings.Join(names(allTools()), ","), "what to compare with each other")
	flags.StringVar(&programs, "programs", "",
		"NAME=PATH,…: programs to compare as well, made by mage -compile; options may follow the path")
	flags.IntVar(&c.callsAtOnce, "calls", 8, "how many calls the critical path has the engine work on")
	flags.StringVar(&c.engine, "engine", "host", "host, current (started for this), or a unix:// address")
	flags.StringVar(&c.builder, "builder", "",
		"address of the builder of the six services; by default the one that setup made")
	flags.IntVar(&c.pairs, "pairs", 5, "timed runs of each tool in each case")
	flags.StringVar(&c.out, "out", "", "file for the Markdown; standard output by default")
	flags.StringVar(&c.dir, "dir", filepath.Join(cache, "compose-mage", "bench"),
		"where files lie meanwhile; a short path on a real disk")
	flags.StringVar(&c.registry, "registry", "",
		"Docker Hub's mirror, plain HTTP, for -engine=current; by default a copy of what setup made")
	flags.BoolVar(&c.keep, "keep", false, "keep the runs' logs until the next bench")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.cases, c.stacks, c.tools = figures.Split(cases), figures.Split(stacks), figures.Split(tools)
	for _, text := range figures.Split(intervals) {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Second {
			return c, fmt.Errorf("reading -intervals: %q is no duration of a second or more", text)
		}
		c.intervals = append(c.intervals, d)
	}
	if c.programs, err = readPrograms(programs); err != nil {
		return c, err
	}
	return c, c.check()
}

// check refuses what can't be measured.
func (c config) check() error {
	if c.pairs < 1 {
		return fmt.Errorf("reading -pairs=%d: at least one", c.pairs)
	}
	known := map[string][]string{"cases": names(scenarios()), "tools": names(allTools())}
	for option, given := range map[string][]string{"cases": c.cases, "tools": c.tools} {
		for _, name := range given {
			if !slices.Contains(known[option], name) {
				return fmt.Errorf("reading -%s: unknown %q; known: %s", option, name, strings.Join(known[option], ", "))
			}
		}
	}
	for _, name := range c.stacks {
		if name == "six" {
			continue
		}
		if _, _, err := makeGraph(name); err != nil {
			return err
		}
	}
	return nil
}

// run measures everything and writes the report, also after a failure or Ctrl-C: what was measured by then counts.
func run(ctx context.Context, c config) (err error) {
	b, err := open(ctx, c)
	if err != nil {
		return err
	}
	defer func() {
		if e := b.close(); err == nil {
			err = e
		}
	}()
	r := report{facts: b.facts(ctx), tools: b.tools, cpus: runtime.NumCPU()}
	if len(c.programs) > 0 {
		r.against = c.programs[0].name
	}
	for _, name := range c.stacks {
		intervals := c.intervals
		if name == "six" {
			intervals = intervals[:1] // its Compose file has its own
		}
		for _, interval := range intervals {
			results, err := b.measureStack(ctx, name, interval)
			r.results = append(r.results, results...)
			if err != nil && ctx.Err() == nil {
				r.failed = append(r.failed, fmt.Sprintf("%s: %v", name, err))
			}
		}
	}
	text := r.markdown()
	if c.out == "" {
		fmt.Print(text)
	} else if err := os.WriteFile(c.out, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if n := len(r.failures()); n > 0 && ctx.Err() == nil {
		return fmt.Errorf("measuring: %d failed; the report says why", n)
	}
	return ctx.Err()
}

// named is what a command-line list chooses from.
type named interface{ id() string }

func names[T named](all []T) []string {
	var out []string
	for _, n := range all {
		out = append(out, n.id())
	}
	return out
}
