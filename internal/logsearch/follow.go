package logsearch

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// follow gives on what is logged after a moment, until ctx ends. The Compose library knows which containers come and
// are started again meanwhile; what it would read of their logs, a tap reads.
func follow(
	ctx context.Context, e *engine.Engine, project *types.Project, f filter, give func(Entry) error, after time.Time,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := newLive(f, give)
	library, err := composelib.NewOn(e, tap{APIClient: e.APIClient, project: project.Name, to: l})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		err := l.run(ctx)
		cancel(err)
		ended <- err
	}()
	err = library.Logs(ctx, project.Name, nobody{}, api.LogOptions{
		Project: project, Services: project.ServiceNames(), Follow: true, Tail: "all",
		Since: stampOf(after.Add(time.Nanosecond)),
	})
	if ctx.Err() != nil {
		err = nil
	}
	cancel(nil)
	return errors.Join(err, <-ended, l.end())
}

// nobody is whom the library tells nothing.
type nobody struct{}

// Log implements api.LogConsumer.
func (nobody) Log(string, string) {}

// Err implements api.LogConsumer.
func (nobody) Err(string, string) {}

// Status implements api.LogConsumer.
func (nobody) Status(string, string) {}

// tap is an engine whose logs go to a search, and are empty for who asks for them.
type tap struct {
	client.APIClient
	project string
	to      *live
}

// ContainerLogs implements client.APIClient.
func (t tap) ContainerLogs(
	ctx context.Context, id string, o client.ContainerLogsOptions,
) (client.ContainerLogsResult, error) {
	seen, err := t.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	o.Timestamps = true
	log, err := t.APIClient.ContainerLogs(ctx, id, o)
	if err != nil {
		return nil, err
	}
	read := tapped{ReadCloser: log, to: t.to, container: seen.Container.Name}
	if c := seen.Container.Config; c != nil {
		read.raw, read.service = c.Tty, c.Labels[container.ServiceLabel]
		read.container = shortName(read.container, t.project, read.service, c.Labels)
	}
	return &read, nil
}

type tapped struct {
	io.ReadCloser
	to                 *live
	service, container string
	raw                bool
}

// Read implements io.Reader: it reads the whole log for the search.
func (t *tapped) Read([]byte) (int, error) {
	if err := t.to.read(t.service, t.container, t.raw, t.ReadCloser); err != nil {
		return 0, err
	}
	return 0, io.EOF
}
