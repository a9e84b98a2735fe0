package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

// Execer is what running a command in a container needs of the engine.
type Execer interface {
	ExecCreate(ctx context.Context, id string, o client.ExecCreateOptions) (client.ExecCreateResult, error)
	ExecAttach(ctx context.Context, id string, o client.ExecAttachOptions) (client.ExecAttachResult, error)
	ExecInspect(ctx context.Context, id string, o client.ExecInspectOptions) (client.ExecInspectResult, error)
}

// maxOutput is how many bytes of a command's output are kept.
const maxOutput = 256 << 10

// Output is the exit code of a command in a container, with the end of what the command printed.
type Output struct {
	Code           int
	Stdout, Stderr string
}

// Process is a command that was started in a container and is attached to this process.
type Process struct {
	ID     string // of the exec
	api    Execer
	stream client.HijackedResponse
	name   string
}

// StartExec starts a command in a running container, with its own user, directory and environment. With stdin, Write
// feeds its standard input, which ends with Close or with this process.
func StartExec(ctx context.Context, api Execer, id string, command []string, stdin bool) (*Process, error) {
	created, err := api.ExecCreate(ctx, id,
		client.ExecCreateOptions{Cmd: command, AttachStdin: stdin, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return nil, fmt.Errorf("running %q: %w", command[0], err)
	}
	attached, err := api.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return nil, fmt.Errorf("running %q: %w", command[0], err)
	}
	return &Process{ID: created.ID, api: api, stream: attached.HijackedResponse, name: command[0]}, nil
}

// Write writes to the command's standard input.
func (p *Process) Write(b []byte) (int, error) { return p.stream.Conn.Write(b) }

// CloseInput ends the command's standard input.
func (p *Process) CloseInput() error { return p.stream.CloseWrite() }

// Close lets go of the command: its standard input ends, and it goes on unheard.
func (p *Process) Close() { p.stream.Close() }

// Copy writes what the command prints until it ends or is closed.
func (p *Process) Copy(stdout, stderr io.Writer) error {
	if _, err := stdcopy.StdCopy(stdout, stderr, p.stream.Reader); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the output of %q: %w", p.name, err)
	}
	return nil
}

// Wait reads the command's output until it ends, and closes it. Where ctx ends first the engine offers no way to kill
// the command: it goes on inside the container.
func (p *Process) Wait(ctx context.Context) (Output, error) {
	defer p.Close()
	stop := context.AfterFunc(ctx, p.Close)
	defer stop()
	stdout, stderr := bounded.Tail{Bytes: maxOutput}, bounded.Tail{Bytes: maxOutput} // it may print for ever
	if err := p.Copy(&stdout, &stderr); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("reading the output of %q: %w", p.name, ctx.Err())
		}
		return Output{}, err
	}
	done, err := p.api.ExecInspect(ctx, p.ID, client.ExecInspectOptions{})
	if err != nil {
		return Output{}, fmt.Errorf("running %q: %w", p.name, err)
	}
	return Output{Code: done.ExitCode, Stdout: stdout.String(), Stderr: stderr.String()}, nil
}

// Exec runs a command in a running container and waits for it. Where ctx ends first the command goes on, so give it a
// limit of its own.
func Exec(ctx context.Context, api Execer, id string, command []string) (Output, error) {
	p, err := StartExec(ctx, api, id, command, false)
	if err != nil {
		return Output{}, err
	}
	return p.Wait(ctx)
}
