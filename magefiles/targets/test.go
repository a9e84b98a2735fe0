package targets

import (
	"context"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// Test runs unit, integration and smoke tests, with the race detector.
//
// Integration tests use the real engine, builder and registry; the smoke test builds and starts the stack.
func Test(ctx context.Context) error {
	return fault.Exit(ctx, test(ctx))
}

func test(ctx context.Context) error {
	s, err := open(ctx, nil)
	if err != nil {
		return err
	}
	if err := verify.Unit(ctx, s.out); err != nil {
		return err
	}
	if err := verify.Integration(ctx, s.out, s.builderAddress(), s.cacheRegistry()); err != nil {
		return err
	}
	if err := build(ctx, nil, false, "plain", false); err != nil {
		return err
	}
	if err := start(ctx, nil, 0, false); err != nil {
		return err
	}
	return smokeTest(ctx, true)
}

// Lint runs go vet for three systems and the pinned linters.
func Lint(ctx context.Context) error {
	return fault.Exit(ctx, lint(ctx))
}

func lint(ctx context.Context) error {
	return verify.Lint(ctx, ui.Stdout())
}
