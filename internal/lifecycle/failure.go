package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// lastLines is how many log lines of a service that failed are shown.
const lastLines = "12"

// failure puts a service's failure on one screen: cause, who waits for it, its last log lines, the next command.
func (s *starter) failure(ctx context.Context, service string, err error) error {
	code, next := fault.Failed, "go tool mage logs "+service
	text := err.Error()
	switch {
	case strings.Contains(text, "port is already allocated"), strings.Contains(text, "address already in use"):
		code, next = fault.Resources, "go tool mage check"
	case strings.Contains(text, "no space left on device"):
		code, next = fault.Resources, "go tool mage cleanup"
	}
	f := fault.New(code, next, "starting %q: %w", service, err)
	if waiting := s.plan.waitingFor(service); len(waiting) > 0 {
		f.Detail = append(f.Detail, "not started, as they wait for it: "+strings.Join(waiting, ", "))
	}
	var never *notReady
	if !errors.As(err, &never) {
		return f
	}
	all, listErr := containers(ctx, s.compose, s.project)
	if listErr != nil || len(all[service]) == 0 {
		return f
	}
	if lines := tail(ctx, s.engine, all[service][0].ID); len(lines) > 0 {
		f.Detail = append(f.Detail, fmt.Sprintf("last lines of %s:", service))
		for _, l := range lines {
			f.Detail = append(f.Detail, "  "+l)
		}
	}
	return f
}

// tail gives a container's last log lines; none where they can't be read.
func tail(ctx context.Context, api interface {
	ContainerLogs(ctx context.Context, id string, o client.ContainerLogsOptions) (client.ContainerLogsResult, error)
}, id string,
) []string {
	logs, err := api.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: lastLines})
	if err != nil {
		return nil
	}
	defer logs.Close()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, logs); err != nil || out.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
}

// completed waits for a one-shot container to exit with 0.
func completed(ctx context.Context, api prober, id string) error {
	for {
		found, err := api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return fmt.Errorf("inspecting the container: %w", err)
		}
		if s := found.Container.State; s.Status == container.StateExited {
			if s.ExitCode != 0 {
				return &notReady{fmt.Sprintf("did not complete (exit %d)", s.ExitCode)}
			}
			return nil
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}
