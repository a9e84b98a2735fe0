package rig

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a bench until it has ended or is interrupted; after an error the exit code is 1. parse reads the
// command line and checks it before anything is started. The bench runs in the root directory of the repository,
// wherever it was started.
func Main[C any](parse func(args []string) (C, error), run func(ctx context.Context, c C) error) {
	if err := start(parse, run); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func start[C any](parse func(args []string) (C, error), run func(ctx context.Context, c C) error) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	c, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := EnterRepository(ctx); err != nil {
		return err
	}
	return run(ctx, c)
}
