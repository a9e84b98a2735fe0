package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// Execer is what running a command in a container needs of the engine.
type Execer interface {
	ExecCreate(ctx context.Context, id string, o client.ExecCreateOptions) (client.ExecCreateResult, error)
	ExecAttach(ctx context.Context, id string, o client.ExecAttachOptions) (client.ExecAttachResult, error)
	ExecInspect(ctx context.Context, id string, o client.ExecInspectOptions) (client.ExecInspectResult, error)
}

// Output is what a command in a container came to.
type Output struct {
	Code           int
	Stdout, Stderr string
}

// Exec runs a command in a running container and waits for it. Where ctx ends first the engine offers no way to kill
// the command: it goes on inside the container, so give it a limit of its own.
func Exec(ctx context.Context, api Execer, id string, command []string) (Output, error) {
	created, err := api.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return Output{}, fmt.Errorf("running %q: %w", command[0], err)
	}
	stream, err := api.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return Output{}, fmt.Errorf("running %q: %w", command[0], err)
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, stream.Close)
	defer stop()
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, stream.Reader); err != nil && !errors.Is(err, io.EOF) {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return Output{}, fmt.Errorf("reading the output of %q: %w", command[0], err)
	}
	done, err := api.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
	if err != nil {
		return Output{}, fmt.Errorf("running %q: %w", command[0], err)
	}
	return Output{Code: done.ExitCode, Stdout: stdout.String(), Stderr: stderr.String()}, nil
}
