// Package rig is what the benches stand on: the lock that keeps them apart, their work directory, Mage, and the
// daemons that serve the runs. What is compared and how is each bench's own.
package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
)

// Alone keeps other benches away until the file is closed or this process ends: two at once would remove each
// other's images, and measure each other.
func Alone() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "compose-mage-bench.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking out other benches: %w", err)
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another bench runs on this machine: %w", err)
	}
	return f, nil
}

// WorkDir makes a directory below dir after removing what a killed bench left there: with the lock taken there is
// no other whose files these could be. What was kept on purpose goes too.
func WorkDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the work directory: %w", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "[0-9]*")); err == nil {
		for _, old := range left {
			_ = os.RemoveAll(old) // it only takes room
		}
	}
	work, err := os.MkdirTemp(dir, "")
	if err != nil {
		return "", fmt.Errorf("making the work directory: %w", err)
	}
	return work, nil
}

// Repository is the root of the repository that the working directory is in: the directory above the module of the
// benches.
func Repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for dir := filepath.Dir(strings.TrimSpace(string(out))); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, Module, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("finding the repository: the working directory is outside of it")
		}
	}
}

// EnterRepository makes the repository's root the working directory: its go.mod files pin the programs that are
// run.
func EnterRepository(ctx context.Context) error {
	root, err := Repository(ctx)
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return fmt.Errorf("going to the repository: %w", err)
	}
	return nil
}

// Module is the directory of the benches' module, below the repository.
const Module = "bench"

// BuildMage builds the Mage that the repository's go.mod pins, as dir/mage, and gives its path.
func BuildMage(ctx context.Context, repository, dir string) (string, error) {
	mage := filepath.Join(dir, "mage")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", mage, "github.com/magefile/mage")
	cmd.Dir = repository
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building mage: %w: %s", err, out)
	}
	return mage, nil
}

// Output runs the command and gives its standard output. What it said last is in the error.
func Output(cmd *exec.Cmd) ([]byte, error) {
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("running %s %s: %w: %s", filepath.Base(cmd.Path), strings.Join(cmd.Args[1:], " "), err,
			figures.LastWords([]byte(string(out)+said.String())))
	}
	return out, nil
}

// HostAddress is where the machine's own engine answers.
func HostAddress() string {
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return host
	}
	return "unix:///var/run/docker.sock"
}

// Environment is this process's, less what would lead a tool elsewhere.
func Environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		for _, p := range []string{
			"COMPOSE_", "DOCKER_", "BUILDX_", "BUILDKIT_", "CACHE_", "IMAGE_", "STACK_", "MAGEFILE_",
		} {
			if strings.HasPrefix(v, p) {
				return true
			}
		}
		return false
	})
}

// Say tells on standard error what goes on; standard output is the report's.
func Say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
