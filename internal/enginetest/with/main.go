// Command with runs another command with what integration tests and benchmarks need: setup's builder in TEST_BUILDER,
// and in TEST_REGISTRY a registry that is the command's alone and gone after it.
//
//	go run ./internal/enginetest/with go test -tags integration -run Build ./internal/integration
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/25eloquence/compose-mage/internal/enginetest/mirror"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/verify"
)

func main() {
	code, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "with:", err)
	}
	os.Exit(code)
}

func run() (int, error) {
	if len(os.Args) < 2 {
		return 2, errors.New("name a command")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	setup, err := provision.Load()
	if err != nil {
		return 1, err
	}
	m, err := mirror.Start(ctx)
	if err != nil {
		return 1, err
	}
	defer func() { _ = m.Close() }()
	cmd := exec.CommandContext(ctx, os.Args[1], os.Args[2:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), verify.Environment(setup.Builder, m.Address)...)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
