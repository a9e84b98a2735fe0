package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/smoke"
)

// Full checks, cleans, builds, starts, tests and shows the stack.
//
// It is check, cleanup, build, start, smoke and one monitor snapshot, each only after the one before. What is right
// already stays as it is.
func Full(ctx context.Context,
	services *string, // comma-separated services and what they depend on; all by default
) error {
	if _, err := names(services); err != nil {
		return fault.Exit(ctx, err)
	}
	chosen := value(services, "")
	steps := []any{
		mg.F(checkStep, chosen), mg.F(cleanupStep), mg.F(buildStep, chosen), mg.F(startStep, chosen),
	}
	if chosen == "" {
		steps = append(steps, mg.F(smokeStep))
	}
	mg.SerialCtxDeps(ctx, append(steps, mg.F(monitorStep, chosen))...)
	return nil
}

// mg.F takes no pointers, so each step of Full is a function of plain values. Mage prints a step's error and keeps its
// exit code.
// There services is "" for all.

func checkStep(ctx context.Context, services string) error {
	return fault.Exit(ctx, check(ctx, chosenOnly(services), false))
}

// chosenOnly gives a step's services as a target takes them: nil for all.
func chosenOnly(services string) *string {
	if services == "" {
		return nil
	}
	return &services
}

func cleanupStep(ctx context.Context) error {
	return fault.Exit(ctx, cleanUp(ctx, cleanupChoice{}))
}

func buildStep(ctx context.Context, services string) error {
	s, err := openUnstarted(ctx, chosenOnly(services)) // with what they depend on, which is started too
	if err == nil {
		err = s.buildImages(ctx, buildChoice{progress: "auto"})
	}
	return fault.Exit(ctx, err)
}

func startStep(ctx context.Context, services string) error {
	return fault.Exit(ctx, start(ctx, chosenOnly(services), startChoice{}))
}

func smokeStep(ctx context.Context) error { return fault.Exit(ctx, smokeTest(ctx, true)) }

func monitorStep(ctx context.Context, services string) error {
	return fault.Exit(ctx, watchStack(ctx, chosenOnly(services), false, 0, false))
}

// Smoke proves that the started stack does its job, end to end.
//
// It runs the command that the Compose file names under smoke in a service's container. For 25Eloquence a learner
// joins a session over WebRTC, speaks a sentence, is transcribed, gets a report and hears an answer.
func Smoke(ctx context.Context) error {
	return fault.Exit(ctx, smokeTest(ctx, false))
}

// smokeTest runs the stack's smoke test; a stack without one passes where it is optional.
func smokeTest(ctx context.Context, optional bool) error {
	s, err := openUnstarted(ctx, nil)
	if err != nil {
		return err
	}
	if _, has := compose.SmokeTest(s.stack.Project); !has && optional {
		return nil
	}
	return smoke.Run(ctx, s.engine, s.stack.Project, s.out)
}
