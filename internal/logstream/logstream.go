// Package logstream owns how containers' logs are read and printed: for a library that keeps each line in memory
// until the line ends, one that is too long is broken.
package logstream

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"

	"github.com/moby/moby/client"
)

const (
	// maxLine is how long a line may be, in bytes.
	maxLine = 1 << 20
	// piece is how much is read at a time, in bytes.
	piece = 32 << 10
	// header is the length of what stands before each frame of standard output or error: the stream, three zeros,
	// the frame's size.
	header = 8
)

// Engine is an engine whose containers' logs have no line of more than a megabyte.
type Engine struct{ client.APIClient }

// ContainerLogs implements client.APIClient.
func (e Engine) ContainerLogs(
	ctx context.Context,
	id string,
	o client.ContainerLogsOptions,
) (client.ContainerLogsResult, error) {
	found, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	logs, err := e.APIClient.ContainerLogs(ctx, id, o)
	if err != nil {
		return nil, err
	}
	return newReader(logs, found.Container.Config != nil && found.Container.Config.Tty), nil
}

// reader breaks the lines of a log.
type reader struct {
	io.Closer
	from   io.Reader
	raw    bool   // a terminal's output, without frames
	head   []byte // of the frame that is being read
	left   uint32 // of this frame, in bytes
	line   int    // bytes since the last end of a line
	buffer [piece]byte
	ready  bytes.Buffer
}

func newReader(logs io.ReadCloser, raw bool) *reader {
	return &reader{Closer: logs, from: logs, raw: raw, head: make([]byte, header)}
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for r.ready.Len() == 0 {
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	return r.ready.Read(p)
}

// more reads a piece.
func (r *reader) more() error {
	if r.raw {
		n, err := r.from.Read(r.buffer[:])
		r.ready.Write(r.broken(r.buffer[:n]))
		return err
	}
	if r.left == 0 {
		if _, err := io.ReadFull(r.from, r.head); err != nil {
			return err
		}
		r.left = binary.BigEndian.Uint32(r.head[4:])
		return nil
	}
	n, err := r.from.Read(r.buffer[:min(piece, r.left)])
	if n > 0 {
		r.left -= uint32(n) //nolint:gosec // a piece at most
		text := r.broken(r.buffer[:n])
		head := bytes.Clone(r.head)
		binary.BigEndian.PutUint32(head[4:], uint32(len(text))) //nolint:gosec // a piece and a newline at most
		r.ready.Write(head)
		r.ready.Write(text)
		return nil
	}
	return err
}

// broken ends a line that has become too long.
func (r *reader) broken(text []byte) []byte {
	if end := bytes.LastIndexByte(text, '\n'); end >= 0 {
		r.line = len(text) - end - 1
		return text
	}
	if r.line += len(text); r.line > maxLine {
		r.line = 0
		return append(bytes.Clone(text), '\n')
	}
	return text
}
