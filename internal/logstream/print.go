package logstream

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Options are the choices of Print.
type Options struct {
	Follow bool
	Tail   string // a number of lines, or "all"
	Since  string // a duration or a time, as docker logs takes it
}

// Print writes the services' log lines, each after its container's name; with Follow until ctx ends.
func Print(ctx context.Context, e *engine.Engine, project *types.Project, w io.Writer, o Options) error {
	library, err := composelib.NewOn(e, Engine{APIClient: e.APIClient})
	if err != nil {
		return err
	}
	found, err := container.List(ctx, e, project.Name)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fault.New(fault.Failed, "go tool mage start", "no container of %q to read logs from", project.Name)
	}
	width := 0
	for _, group := range found {
		for _, c := range group {
			width = max(width, len(strings.TrimPrefix(c.Names[0], "/")))
		}
	}
	err = library.Logs(ctx, project.Name, &logWriter{w: w, width: width}, api.LogOptions{
		Project: project, Services: project.ServiceNames(), Follow: o.Follow, Tail: o.Tail, Since: o.Since,
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading logs: %w", err)
	}
	return ctx.Err()
}

// logWriter prints the lines that the Compose library hands over from several goroutines.
type logWriter struct {
	mu    sync.Mutex
	w     io.Writer
	width int
}

// Log prints a line of standard output.
func (l *logWriter) Log(name, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	whose := ui.Cyan(fmt.Sprintf("%-*s | ", l.width, name))
	for line := range strings.SplitSeq(strings.TrimRight(message, "\n"), "\n") {
		ui.LogLine(l.w, whose, line)
	}
}

// Err prints a line of standard error.
func (l *logWriter) Err(name, message string) { l.Log(name, message) }

// Status prints what the library says about a container.
func (l *logWriter) Status(name, message string) { l.Log(name, message) }
