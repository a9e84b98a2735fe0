//mage:multiline

// Package self owns the targets that check this repository's own code. Other repositories do not import it: they
// have tests of their own.
package self

import (
	"context"
	"os"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/verify"
	"github.com/25eloquence/compose-mage/stack"
)

// Test runs unit, integration and smoke tests, with the race detector.
//
// It builds and starts the stack, runs the services' tests in the builder, the Go modules' unit and integration
// tests against the engine, builder and registry, and the smoke test.
func Test(ctx context.Context) error {
	return fault.Exit(ctx, test(ctx))
}

func test(ctx context.Context) error {
	browser, err := provision.Browser(ctx, ui.Stdout())
	if err != nil {
		return err
	}
	if browser != "" { // with it the tests of the page can't be skipped
		if err := os.Setenv("TEST_BROWSER", browser); err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 { // the tests of backups can't be skipped then
		if err := provision.Restic(ctx, ui.Stdout(), false); err != nil {
			return err
		}
	}
	s, err := stack.Open(ctx, stack.Options{})
	if err != nil {
		return err
	}
	if _, err := s.Build(ctx, stack.BuildOptions{}); err != nil {
		return err
	}
	if _, err := s.Start(ctx, stack.StartOptions{}); err != nil {
		return err
	}
	if err := testServices(ctx); err != nil {
		return err
	}
	if err := verify.Integration(ctx, ui.Stdout(), s.Builder()); err != nil {
		return err
	}
	_, err = s.Smoke(ctx, stack.SmokeOptions{Optional: true})
	return err
}

// testServices runs the services' tests: each is a step of an image's build, with the programs that it needs.
func testServices(ctx context.Context) error {
	if _, err := os.Stat(stack.TestFile); err != nil {
		return nil
	}
	s, err := stack.Open(ctx, stack.Options{Files: []string{stack.TestFile}})
	if err != nil {
		return err
	}
	_, err = s.Build(ctx, stack.BuildOptions{})
	return err
}

// Lint runs go vet for three systems and the pinned linters.
func Lint(ctx context.Context) error {
	return fault.Exit(ctx, verify.Lint(ctx, ui.Stdout()))
}
