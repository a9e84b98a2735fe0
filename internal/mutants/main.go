// Command mutants plants single faults in deciding code and says which unit tests notice. It owns which faults there
// are and how one is tried; what the tests of a package are worth is for the reader to judge from what survives.
//
//	go run ./internal/mutants -n 40 ./internal/compose ./internal/cleanup
//
// Deciding code is every function that takes no context.Context. No file of the tree changes: the go command compiles
// each fault from an overlay. The package's own unit tests run with -short, without build tags, so without an engine.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"time"
)

// options are the flags.
type options struct {
	count    int
	seed     uint64
	want     float64
	parallel int
	timeout  time.Duration
	list     bool
}

func main() {
	var o options
	flag.IntVar(&o.count, "n", 40, "how many faults to plant, over all packages named")
	flag.Uint64Var(&o.seed, "seed", 1, "which sample of the faults: one seed and one tree give the same faults")
	flag.Float64Var(&o.want, "want", 0.9, "the share to be caught: exit 1 below")
	flag.IntVar(&o.parallel, "p", 1, "how many faults to try at a time")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute,
		"of the tests, for one fault; one that takes longer is caught")
	flag.BoolVar(&o.list, "list", false, "print the sample, try nothing")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/mutants [flags] DIRECTORY...")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, o, flag.Args(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !ok {
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

// run plants a sample of the directories' faults and says whether enough were caught.
func run(ctx context.Context, o options, dirs []string, out io.Writer) (ok bool, err error) {
	if len(dirs) == 0 {
		return false, fmt.Errorf("name the directories of the packages, such as ./internal/compose")
	}
	var all []mutant
	for _, dir := range dirs {
		found, err := mutants(dir)
		if err != nil {
			return false, err
		}
		fmt.Fprintf(out, "%s: %d faults to choose from\n", dir, len(found))
		all = append(all, found...)
	}
	rand.New(rand.NewPCG(o.seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if o.list {
		for _, m := range all[:min(o.count, len(all))] {
			fmt.Fprintln(out, m)
		}
		return true, nil
	}
	for _, dir := range dirs {
		switch result, err := try(ctx, mutant{dir: dir}, o.timeout); {
		case err != nil:
			return false, err
		case result.outcome != survived:
			return false, fmt.Errorf("the tests of %s fail without a fault: %s", dir, result)
		}
	}
	caught, planted, err := plant(ctx, o, all, out)
	if err != nil || planted == 0 {
		return false, err
	}
	share := float64(caught) / float64(planted)
	fmt.Fprintf(out, "%d of %d caught (%.0f %%)\n", caught, planted, 100*share)
	return share >= o.want, nil
}

// plant tries faults in their order until enough of them have compiled.
func plant(ctx context.Context, o options, all []mutant, out io.Writer) (caught, planted int, err error) {
	var (
		mu   sync.Mutex
		wait sync.WaitGroup
		next int
	)
	draw := func() (mutant, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(all) || planted >= o.count || err != nil {
			return mutant{}, false
		}
		planted++ // until it is seen not to compile
		next++
		return all[next-1], true
	}
	for range max(o.parallel, 1) {
		wait.Go(func() {
			for m, more := draw(); more; m, more = draw() {
				result, tried := try(ctx, m, o.timeout)
				mu.Lock()
				switch {
				case tried != nil:
					err = tried
				case result.outcome == broken:
					planted--
				default:
					fmt.Fprintf(out, "%s: %s\n", m, result)
				}
				if result.outcome == found {
					caught++
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return caught, planted, err
}
