package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// What of a container's log the page shows: bounded.DefaultTail bytes at most.
const lastLines = "200"

// errNoService is of a name that the newest snapshot does not have.
var errNoService = errors.New("no container of such a service is known")

// logs gives the last lines of a service's containers, each after the container's name where there are several.
func (w *watching) logs(ctx context.Context, service string) ([]string, error) {
	latest, _ := w.observer.Latest()
	ids, names := []string{}, []string{}
	for _, r := range latest.Services {
		if r.Service == service && r.ID != "" {
			ids, names = append(ids, r.ID), append(names, r.Container)
		}
	}
	if len(ids) == 0 {
		return nil, errNoService
	}
	lines := []string{}
	for i, id := range ids {
		found, err := containerLines(ctx, w.Engine, id)
		if err != nil {
			return nil, fmt.Errorf("reading the log of %q: %w", names[i], err)
		}
		for _, line := range found {
			if len(ids) > 1 {
				line = names[i] + " | " + line
			}
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// containerLines reads one log. A terminal's has no frames.
func containerLines(ctx context.Context, e *engine.Engine, id string) ([]string, error) {
	about, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	logs, err := e.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: lastLines,
	})
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	var out bounded.Tail // a line has no limit
	if c := about.Container.Config; c != nil && c.Tty {
		_, err = io.Copy(&out, logs)
	} else {
		_, err = stdcopy.StdCopy(&out, &out, logs)
	}
	if err != nil || out.String() == "" {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	for i, line := range lines {
		lines[i] = bounded.Line(printable.Output(line))
	}
	return lines, nil
}
