// Command memory measures the memory that the repository's stack takes from the machine under the same work: without
// limits and settings (arm A), with limits alone (B), with the variables that fitting derives from them (C), with
// an overlay that `fit -measured` wrote (D), and with images of another revision (before).
//
//	go -C bench run ./memory -rounds=6
//	go -C bench run ./memory -rounds=1 -conversations=2 -idle=15s -arms=A,C
//	go -C bench run ./memory -arms=A,D -overlay=FILE
//	go -C bench run ./memory -arms=before,C -images=REVISION
//
// It needs the six images (go tool mage build) and the control groups of the engine's machine, as root. It starts the
// stack under a project of its own, on ports of its own, and removes it, with its volumes, before each run. The
// machine should do nothing else.
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
	rounds        int
	conversations int           // in a run, after one that is not counted
	atOnce        int           // conversations
	idle          time.Duration // after them; the last half of it is what is reported
	arms          []string
	images        string   // the revision of which the arm before has images
	replaced      []string // services that it has them of
	overlay       string   // what arm D has besides: a Compose file that `fit -measured` wrote
	out, dir      string
}

func main() { rig.Main(parse, run) }

func parse(args []string) (config, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return config{}, fmt.Errorf("finding the cache directory: %w", err)
	}
	var c config
	var arms, replaced string
	flags := flag.NewFlagSet("memory", flag.ContinueOnError)
	flags.IntVar(&c.rounds, "rounds", 6, "runs of each arm, in alternating order")
	flags.IntVar(&c.conversations, "conversations", 4, "conversations in a run, after one that is not counted")
	flags.IntVar(&c.atOnce, "at-once", 2, "conversations at the same time")
	flags.DurationVar(&c.idle, "idle", 20*time.Second, "how long the stack is left alone after them")
	flags.StringVar(&arms, "arms", "A,B,C", "which are compared, the first being what the others are held against: "+
		strings.Join(armNames, ", "))
	flags.StringVar(&c.images, "images", "", "revision of this repository of which the arm before has images")
	flags.StringVar(&replaced, "replaced", "whisper-stt", "services that the arm before has those images of")
	flags.StringVar(&c.overlay, "overlay", "", "Compose file that fit -measured wrote, for arm D")
	flags.StringVar(&c.out, "out", "", "file for the Markdown; standard output by default")
	flags.StringVar(&c.dir, "dir", filepath.Join(cache, "compose-mage", "bench"), "where files lie meanwhile")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.arms, c.replaced = figures.Split(arms), figures.Split(replaced)
	return c, c.check()
}

// check refuses what can't be measured.
func (c config) check() error {
	switch {
	case c.rounds < 1 || c.conversations < 1 || c.atOnce < 1:
		return fmt.Errorf("reading -rounds=%d -conversations=%d -at-once=%d: at least one",
			c.rounds, c.conversations, c.atOnce)
	case c.idle < 5*time.Second:
		return fmt.Errorf("reading -idle=%s: at least 5s", c.idle)
	case len(c.arms) == 0:
		return fmt.Errorf("reading -arms: none is named")
	case slices.Contains(c.arms, "before") != (c.images != ""):
		return fmt.Errorf("reading -images: the arm before needs it, and nothing else does")
	case slices.Contains(c.arms, "D") != (c.overlay != ""):
		return fmt.Errorf("reading -overlay: arm D needs it, and nothing else does")
	}
	for i, arm := range c.arms {
		if !slices.Contains(armNames, arm) || slices.Contains(c.arms[:i], arm) {
			return fmt.Errorf("reading -arms: %q is unknown or named twice; known: %s", arm,
				strings.Join(armNames, ", "))
		}
	}
	return nil
}

// run measures every arm and writes the report, also after a failure or Ctrl-C: the rounds that are whole count.
func run(ctx context.Context, c config) (err error) {
	alone, err := rig.Alone()
	if err != nil {
		return err
	}
	defer func() { _ = alone.Close() }()
	b, err := open(ctx, c)
	if err != nil {
		return err
	}
	defer func() {
		if e := b.close(); err == nil {
			err = e
		}
	}()
	rounds, failed := b.measureRounds(ctx)
	text := report{config: c, rounds: rounds, facts: fmt.Sprintf("engine %s, control groups v%d, %d CPUs",
		b.version, groupsVersion(), runtime.NumCPU())}.markdown()
	if c.out == "" {
		fmt.Print(text)
	} else if err := os.WriteFile(c.out, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return failed
}

// measureRounds runs the arms in their order, then in the reverse of it, and so on.
func (b *bench) measureRounds(ctx context.Context) ([]map[string]figuresOfRun, error) {
	var rounds []map[string]figuresOfRun
	order := slices.Clone(b.config.arms)
	for n := range b.config.rounds {
		round := map[string]figuresOfRun{}
		for _, arm := range order {
			figures, err := b.measure(ctx, arm)
			if err != nil {
				return rounds, fmt.Errorf("round %d, arm %s: %w", n+1, arm, err)
			}
			rig.Say("round %d, %s: %s", n+1, arm, figures)
			round[arm] = figures
		}
		rounds = append(rounds, round)
		slices.Reverse(order)
	}
	return rounds, nil
}
