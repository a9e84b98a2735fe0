package restic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// Elsewhere runs restic where the files of volumes are, which is not here.
type Elsewhere interface {
	// Restic runs restic to its end, and gives its exit code. Where ctx ends, restic is interrupted.
	Restic(ctx context.Context, i Invocation) (exit int, err error)
	// Bridge is the program there that leads to an invocation's Backend.
	Bridge() string
}

// Invocation is one run of restic elsewhere.
type Invocation struct {
	Args           []string
	Env            []string // NAME=value; credentials among them
	Password       []byte
	Stdout, Stderr io.Writer
	Unlocks        bool    // it is the first run there, and removes locks of runs before that were killed
	Backend        Backend // nil where restic reaches the repository by itself
}

// Backend speaks with restic as the program does by which restic reaches a repository: rclone, or ssh.
type Backend func(ctx context.Context, in io.Reader, out io.Writer) error

// NeedsNetwork says whether restic has to reach the repository by itself, wherever it runs.
func NeedsNetwork(location string) bool {
	_, sftp := serverOf(location)
	return !IsLocal(location) && !sftp && !strings.HasPrefix(location, "rclone:")
}

// reach is how restic elsewhere reaches the repository: what it is told, and who answers it here.
func (r Repository) reach() (location string, options []string, b Backend, err error) {
	bridge := r.Elsewhere.Bridge()
	switch {
	case IsLocal(r.Location):
		// Restic there takes this process for rclone, which serves a directory of this machine.
		return "rclone:repository", []string{"-o", "rclone.program=" + bridge, "-o", "rclone.args=serve"},
			serveDirectory(strings.TrimPrefix(r.Location, "local:")), nil
	case strings.HasPrefix(r.Location, "rclone:"):
		return r.Location, []string{"-o", "rclone.program=" + bridge}, r.program("rclone", "serve", "restic", "--stdio",
			"--b2-hard-delete", strings.TrimPrefix(r.Location, "rclone:")), nil
	}
	if _, ok := serverOf(r.Location); !ok {
		return r.Location, nil, nil, nil
	}
	ssh, err := sshCommand(r.Location)
	if err == nil && len(ssh) == 0 {
		err = fault.New(fault.Config, "sftp:USER@HOST:/DIRECTORY as the repository",
			"the repository %q: its user or host has letters that ssh can't be given", fault.Redact(r.Location))
	}
	if err != nil {
		return "", nil, nil, err
	}
	return r.Location, []string{"-o", commandOption + bridge},
		r.program(strings.Fields(strings.TrimPrefix(ssh[1], commandOption))...), nil
}

// program is a backend that is a program of this machine.
func (r Repository) program(words ...string) Backend {
	return func(ctx context.Context, in io.Reader, out io.Writer) error {
		said := &bounded.Tail{Bytes: bounded.MaxLine}
		command := exec.CommandContext(ctx, words[0], words[1:]...)
		command.Env, command.Stdout, command.Stderr, command.WaitDelay = r.environment(), out, said, grace
		input, err := command.StdinPipe() // which Wait does not wait for
		if err == nil {
			err = command.Start()
		}
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(input, in)
			_ = input.Close()
		}()
		if err := command.Wait(); err != nil {
			return fmt.Errorf("%s: %w: %s", words[0], err, said.String())
		}
		return nil
	}
}

// runElsewhere runs restic where the volumes are.
func (r Repository) runElsewhere(ctx context.Context, c call) error {
	password, err := bounded.ReadFile(r.PasswordFile)
	if err != nil {
		return fmt.Errorf("%s: reading the password: %w", c.what, err)
	}
	location, options, backend, err := r.reach()
	if err != nil {
		return fmt.Errorf("%s: %w", c.what, err)
	}
	if backend != nil {
		options = append(options, "--no-cache")
	}
	said, failing := &bounded.Tail{Bytes: 8 * bounded.MaxLine}, newRetries(r.patience(), r.Waits)
	i := Invocation{
		Args: slices.Concat(options, c.args), Env: append(r.targetEnvironment(), "RESTIC_REPOSITORY="+location),
		Password: bytes.TrimSpace(password), Stdout: c.out, Stderr: io.MultiWriter(said, &lines{each: failing.line}),
		Backend: backend, Unlocks: c.unlocks,
	}
	if i.Stdout == nil {
		i.Stdout = io.Discard
	}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case why := <-failing.gaveUp:
			cancel(&Failure{Cause: fault.ResticUnreachable, Exit: -1, last: why})
		case <-running.Done():
		}
	}()
	exit, err := r.Elsewhere.Restic(running, i)
	var lost *Failure
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", c.what, context.Cause(ctx))
	case errors.As(context.Cause(running), &lost):
		return r.fail(c.what, lost, nil)
	case err == nil && exit == 0:
		return nil
	case exit > 0:
		text := said.String()
		if err != nil { // the backend's
			text = err.Error() + "\n" + text
		}
		return r.explain(c.what, exit, text)
	case err == nil:
		return r.explain(c.what, exit, said.String())
	}
	return fmt.Errorf("%s: %w", c.what, err)
}

// targetEnvironment are the variables of this process, and of the project, that restic's targets read.
func (r Repository) targetEnvironment() []string {
	mine := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !OfTarget(name)
	})
	return append(mine, r.Env...)
}

// UnlockElsewhere removes the locks that runs elsewhere have left which were killed. Nothing has run there before.
func (r Repository) UnlockElsewhere(ctx context.Context) error {
	return r.runElsewhere(ctx, call{what: "removing stale locks", args: []string{"unlock"}, unlocks: true})
}
