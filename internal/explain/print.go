package explain

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// Print writes what the build did: how many steps ran, and why each did.
func (b *Build) Print(w io.Writer) {
	ui.Fprintf(w, "%s: built %s, %s\n", b.Service, b.Time.Format(time.DateTime), b.outcome())
	PrintReasons(w, b.Reasons)
	if b.Earlier != nil {
		ui.Fprintf(w, "  the last build that ran a step: %s, %s\n", b.Earlier.Time.Format(time.DateTime),
			b.Earlier.outcome())
		PrintReasons(w, b.Earlier.Reasons)
	}
}

func (b *Build) outcome() string {
	switch {
	case b.Failed:
		return fmt.Sprintf("%d of %d steps ran, the last of them failed", b.Ran, b.Steps)
	case b.Ran == 0:
		return fmt.Sprintf("all %d steps came from the cache", b.Steps)
	default:
		return fmt.Sprintf("%d of %d steps ran", b.Ran, b.Steps)
	}
}

// PrintReasons writes reasons: a line per step, why it ran below it. Steps in a row with the same reason share it.
func PrintReasons(w io.Writer, reasons []Reason) {
	for i, r := range reasons {
		if i == 0 || reasons[i-1].Step != r.Step || reasons[i-1].Line != r.Line {
			ui.Fprintf(w, "  %s%s%s\n", at(r.Line), r.Step, took(r.Seconds))
		}
		if i+1 < len(reasons) && len(r.Detail) == 0 && len(reasons[i+1].Detail) == 0 && reasons[i+1].Why == r.Why {
			continue
		}
		ui.Fprintf(w, "%s%s\n", margin, r.Why)
		for _, d := range r.Detail {
			ui.Fprintf(w, "%s  %s\n", margin, d)
		}
	}
}

var margin = strings.Repeat(" ", 12)

func at(line int) string {
	if line == 0 {
		return strings.Repeat(" ", 10)
	}
	return fmt.Sprintf("line %-5d", line)
}

func took(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return " " + ui.Seconds(time.Duration(seconds*float64(time.Second)))
}

// PrintSince writes what Since gives.
func PrintSince(w io.Writer, reasons []Reason) {
	if len(reasons) == 0 {
		ui.Fprintf(w, "  since then nothing that it is built from has changed\n")
		return
	}
	ui.Fprintf(w, "  since then; a build would run again, what follows only where its input differs:\n")
	PrintReasons(w, reasons)
}
