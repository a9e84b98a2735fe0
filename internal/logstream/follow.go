package logstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// Follow gives the lines of one container's log to line, as the container wrote them: the last tail of them, then new
// ones as they come, until ctx or the log ends. Lines of standard output and of standard error come as they were read.
func Follow(ctx context.Context, api client.APIClient, id string, tail int, line func(string)) error {
	found, err := api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("reading logs: %w", err)
	}
	logs, err := api.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: true, Tail: strconv.Itoa(tail),
	})
	if err != nil {
		return fmt.Errorf("reading logs: %w", err)
	}
	defer logs.Close()
	raw := found.Container.Config != nil && found.Container.Config.Tty
	if err := split(newReader(logs, raw), raw, line); err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading logs: %w", err)
	}
	return nil
}

// split gives the lines of a log to line; where raw is true the log has no frames.
func split(from io.Reader, raw bool, line func(string)) error {
	out, errs := lineWriter{to: line}, lineWriter{to: line}
	defer errs.end()
	defer out.end()
	if raw {
		_, err := io.Copy(&out, from)
		return err
	}
	_, err := stdcopy.StdCopy(&out, &errs, from)
	return err
}

// lineWriter gives lines on once they have ended; what it is given has no line of more than maxLine and a piece.
type lineWriter struct {
	to   func(string)
	rest []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	written := len(p)
	for {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		if !ended {
			w.rest = append(w.rest, p...)
			return written, nil
		}
		w.to(string(append(w.rest, line...)))
		w.rest, p = w.rest[:0], rest
	}
}

// end gives on what has no end.
func (w *lineWriter) end() {
	if len(w.rest) > 0 {
		w.to(string(w.rest))
	}
}
