package targets

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// errNobodyReads is the cause of a context's end where whatever reads the output has ended, as head does.
var errNobodyReads = errors.New("nobody reads the output any more")

// readOutput gives standard output, and a context that ends once nobody reads it: the process would be killed by the
// signal else, and Mage would tell that as a failure.
func readOutput(ctx context.Context) (context.Context, io.Writer, func()) {
	if ui.Stdout().Terminal() {
		return ctx, os.Stdout, func() {}
	}
	ctx, end := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPIPE)
	return ctx, pipe{os.Stdout, end}, func() {
		signal.Stop(signals)
		end(nil)
	}
}

type pipe struct {
	io.Writer
	end context.CancelCauseFunc
}

// Write implements io.Writer.
func (p pipe) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.end(errNobodyReads)
	}
	return n, err
}
