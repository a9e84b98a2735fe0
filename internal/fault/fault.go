// Package fault owns the errors that a user reads: what failed, on which service or image, why, and the command to
// run next, with the exit code that scripts decide on. It does not print; the targets do.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// Code is a process exit status. The values are documented in docs/errors.md and never change their meaning.
type Code int

// The exit codes of every target.
const (
	Failed      Code = 1   // what was asked for did not work (a build step, a health check, a test)
	Usage       Code = 2   // an unknown target, service, tier or option value
	Config      Code = 3   // a Compose file, a Dockerfile or a secret is missing or wrong
	Engine      Code = 4   // no engine, one that is too old, or no permission on its socket
	Builder     Code = 5   // no builder, or it went away
	Registry    Code = 6   // a registry that refuses or cannot be reached
	Resources   Code = 7   // not enough disk or memory, or a port that is taken
	Interrupted Code = 130 // Ctrl-C, as shells count it
)

// Error is a failure with its exit code and the next command. Mage reads the code through ExitStatus.
type Error struct {
	Code   Code
	Err    error
	Detail []string // further lines, such as the last log lines of a service
	Next   string   // the command to run next; empty where there is none
}

// New returns an Error whose text is formatted as by fmt.Errorf, %w included.
func New(code Code, next, format string, args ...any) *Error {
	return &Error{Code: code, Next: next, Err: fmt.Errorf(format, shown(args)...)}
}

// WithDetail appends lines that follow the error's first line, and returns e.
func (e *Error) WithDetail(lines ...string) *Error {
	e.Detail = append(e.Detail, lines...)
	return e
}

const nextCommand = "next: "

// Error gives the whole text: the failure, indented details, and the next command. User names and passwords in URLs
// are hidden.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(printable.Lines(e.Err.Error()))
	for _, text := range e.Detail {
		for _, line := range detail(text) {
			b.WriteString("\n  " + line)
		}
	}
	if e.Next != "" {
		b.WriteString("\n  " + nextCommand + printable.Line(e.Next))
	}
	return Redact(b.String())
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// ExitStatus is the process exit code; Mage looks for this method.
func (e *Error) ExitStatus() int { return int(e.Code) }

// Exit turns any error into one with an exit code: 130 where ctx was cancelled, else its own, 4 where the engine went
// away, or 1. Mage flattens errors to text, so a target calls this on what it returns.
func Exit(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return &Error{Code: Interrupted, Err: errors.New("interrupted; run the same command again to go on")}
	}
	var f *Error
	known := errors.As(err, &f)
	switch {
	case known && f.Code != Failed && f.Code != Config:
		return &Error{Code: f.Code, Err: shownError(err)}
	case EngineLost(err):
		return lostEngine(shownError(err))
	case known:
		return &Error{Code: f.Code, Err: shownError(err)}
	case DiskFull(err):
		return &Error{Code: Resources, Err: shownError(err), Next: "go tool mage cleanup"}
	}
	return &Error{Code: Failed, Err: shownError(err)}
}

// lostEngine is the error err of an engine that went away, with the next command for that in place of its own.
func lostEngine(err error) *Error {
	if f, ok := err.(*Error); ok { //nolint:errorlint // one that wraps it has a text of its own, which stays
		return &Error{Code: Engine, Err: f.Err, Detail: f.Detail, Next: Again}
	}
	return &Error{Code: Engine, Err: fmt.Errorf("the engine went away: %w", err), Next: Again}
}

// Nearest gives the candidate most like word for a "did you mean", or "" where none is near: at most two edits, and
// fewer than half of the word's letters.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", 3
	for _, c := range candidates {
		d := levenshtein.Distance(strings.ToLower(word), strings.ToLower(c), nil)
		if strings.HasPrefix(strings.ToLower(c), strings.ToLower(word)) && len(word) >= 3 {
			d = min(d, 1)
		}
		if d < bestDistance && 2*d < len([]rune(word))+1 {
			best, bestDistance = c, d
		}
	}
	return best
}

// DidYouMean gives ` (did you mean "x"?)`, or "" where nothing is near.
func DidYouMean(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}
