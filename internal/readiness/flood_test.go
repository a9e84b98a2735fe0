package readiness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

// flood is a check that prints a lot, and how much memory was in use at most while it was read.
type flood struct {
	fakeContainer
	bytes int
	most  uint64
}

// frame is a piece of standard output as the engine sends it.
func frame(text []byte) []byte {
	head := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return append(head, text...)
}

func (f *flood) ExecAttach(context.Context, string, client.ExecAttachOptions) (client.ExecAttachResult, error) {
	r, w := io.Pipe()
	piece := frame(bytes.Repeat([]byte("x"), 64<<10))
	go func() {
		for sent := 0; sent < f.bytes; sent += len(piece) {
			if _, err := w.Write(piece); err != nil {
				return
			}
			if sent%(16<<20) < len(piece) {
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				f.most = max(f.most, now.HeapAlloc)
			}
		}
		_, _ = w.Write(frame([]byte("\n" + strings.Repeat("the last line ", 1000) + "\n")))
		_ = w.Close()
	}()
	conn, _ := net.Pipe()
	stream := client.HijackedResponse{Conn: conn, Reader: bufio.NewReader(r)}
	return client.ExecAttachResult{HijackedResponse: stream}, nil
}

// TestCheckThatFloods guards against a health check that prints without an end: an exec of its own was read into
// memory, 2.1 GiB in 20 s.
func TestCheckThatFloods(t *testing.T) {
	f := &flood{bytes: 256 << 20}
	f.states, f.codes = []moby.State{{Running: true, Status: moby.StateRunning}}, []int{1}
	f.check = &moby.HealthConfig{
		Test: []string{"CMD", "check"}, Interval: time.Millisecond, Timeout: 3 * time.Second, Retries: 1,
	}
	err := Wait(t.Context(), f, "id")
	if err == nil || !strings.Contains(err.Error(), "exit 1: the last line") || len(err.Error()) > bounded.MaxLine+100 {
		t.Errorf("got %.200v", err)
	}
	if f.most > 64<<20 {
		t.Errorf("%d MiB were in use", f.most>>20)
	}
}
