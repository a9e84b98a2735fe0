package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// The names of the looks that are compared.
const (
	oursAlone  = "mage monitor"
	oursServed = "mage monitor, with monitor -serve running"
	peerDocker = "docker stats"
	peerBoth   = "docker compose stats"
)

// servedBy is in what a look prints that a server has answered.
const servedBy = "monitor -serve that runs"

// look is one tool's command, with the seconds that its looks took, whole and to the first service's line.
type look struct {
	name         string
	command      func() *exec.Cmd
	whole, first []float64
	missed       int // looks that the server which runs has not answered
}

// looks compares the commands that print all services once.
func (b *bench) looks(ctx context.Context, s stack) (string, error) {
	ours := func() *exec.Cmd { return b.command(ctx, s, b.mage, "monitor") }
	alone := []look{
		{name: oursAlone, command: ours},
		{name: peerDocker, command: func() *exec.Cmd {
			return b.command(ctx, s, "docker", append([]string{"stats", "--no-stream"}, s.containers...)...)
		}},
		{name: peerBoth, command: func() *exec.Cmd {
			return b.command(ctx, s, b.compose, "-f", s.file, "stats", "--no-stream")
		}},
	}
	if err := b.rounds(ctx, s, alone); err != nil {
		return "", err
	}
	stop, err := b.serve(ctx, s)
	if err != nil {
		return "", err
	}
	defer stop()
	served := []look{{name: oursServed, command: ours}}
	if err := b.rounds(ctx, s, served); err != nil {
		return "", err
	}
	return lookReport(append(alone, served...)), nil
}

// rounds takes the looks in turn, each round in the other order than the one before. The first round does not count.
func (b *bench) rounds(ctx context.Context, s stack, looks []look) error {
	for round := range b.config.pairs + 1 {
		for i := range looks {
			whole, first, err := looks[i].take(s)
			if err != nil {
				return err
			}
			if round > 0 {
				looks[i].whole, looks[i].first = append(looks[i].whole, whole), append(looks[i].first, first)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		slices.Reverse(looks)
	}
	slices.SortFunc(looks, func(a, b look) int { return strings.Compare(b.name, a.name) })
	return nil
}

// take runs the command once and gives the seconds that it took, and those to the first line that names a service. An
// output without all services is an error.
func (l *look) take(s stack) (whole, first float64, err error) {
	cmd := l.command()
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", l.name, err)
	}
	named := map[string]bool{}
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		for i := range s.services {
			if name := fmt.Sprintf("s%02d", i); strings.Contains(lines.Text(), name) {
				if len(named) == 0 {
					first = time.Since(began).Seconds()
				}
				named[name] = true
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		return 0, 0, fmt.Errorf("%s: %w: %s", l.name, err, figures.LastWords([]byte(said.String()+text.String())))
	}
	whole = time.Since(began).Seconds()
	if len(named) != s.services {
		return 0, 0, fmt.Errorf("%s: it shows %d of %d services: %s", l.name, len(named), s.services, text.String())
	}
	switch served := strings.Contains(text.String()+said.String(), servedBy); {
	case served && l.name != oursServed:
		return 0, 0, fmt.Errorf("%s: another server was asked: %s", l.name, text.String())
	case !served && l.name == oursServed:
		l.missed++ // a server that does not answer within a quarter of a second is not waited for
	}
	return whole, first, nil
}

// serve runs a `monitor -serve` until stop is called, and waits until it answers a look.
func (b *bench) serve(ctx context.Context, s stack) (stop func(), err error) {
	cmd := b.command(ctx, s, b.targets, "monitor", "-serve")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting monitor -serve: %w", err)
	}
	stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }
	for range 40 {
		out, err := b.command(ctx, s, b.targets, "monitor").CombinedOutput()
		if err == nil && strings.Contains(string(out), servedBy) {
			rig.Rest(ctx)
			return stop, nil
		}
	}
	stop()
	return nil, fmt.Errorf("starting monitor -serve: no look is answered by it")
}

func lookReport(looks []look) string {
	var b strings.Builder
	figures.Head(&b, []string{"one look", "seconds", "to the first service", "mage's time ÷ this one's"})
	ours := looks[slices.IndexFunc(looks, func(l look) bool { return l.name == oursAlone })]
	for _, l := range looks {
		name := l.name
		if l.missed > 0 {
			name += fmt.Sprintf(" (%d looks were not answered by it in time)", l.missed)
		}
		figures.Row(&b, []string{
			name, figures.Spread(l.whole, ""), figures.Spread(l.first, ""), figures.Ratio(ours.whole, l.whole),
		})
	}
	return b.String()
}
