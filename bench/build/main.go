// Command build compares `mage build` with `buildx bake` and `docker compose build`: the same Compose file, the
// same builder, the same engine, whole processes, in alternating order.
//
//	go -C bench run ./build -pairs=5 -out=/tmp/build.md
//	go -C bench run ./build -stacks=5 -cases=unchanged,source -engine=current
//
// It copies the sources, starts a buildkitd and a cache registry of its own, names every image bench-…/…, and
// removes what it made; the machine's builder and its cache stay as they are. The base images come from -registry,
// by default a copy of those that setup made. It needs root and runc, as buildkitd does, and for -engine=current
// iptables.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/figures"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// config is what the command line says.
type config struct {
	cases, stacks, tools  []string
	engine                string // "host", "current" or a unix:// address
	builder               string // "" for one of our own
	pairs                 int
	out, dir, registry    string
	ca                    string // "" where there is none
	keep, noBytes, attest bool
}

func main() { rig.Main(parse, run) }

// parse reads the command line and checks it before anything is started.
func parse(args []string) (config, error) {
	var c config
	var cases, stacks, tools string
	cache, err := os.UserCacheDir()
	if err != nil {
		return c, fmt.Errorf("finding the cache directory: %w", err)
	}
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.StringVar(&cases, "cases", strings.Join(names(scenarios()), ","), "what to compare")
	flags.StringVar(&stacks, "stacks", "six,5,20,80",
		"six (the six services), files (one image of 60,000 files) or a number of generated images")
	flags.StringVar(&tools, "tools", strings.Join(names(allTools()), ","), "what to compare with each other")
	flags.StringVar(&c.engine, "engine", "host",
		"host, current (started for this), or the unix:// address of a current one, whose build cache is then pruned")
	flags.StringVar(&c.builder, "builder", "",
		"unix:// address of a builder to use with -engine=host in place of one of our own; "+
			"it is never emptied, so only the cases that need no cold one are possible")
	flags.IntVar(&c.pairs, "pairs", 5, "timed runs of each tool in each case")
	flags.StringVar(&c.out, "out", "", "file for the Markdown; standard output by default")
	flags.StringVar(&c.dir, "dir", filepath.Join(cache, "compose-mage", "bench"),
		"where builder, caches and copies lie meanwhile; a short path on a real disk")
	flags.StringVar(&c.registry, "registry", "",
		"Docker Hub's mirror, plain HTTP; by default a copy of what setup made")
	flags.StringVar(&c.ca, "ca", "/etc/ssl/certs/ca-certificates.crt",
		"the CA bundle that Dockerfiles mount as the secret ca")
	flags.BoolVar(&c.keep, "keep", false, "keep copies, caches and the runs' logs until the next bench")
	flags.BoolVar(&c.noBytes, "no-bytes", false, "don't count the bytes that reach the engine")
	flags.BoolVar(&c.attest, "attestations", false,
		"let the peers add their default provenance, which mage build does not")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if _, err := os.Stat(c.ca); err != nil {
		c.ca = ""
	}
	c.cases, c.stacks, c.tools = figures.Split(cases), figures.Split(stacks), figures.Split(tools)
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
	for _, sc := range scenarios() {
		if c.builder != "" && sc.forget && slices.Contains(c.cases, sc.name) {
			const why = "empties the builder, and -builder names one that is not ours"
			return fmt.Errorf("reading -cases: %q "+why, sc.name)
		}
	}
	for _, name := range c.stacks {
		if _, err := imagesOf(name); err != nil {
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
	r := report{facts: b.facts(ctx), tools: b.tools}
	stacks := map[string]*stack{}
	for _, name := range c.stacks {
		s, err := b.makeStack(ctx, name)
		if err != nil {
			return fmt.Errorf("making the stack %q: %w", name, err)
		}
		stacks[name] = s
		for _, sc := range scenarios() {
			if slices.Contains(c.cases, sc.name) && ctx.Err() == nil {
				r.results = append(r.results, b.measure(ctx, s, sc))
			}
		}
	}
	if few, many := stacks["5"], stacks["80"]; few != nil && many != nil && slices.Contains(c.cases, "unchanged") {
		r.growth = b.measureGrowth(ctx, few, many)
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
