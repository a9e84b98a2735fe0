// Package ui owns what a person sees: timed steps, notes, warnings and tables, with colour on a terminal and plain
// lines elsewhere (fatih/color honours NO_COLOR). It decides nothing.
package ui

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/docker/go-units"
)

// Heartbeat is how often a long step says that it is still at work where there is no terminal to redraw.
const Heartbeat = 15 * time.Second

// Out writes for one reader. Its methods may be called from several goroutines.
type Out struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	warnings []string
	drawn    int // live lines below the output, to be drawn over
}

// New returns an Out on w; lines are redrawn in place only where w is a terminal.
func New(w io.Writer) *Out {
	w = unfiltered(w)
	f, ok := w.(*os.File)
	return &Out{w: w, terminal: ok && isTerminal(f)}
}

// Stdout is New(os.Stdout).
func Stdout() *Out { return New(os.Stdout) }

// Terminal says whether the reader is a terminal.
func (o *Out) Terminal() bool { return o.terminal }

// Writer is for tables, for Fprintf, and for the output of other programs, which it lets through without effect on a
// terminal.
func (o *Out) Writer() io.Writer { return &filter{out: o} }

// Screen is the underlying writer, for a display that moves the cursor by itself and prints only printable text.
func (o *Out) Screen() io.Writer { return o.w }

// Title starts a part of a run.
func (o *Out) Title(format string, args ...any) { o.line(paint(bold, "== "+sprintf(format, args...))) }

// Info prints one indented line.
func (o *Out) Info(format string, args ...any) { o.line("   " + sprintf(format, args...)) }

// Done prints a line marked as achieved or found.
func (o *Out) Done(format string, args ...any) { o.line(Green(" ✓ ") + sprintf(format, args...)) }

// Failed prints a line marked as failed; the error that says more comes last.
func (o *Out) Failed(format string, args ...any) { o.line(Red(" ✗ ") + sprintf(format, args...)) }

// Warn prints a warning now and keeps it for Warnings.
func (o *Out) Warn(format string, args ...any) {
	text := sprintf(format, args...)
	o.mu.Lock()
	o.warnings = append(o.warnings, text)
	o.mu.Unlock()
	o.line(Yellow(" ! ") + text)
}

// Warnings gives what Warn was called with so far, oldest first.
func (o *Out) Warnings() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.warnings...)
}

// line prints text that is printable already, apart from the marks of our colours.
func (o *Out) line(s string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.terminal {
		o.erase()
	}
	fmt.Fprintln(o.w, coloured(s))
}

// erase removes what is drawn below the output; the caller holds the lock.
func (o *Out) erase() {
	if o.drawn > 0 {
		fmt.Fprintf(o.w, "\033[%dA", o.drawn)
		o.drawn = 0
	}
	fmt.Fprint(o.w, "\r\033[J")
}

// Live keeps the lines that rows gives, for a terminal of that height, below the output until stop is called; stop
// removes them. Where there is no terminal, brief gives a line for every Heartbeat.
func (o *Out) Live(rows func(height int) []string, brief func() string) (stop func()) {
	ended := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() {
		o.every(ended, func() {
			if o.terminal {
				o.draw(rows)
			} else if text := brief(); text != "" {
				o.line("   " + rendered(text))
			}
		})
	})
	return func() {
		close(ended)
		drawing.Wait()
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.drawn > 0 {
			o.erase()
		}
	}
}

// draw puts the lines below the output, each cut to the terminal's width: one that wraps could not be drawn over.
func (o *Out) draw(rows func(height int) []string) {
	height, across := size(o.w)
	lines := rows(cmp.Or(height, 24))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.erase()
	for _, l := range lines {
		fmt.Fprintln(o.w, ansi.Truncate(rendered(l), cmp.Or(across, 80)-1, "…"))
	}
	o.drawn = len(lines)
}

// Redraw replaces the content of the terminal by what the function print prints.
func (o *Out) Redraw(print func(*Out)) {
	var frame bytes.Buffer
	print(New(Within(&frame, Columns(o.w))))
	// Home, then each line cleared to its end as it is overwritten, then the rest of the screen: no flicker.
	text := strings.ReplaceAll(frame.String(), "\n", "\033[K\n")
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = io.WriteString(o.w, "\033[H"+text+"\033[J")
}

// Step runs fn as a timed step: a line when it ends (✓ or ✗ and the seconds), and signs of life while it runs. Through
// report fn says how far it is ("63 %"); the last report is shown.
func (o *Out) Step(ctx context.Context, name string, fn func(ctx context.Context, report func(string)) error) error {
	start := time.Now()
	name = rendered(name)
	var mu sync.Mutex
	state := ""
	report := func(s string) {
		mu.Lock()
		state = rendered(s)
		mu.Unlock()
	}
	stop := make(chan struct{})
	var beat sync.WaitGroup
	beat.Go(func() {
		o.beat(stop, func() string {
			mu.Lock()
			defer mu.Unlock()
			return strings.TrimSpace(fmt.Sprintf("%s… %s %s", name, Seconds(time.Since(start)), state))
		})
	})
	err := fn(ctx, report)
	close(stop)
	beat.Wait()
	took := Grey(Seconds(time.Since(start)))
	if err != nil {
		o.line(Red(" ✗ ") + name + " " + took)
		return err
	}
	o.line(Green(" ✓ ") + name + " " + took)
	return nil
}

// beat shows text until stop closes, as often as every says.
func (o *Out) beat(stop <-chan struct{}, text func() string) {
	o.every(stop, func() {
		if !o.terminal {
			o.line("   " + text())
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		fmt.Fprint(o.w, "\r\033[K   "+text())
	})
}

// every calls show until stop closes: five times a second on a terminal, once in a Heartbeat elsewhere.
func (o *Out) every(stop <-chan struct{}, show func()) {
	pause := Heartbeat
	if o.terminal {
		pause = 200 * time.Millisecond
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			show()
		}
	}
}

// Seconds formats d as seconds with one decimal, or as minutes from 100 s on.
func Seconds(d time.Duration) string {
	if d >= 100*time.Second {
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// Bytes formats n in binary units, as Docker prints memory: "512MiB".
func Bytes(n int64) string { return units.CustomSize("%.4g%s", float64(n), 1024, binaryUnits) }

var binaryUnits = []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
