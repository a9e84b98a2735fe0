//mage:multiline

// Package targets owns the Mage targets for any stack: each reads its options, calls package stack, and prints or
// returns what that gives. Other repositories import it with `//mage:import`; every exported function is a target,
// and nothing else is exported.
package targets

import (
	"context"
	"io"
	"os"
	"runtime/debug"

	"github.com/25eloquence/compose-mage/internal/commandline"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack"
)

// gcPercent lets the heap grow to some 20 MB before it is collected: loading a Compose file leaves much behind, and
// most targets end before it matters.
const gcPercent = 400

// open opens the stack, whose methods print to standard output.
func open(ctx context.Context) (*stack.Stack, error) { return openWith(ctx, stack.Options{}) }

// openJSON opens it for a target that prints JSON: all else goes to standard error.
func openJSON(ctx context.Context, asJSON bool) (*stack.Stack, error) {
	if asJSON {
		return openWith(ctx, stack.Options{Output: os.Stderr})
	}
	return open(ctx)
}

func openWith(ctx context.Context, o stack.Options) (*stack.Stack, error) {
	collectLess()
	return stack.Open(ctx, o)
}

// collectLess sets the garbage collector for a program that soon ends.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// names splits a comma-separated list of names; nil is none named.
func names(list *string) ([]string, error) {
	if list == nil {
		return nil, nil
	}
	return commandline.Names(*list)
}

// value reads an optional flag.
func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// show prints a report: as JSON of a schema that docs/json.md has, else for people.
func show(report interface{ Print(w io.Writer) }, asJSON bool) error {
	if asJSON {
		return writeJSON(os.Stdout, report)
	}
	report.Print(os.Stdout)
	return nil
}

// writeJSON writes what -json prints: one indented value.
func writeJSON(w io.Writer, v any) error { return ui.WriteJSON(w, v, "  ") }
