// Command backup compares `mage backup` with what one would do without it: with restic alone, which reads the volume
// while it is written to, and with tar and gzip while its service is stopped. And it measures for how long services
// stand still for a backup.
//
//	go -C bench run ./backup -cases=first -size=5120 -pairs=3
//	go -C bench run ./backup -cases=unchanged -size=5120 -pairs=5
//	go -C bench run ./backup -cases=days -size=1024
//	go -C bench run ./backup -cases=freeze -size=1024 -pairs=10
//	go -C bench run ./backup -cases=shipped -pairs=20
//
// The volume is the bench's own, bench-backup_data, of files of -file MiB of which half can be compressed away. One
// container uses it: a service that answers requests from it. In the case freeze it is one file, of which a service
// writes 1 % anew in the time in which restic reads it, and 1 % was written since the backup before. The case shipped
// starts the six services of this repository under the name bench-backup-shipped, with ports of their own; it needs
// their images and secrets. All is removed at the end. It needs root, Linux, restic, and room for twice the volume.
package main

import (
	"context"
	"errors"
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
	cases      []string
	size, file int64 // of the volume and of each of its files, in MiB
	pairs      int
	days       int
	rest       bool
	dir        string
}

var caseNames = []string{"first", "unchanged", "days", "freeze", "shipped"}

func main() { rig.Main(parse, run) }

func parse(args []string) (config, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return config{}, fmt.Errorf("finding the cache directory: %w", err)
	}
	var c config
	var cases string
	flags := flag.NewFlagSet("backup", flag.ContinueOnError)
	flags.StringVar(&cases, "cases", "first,unchanged", "what to measure: "+strings.Join(caseNames, ", "))
	flags.Int64Var(&c.size, "size", 1024, "of the volume, in MiB")
	flags.Int64Var(&c.file, "file", 1, "of each file in it, in MiB")
	flags.IntVar(&c.pairs, "pairs", 3, "runs of each tool")
	flags.IntVar(&c.days, "days", 10, "snapshots in the case days")
	flags.BoolVar(&c.rest, "rest", true, "wait up to a minute before each run for a quiet machine")
	flags.StringVar(&c.dir, "dir", filepath.Join(cache, "compose-mage", "bench"), "where files lie meanwhile")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.cases = figures.Split(cases)
	for _, name := range c.cases {
		if !slices.Contains(caseNames, name) {
			return c, fmt.Errorf("reading -cases: unknown %q", name)
		}
	}
	if c.size < 1 || c.file < 1 || c.pairs < 1 || c.days < 1 {
		return c, fmt.Errorf("reading -size=%d -file=%d -pairs=%d -days=%d: at least one", c.size, c.file, c.pairs,
			c.days)
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
	defer func() { err = errors.Join(err, b.close()) }()
	if err != nil {
		return err
	}
	fmt.Println(b.facts())
	for _, name := range c.cases {
		text, err := b.measure(ctx, name)
		if err != nil {
			return fmt.Errorf("the case %s: %w", name, err)
		}
		fmt.Printf("\n%s, load %s\n\n%s", name, load(), text)
	}
	return nil
}

// measure runs a case and gives its table.
func (b *bench) measure(ctx context.Context, name string) (string, error) {
	switch name {
	case "first":
		return b.first(ctx)
	case "unchanged":
		return b.unchanged(ctx)
	case "days":
		return b.days(ctx)
	case "freeze":
		return b.freeze(ctx)
	}
	return b.shipped(ctx)
}

// load is the machine's, of the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}
