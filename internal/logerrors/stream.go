package logerrors

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"time"

	"github.com/moby/moby/client"
)

// API is what reading a log asks of the engine.
type API interface {
	ContainerLogs(context.Context, string, client.ContainerLogsOptions) (client.ContainerLogsResult, error)
}

// follow reads the log from the engine, as long as it gives one; piece is given what was written, in pieces.
func follow(ctx context.Context, api API, log Log, since string, piece func(stream byte, data []byte)) error {
	logs, err := api.ContainerLogs(ctx, log.ID, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: true, Since: since,
	})
	if err != nil {
		return err
	}
	defer logs.Close()
	from := bufio.NewReaderSize(logs, 32<<10)
	buffer := make([]byte, 16<<10)
	for {
		stream, left := byte(1), uint32(len(buffer))
		if !log.Terminal { // a frame: the stream, three zeros, the size
			var head [8]byte
			if _, err := io.ReadFull(from, head[:]); err != nil {
				return err
			}
			stream, left = head[0], binary.BigEndian.Uint32(head[4:])
		}
		for left > 0 {
			n, err := from.Read(buffer[:min(int(left), len(buffer))])
			piece(stream, buffer[:n])
			if err != nil {
				return err
			}
			if left -= uint32(n); log.Terminal { //nolint:gosec // at most as much as the buffer has
				break
			}
		}
	}
}

// sinceNow is a time as the engine takes it.
func sinceNow(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
