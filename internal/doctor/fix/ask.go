package fix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// Asker shows each fix, and has the answer to it: from a person on a terminal, or as the options say.
type Asker struct {
	Out      *ui.Out
	In       *bufio.Reader // nil where nobody can be asked
	DryRun   bool          // only show
	Yes      bool          // agree to what can't break a service, and to what Only names
	Only     []string      // the ids of the findings that are to go; empty is all
	rest     string        // the answer to all that follow
	answered chan line
}

type line struct {
	text string
	err  error
}

// Decide shows a fix and gives the answer.
func (a *Asker) Decide(ctx context.Context, f Fix) (agreed bool, why, next string, err error) {
	f.print(a.Out)
	switch {
	case f.State == Refused, a.DryRun:
		return false, "", "", nil
	case a.Yes && (f.Class == check.Safe || slices.Contains(a.Only, f.ID)):
		return true, "", "", nil
	case a.Yes:
		why = "it may change what a service does, and -yes takes only what can't"
		next = "go tool mage doctor -fix -yes -only=" + fault.Quote(f.ID)
	case a.In == nil:
		why = "nobody can be asked without a terminal"
		next = "go tool mage doctor -fix -yes"
		if f.Class != check.Safe {
			next += " -only=" + fault.Quote(f.ID)
		}
	default:
		agreed, err = a.ask(ctx)
		if agreed || err != nil {
			return agreed, "", "", err
		}
		return false, "nobody agreed to it", "go tool mage doctor -fix -only=" + fault.Quote(f.ID), nil
	}
	a.Out.Info("  not done: %s", why)
	a.Out.Info("  next: %s", next)
	return false, why, next, nil
}

// ask has an answer from a person.
func (a *Asker) ask(ctx context.Context) (bool, error) {
	for a.rest == "" {
		ui.Fprintf(a.Out.Writer(), "     do it? yes, no, all that follow, quit [y/n/a/q] ")
		answer, err := a.read(ctx)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return false, err
		}
		switch answer = strings.ToLower(strings.TrimSpace(answer)); {
		case answer == "y" || answer == "yes":
			return true, nil
		case answer == "a" || answer == "all", answer == "q" || answer == "quit", ended:
			a.rest = answer
			if ended {
				a.rest = "q"
			}
		case answer == "n" || answer == "no" || answer == "":
			return false, nil
		}
	}
	return a.rest[0] == 'a', nil
}

// read reads a line; Ctrl-C ends the wait at once.
func (a *Asker) read(ctx context.Context) (string, error) {
	if a.answered == nil {
		a.answered = make(chan line, 1)
	}
	go func() {
		text, _, err := a.In.ReadLine() // as much as its buffer holds, which is more than any answer
		a.answered <- line{string(text), err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case l := <-a.answered:
		return l.text, l.err
	}
}

// head names the finding of a fix.
func (f Fix) head() string {
	if len(f.Subjects) == 0 {
		return f.ID
	}
	return f.ID + "  " + strings.Join(f.Subjects, ", ")
}

func (f Fix) print(out *ui.Out) {
	switch {
	case f.State == Refused:
		out.Warn("%s", f.head())
	case f.Class == check.Safe:
		out.Info("· %s  (can't break a service)", f.head())
	default:
		out.Info("· %s", f.head())
	}
	out.Info("  %s", f.Evidence)
	for _, l := range f.Diff {
		out.Info("  %s", coloured(l))
	}
	if f.Action != check.NoAction {
		out.Info("  does: %s", f.Next)
	}
	if len(f.Recreate) > 0 {
		out.Info("  made anew at the next start: %s", strings.Join(f.hashes, ", "))
	}
	if f.State == Refused {
		out.Info("  not done: %s", f.Why)
		out.Info("  next: %s", f.Next)
	}
}

// coloured is a line of a diff as git shows it.
func coloured(l string) string {
	l = printable.Line(l)
	switch {
	case strings.HasPrefix(l, "+"):
		return ui.Green(l)
	case strings.HasPrefix(l, "-"):
		return ui.Red(l)
	}
	return l
}

// PrintOutcome says what became of the fixes.
func (r *Report) PrintOutcome(out *ui.Out) {
	count := map[State]int{}
	for _, f := range r.Fixes {
		count[f.State]++
		switch f.State {
		case Done:
			out.Done("%s: gone", f.head())
		case Remains, Failed:
			out.Failed("%s: %s", f.head(), f.Why)
		case Proposed, Left, Refused, Agreed:
		}
	}
	var parts []string
	for _, s := range []struct {
		state State
		words string
	}{
		{Done, "done"},
		{Proposed, "would be done"},
		{Left, "left"},
		{Refused, "can't be done here"},
		{Remains, "done in vain"},
		{Failed, "failed"},
	} {
		if n := count[s.state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.words))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to fix"}
	}
	out.Info("%s", strings.Join(parts, ", "))
}
