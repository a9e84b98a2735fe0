package lifecycle

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/fatih/color"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Status prints a line per container, and one for each service without any. It returns whether every service runs and
// none is unhealthy.
func Status(ctx context.Context, e *engine.Engine, project *types.Project, out *ui.Out) (bool, error) {
	compose, err := newCompose(e)
	if err != nil {
		return false, err
	}
	all, err := compose.Ps(ctx, project.Name, api.PsOptions{Project: project, All: true})
	if err != nil {
		return false, fmt.Errorf("listing the containers of %q: %w", project.Name, err)
	}
	found := map[string][]api.ContainerSummary{}
	for _, c := range all {
		found[c.Service] = append(found[c.Service], c)
	}
	fine := true
	var rows [][]string
	for _, name := range project.ServiceNames() {
		if len(found[name]) == 0 {
			fine = false
			rows = append(rows, []string{name, color.YellowString("not created"), "", "", ""})
		}
		for _, c := range found[name] {
			ok := c.State == moby.StateRunning && c.Health != moby.Unhealthy
			fine = fine && ok
			rows = append(rows, []string{name, coloured(c, ok), c.Name, c.Image, ports(c.Publishers)})
		}
	}
	ui.Table(out.Writer(), []string{"SERVICE", "STATUS", "CONTAINER", "IMAGE", "PORTS"}, rows)
	return fine, nil
}

func coloured(c api.ContainerSummary, ok bool) string {
	switch {
	case !ok:
		return color.RedString(c.Status)
	case c.Health == moby.Starting:
		return color.YellowString(c.Status)
	}
	return color.GreenString(c.Status)
}

func ports(published api.PortPublishers) string {
	var out []string
	for _, p := range published {
		if p.PublishedPort > 0 {
			out = append(out, fmt.Sprintf("%s:%d->%d/%s", p.URL, p.PublishedPort, p.TargetPort, p.Protocol))
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

// LogOptions are the choices of Logs.
type LogOptions struct {
	Follow bool
	Tail   string // a number of lines, or "all"
	Since  string // a duration or a time, as docker logs takes it
}

// Logs writes the services' log lines, each after its container's name; with Follow until ctx ends.
func Logs(ctx context.Context, e *engine.Engine, project *types.Project, w io.Writer, o LogOptions) error {
	compose, err := newCompose(e)
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
	err = compose.Logs(ctx, project.Name, &logWriter{w: w, width: width}, api.LogOptions{
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
	prefix := color.CyanString("%-*s | ", l.width, name)
	for line := range strings.SplitSeq(strings.TrimRight(message, "\n"), "\n") {
		fmt.Fprintln(l.w, prefix+line)
	}
}

// Err prints a line of standard error.
func (l *logWriter) Err(name, message string) { l.Log(name, message) }

// Status prints what the library says about a container.
func (l *logWriter) Status(name, message string) { l.Log(name, message) }
