package targets

import (
	"context"
	"os"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// Test runs unit, integration and smoke tests, with the race detector.
//
// It builds and starts the stack, runs the services' tests in the builder, the main module's unit and integration
// tests against the engine, builder and registry, and the smoke test.
func Test(ctx context.Context) error {
	return fault.Exit(ctx, test(ctx))
}

func test(ctx context.Context) error {
	s, err := open(ctx, nil)
	if err != nil {
		return err
	}
	if err := build(ctx, nil, buildChoice{progress: "auto"}); err != nil {
		return err
	}
	if err := start(ctx, nil, startChoice{}); err != nil {
		return err
	}
	if err := s.testServices(ctx); err != nil {
		return err
	}
	if err := verify.Integration(ctx, s.out, s.builderAddress()); err != nil {
		return err
	}
	return smokeTest(ctx, true)
}

// testFile is the Compose file whose images run the services' tests while they are built, with the programs that the
// tests need; a stack without one has no such tests.
const testFile = "compose/test.yaml"

func (s *session) testServices(ctx context.Context) error {
	if _, err := os.Stat(testFile); err != nil {
		return nil
	}
	tests, err := compose.Load(ctx, compose.Request{Files: []string{testFile}})
	if err != nil {
		return err
	}
	with := *s
	with.stack = tests
	return with.buildImages(ctx, buildChoice{progress: "auto"})
}

// Lint runs go vet for three systems and the pinned linters.
func Lint(ctx context.Context) error {
	return fault.Exit(ctx, lint(ctx))
}

func lint(ctx context.Context) error {
	return verify.Lint(ctx, ui.Stdout())
}
