// Package trace writes a file of what a build, a start or a restart did and when, which trace viewers such as
// ui.perfetto.dev open: steps, transfers, loads, creations, starts, probes, waits and the critical path.
//
//	ctx, t, err := trace.Open(ctx, "start.json", "start")
//	if err != nil {
//		return err
//	}
//	_, err = s.Start(ctx, stack.StartOptions{})
//	return t.Close(err)
//
// The file has names of services, images and steps, and the causes of what was done; no secret, no value of a build
// argument, and nothing that a container printed.
package trace

import (
	"context"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/trace"
)

// Trace is a file that is written when what it tells of has ended.
type Trace struct {
	ctx  context.Context //nolint:containedctx // the one of the command, which tells whether it was interrupted
	file *trace.File
}

// Open begins a trace of all that is done under the context that it gives. command is what the trace is said to be of.
// A file that could not be written when that has ended is an error now, before anything is done.
func Open(ctx context.Context, path, command string) (context.Context, *Trace, error) {
	file, err := trace.Open(path, command)
	if err != nil {
		return ctx, nil, fault.Exit(ctx, err)
	}
	ctx = trace.With(ctx, file)
	return ctx, &Trace{ctx: ctx, file: file}, nil
}

// Close writes the file in one step, also after a failure and where the context has ended. err is what was traced came
// to; it is returned, with what kept the file from being written.
func (t *Trace) Close(err error) error { return t.file.Close(t.ctx, err) }
