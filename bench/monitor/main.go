// Command monitor compares watching a started stack by `mage monitor` with `docker stats` and `docker compose stats`:
// the same containers, the same engine, whole processes, in turn.
//
//	go -C bench run ./monitor -pairs=7
//	go -C bench run ./monitor -pairs=7 -engine=current
//	go -C bench run ./monitor -cases=live -services=6,50 -seconds=60
//
// A look is one call that prints all services once, also with a `monitor -serve` running. The live view runs on a
// terminal of 80 columns and 24 lines, with every request that it makes to the engine counted. The stacks are the
// bench's own, bench-monitor-N, of N services that do nothing, with limits and health checks. Their containers and
// their image are removed. It needs Linux.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// config is what the command line says.
type config struct {
	cases    []string
	services []int         // of each stack
	pairs    int           // looks of each tool
	seconds  time.Duration // of the live view that are measured
	engine   string        // host, current, or a unix:// address
	dir      string
}

var caseNames = []string{"look", "live"}

func main() { rig.Main(parse, run) }

func parse(args []string) (config, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return config{}, fmt.Errorf("finding the cache directory: %w", err)
	}
	var c config
	var cases, services string
	flags := flag.NewFlagSet("monitor", flag.ContinueOnError)
	flags.StringVar(&cases, "cases", "look", "what to compare: look, live")
	flags.StringVar(&services, "services", "6", "how many services the stacks have")
	flags.IntVar(&c.pairs, "pairs", 5, "looks of each tool")
	flags.DurationVar(&c.seconds, "seconds", 30*time.Second, "how long the live view is measured")
	flags.StringVar(&c.engine, "engine", "host", "host, current (started for this), or a unix:// address")
	flags.StringVar(&c.dir, "dir", filepath.Join(cache, "compose-mage", "bench"),
		"where files lie meanwhile; a short path on a real disk")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.cases = figures.Split(cases)
	for _, name := range c.cases {
		if !slices.Contains(caseNames, name) {
			return c, fmt.Errorf("reading -cases: unknown %q", name)
		}
	}
	for _, text := range figures.Split(services) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return c, fmt.Errorf("reading -services: %q is no number of services", text)
		}
		c.services = append(c.services, n)
	}
	if c.pairs < 1 || c.seconds < time.Second {
		return c, fmt.Errorf("reading -pairs=%d -seconds=%s: at least one, and 1s", c.pairs, c.seconds)
	}
	return c, nil
}

func run(ctx context.Context, c config) (err error) {
	alone, err := rig.Alone()
	if err != nil {
		return err
	}
	defer func() { _ = alone.Close() }()
	b, err := open(ctx, c)
	defer func() {
		if e := b.close(); err == nil {
			err = e
		}
	}()
	if err != nil {
		return err
	}
	fmt.Println(b.facts(ctx))
	for _, n := range c.services {
		if err := b.measure(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// measure makes a stack, runs the cases on it and prints what they gave.
func (b *bench) measure(ctx context.Context, services int) error {
	s, err := b.up(ctx, services)
	if err != nil {
		return err
	}
	for _, name := range b.config.cases {
		rig.Rest(ctx)
		text := ""
		switch name {
		case "look":
			text, err = b.looks(ctx, s)
		case "live":
			text, err = b.live(ctx, s)
		}
		if err != nil {
			return err
		}
		fmt.Printf("\n%d services\n\n%s", services, text)
	}
	return b.down(ctx, s)
}
