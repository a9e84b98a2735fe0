package logsearch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/logstream"
)

// Print prints what is asked for of the logs of a project's services: first what is there, then, with Follow, what
// comes, until ctx ends.
func Print(ctx context.Context, e *engine.Engine, project *types.Project, w io.Writer, r Request) error {
	if !r.Searches() {
		return logstream.Print(ctx, e, project, w, logstream.Options{Follow: r.Follow, Tail: r.lines(), Since: r.Since})
	}
	f, err := r.filter()
	if err != nil {
		return err
	}
	found, err := container.List(ctx, e, project.Name, project.ServiceNames()...)
	if err != nil {
		return err
	}
	until := e.Now()
	logs, width := logsOf(e, project, found, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: r.lines(), Since: r.Since, Until: stampOf(until),
	})
	if len(logs) == 0 {
		return fault.New(fault.Failed, "go tool mage start", "no container of %q to read logs from", project.Name)
	}
	out := newOutput(w, r, width)
	err = past(ctx, logs, f, out.entry)
	if err == nil && r.Follow {
		err = follow(ctx, e, project, f, out.entry, until)
	}
	if errors.Is(err, ctx.Err()) {
		err = nil
	}
	return errors.Join(err, out.end(e.Now()), ctx.Err())
}

// stampOf is a time as the engine takes it.
func stampOf(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// logsOf are the logs of the containers, and how long the longest name is.
func logsOf(
	e *engine.Engine, project *types.Project, found map[string][]moby.Summary, o client.ContainerLogsOptions,
) (logs []Log, width int) {
	for _, service := range project.ServiceNames() {
		for _, c := range found[service] {
			name := shortName(c.Names[0], project.Name, service, c.Labels)
			width = max(width, len(name))
			logs = append(logs, Log{
				Service: service, Container: name, Open: func(ctx context.Context) (io.ReadCloser, bool, error) {
					return opened(ctx, e, c.ID, o)
				},
			})
		}
	}
	return logs, width
}

func opened(
	ctx context.Context, e *engine.Engine, id string, o client.ContainerLogsOptions,
) (io.ReadCloser, bool, error) {
	seen, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, false, err
	}
	log, err := e.ContainerLogs(ctx, id, o)
	return log, seen.Container.Config != nil && seen.Container.Config.Tty, err
}

// shortName is a container's name without the project's, which docker compose leaves out.
func shortName(name, project, service string, labels map[string]string) string {
	name = strings.TrimPrefix(name, "/")
	if name == fmt.Sprintf("%s-%s-%d", project, service, container.Number(labels)) {
		return strings.TrimPrefix(name, project+"-")
	}
	return name
}
