// Command monitor compares one look at the started stack by `mage monitor` with `docker stats --no-stream` and
// `docker compose stats --no-stream`: the same containers, the same engine, whole processes, in turn.
//
//	go -C bench run ./monitor -pairs=5
//
// It needs the repository's stack to run (go tool mage full), and changes nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
	"github.com/25eloquence/compose-mage/internal/pinned"
)

// config is what the command line says.
type config struct{ pairs int }

func main() { rig.Main(parse, run) }

func parse(args []string) (config, error) {
	var c config
	flags := flag.NewFlagSet("monitor", flag.ContinueOnError)
	flags.IntVar(&c.pairs, "pairs", 5, "looks of each tool")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if c.pairs < 1 {
		return c, fmt.Errorf("reading -pairs=%d: at least one", c.pairs)
	}
	return c, nil
}

// look is one tool's command, with the seconds that its looks took.
type look struct {
	name    string
	command []string
	cache   string // of compiled targets: one that others share may have been made of other sources
	seconds []float64
}

func run(ctx context.Context, c config) error {
	alone, err := rig.Alone()
	if err != nil {
		return err
	}
	defer func() { _ = alone.Close() }()
	work, err := os.MkdirTemp("", "bench-monitor")
	if err != nil {
		return fmt.Errorf("making the work directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	looks, err := tools(ctx, work)
	if err != nil {
		return err
	}
	for round := range c.pairs + 1 { // the first is not counted: it compiles the targets
		for i := range looks {
			seconds, err := looks[i].take(ctx)
			if err != nil {
				return err
			}
			if round > 0 {
				looks[i].seconds = append(looks[i].seconds, seconds)
			}
		}
		slices.Reverse(looks)
	}
	slices.SortFunc(looks, func(a, b look) int { return strings.Compare(b.name, a.name) })
	fmt.Print(report(looks))
	return nil
}

// tools are the commands, each of which prints the six services once.
func tools(ctx context.Context, work string) ([]look, error) {
	paths, err := pinned.Build(ctx, "docker-compose")
	if err != nil {
		return nil, err
	}
	mage, err := rig.BuildMage(ctx, ".", work)
	if err != nil {
		return nil, err
	}
	ids, err := exec.CommandContext(ctx, "docker", "ps", "-q",
		"--filter", "label=com.docker.compose.project=25eloquence").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the stack's containers: %w", err)
	}
	containers := strings.Fields(string(ids))
	if len(containers) == 0 {
		return nil, fmt.Errorf("the stack does not run: go tool mage full")
	}
	return []look{
		{name: "mage monitor", command: []string{mage, "monitor"}, cache: filepath.Join(work, "cache")},
		{name: "docker stats", command: append([]string{"docker", "stats", "--no-stream"}, containers...)},
		{name: "docker compose stats", command: []string{paths[0], "-f", "compose/compose.yaml", "stats", "--no-stream"}},
	}, nil
}

// take runs the command once and gives the seconds that it took.
func (l look) take(ctx context.Context) (float64, error) {
	cmd := exec.CommandContext(ctx, l.command[0], l.command[1:]...)
	cmd.Env = append(os.Environ(), "MAGEFILE_HASHFAST=1", "MAGEFILE_CACHE="+l.cache)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", l.name, err, figures.LastWords(out))
	}
	return time.Since(began).Seconds(), nil
}

func report(looks []look) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d CPUs; mage is an installed `mage` with MAGEFILE_HASHFAST=1; whole processes\n\n",
		runtime.Version(), runtime.NumCPU())
	figures.Head(&b, []string{"one look", "seconds", "mage's time ÷ this one's"})
	ours := looks[slices.IndexFunc(looks, func(l look) bool { return l.name == "mage monitor" })]
	for _, l := range looks {
		figures.Row(&b, []string{l.name, figures.Spread(l.seconds, ""), figures.Ratio(ours.seconds, l.seconds)})
	}
	return b.String()
}
