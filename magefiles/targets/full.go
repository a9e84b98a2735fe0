package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/stack"
)

// Full checks, cleans, builds, starts, tests and shows the stack.
//
// It is check, cleanup, build, start, smoke and one monitor snapshot, each only after the one before. What is right
// already stays as it is.
func Full(ctx context.Context,
	services *string, // comma-separated services and what they depend on; all by default
	trace *string, // a file that gets what was done when, for ui.perfetto.dev
) error {
	named, err := names(services)
	if err != nil {
		return fault.Exit(ctx, err)
	}
	return fault.Exit(ctx, traced(ctx, trace, "full", func(ctx context.Context) error {
		full(ctx, named)
		return nil
	}))
}

// full does its parts one after the other. Mage panics where one fails.
func full(ctx context.Context, named []string) {
	collectLess()
	steps := []any{ // cleanup is about the whole project, whatever is named
		stack.Check, stack.Cleanup, stack.Build, stack.Start,
	}
	if len(named) == 0 {
		steps = append(steps, smokeIfAny)
	}
	mg.SerialCtxDeps(stack.WithOptions(ctx, stack.Options{Services: named}), append(steps, stack.Monitor)...)
}

// smokeIfAny runs the smoke test of a stack that has one.
func smokeIfAny(ctx context.Context) error {
	s, err := open(ctx)
	if err != nil {
		return err
	}
	_, err = s.Smoke(ctx, stack.SmokeOptions{Optional: true})
	return err
}

// Smoke proves that the started stack does its job, end to end.
//
// It runs the command that the Compose file names under smoke in a service's container. For 25Eloquence a learner
// joins a session over WebRTC, speaks a sentence, is transcribed, gets a report and hears an answer.
func Smoke(ctx context.Context) error {
	collectLess()
	return stack.Smoke(ctx)
}
