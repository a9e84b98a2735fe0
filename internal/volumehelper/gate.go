package volumehelper

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// Gate holds restic up before it reads: it has opened the repository, and waits for the end of a list of what it is
// not to read.
type Gate struct {
	p       *engine.Process
	reached chan error
}

// waitAtGate ends once restic reads the list, and somebody says so.
const waitAtGate = `mkfifo "$1" && echo made && exec 3>"$1" && echo reached && read -r`

// NewGate gives a gate, with the path of restic's list (--exclude-file).
func (h *Helper) NewGate(ctx context.Context) (g *Gate, list string, err error) {
	h.gates++
	list = secrets + "/gate" + strconv.Itoa(h.gates)
	g = &Gate{reached: make(chan error, 1)}
	g.p, err = engine.StartExec(ctx, h.Engine, h.id, []string{"bash", "-c", waitAtGate, "bash", list}, true)
	if err != nil {
		return nil, "", err
	}
	out, in := io.Pipe()
	go func() { _ = in.CloseWithError(g.p.Copy(in, io.Discard)) }()
	if _, err := io.ReadFull(out, make([]byte, len("made\n"))); err != nil {
		return nil, "", fmt.Errorf("making the gate: %w", err)
	}
	go func() {
		_, err := io.ReadFull(out, make([]byte, len("reached\n")))
		g.reached <- err
		_, _ = io.Copy(io.Discard, out)
	}()
	return g, list, nil
}

// Reached waits until restic stands before the gate, or ctx ends.
func (g *Gate) Reached(ctx context.Context) error {
	select {
	case err := <-g.reached:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Open lets restic through.
func (g *Gate) Open() error {
	g.p.Close()
	return nil
}
