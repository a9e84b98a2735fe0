package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// observed is what the engine told of a project while it was watched.
type observed struct {
	execs   int                  // commands run in containers, the engine's own health checks among them
	started map[string]time.Time // when the engine had last started each service's container
	lost    error                // why some may be missing
}

// watcher reads the engine's events of a project.
type watcher struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	seen   observed
}

// watch begins to watch.
func (b *bench) watch(ctx context.Context, project string) *watcher {
	w := &watcher{seen: observed{started: map[string]time.Time{}}}
	ctx, w.cancel = context.WithCancel(ctx)
	events := b.engine.Events(ctx, client.EventsListOptions{Filters: client.Filters{}.
		Add("type", "container").Add("label", projectLabel+"="+project).Add("event", "exec_create", "start")})
	w.done.Go(func() {
		for {
			select {
			case e := <-events.Messages:
				if strings.HasPrefix(string(e.Action), "exec_create") {
					w.seen.execs++
				} else {
					w.seen.started[e.Actor.Attributes[serviceLabel]] = time.Unix(0, e.TimeNano)
				}
			case err := <-events.Err:
				if ctx.Err() == nil {
					w.seen.lost = err
				}
				return
			}
		}
	})
	return w
}

// stop ends watching, after what is still on its way.
func (w *watcher) stop() observed {
	time.Sleep(200 * time.Millisecond)
	w.cancel()
	w.done.Wait()
	return w.seen
}

// ownChecks counts the health checks that the engine itself ran since then. It remembers five of a container: where
// more ran, the sum is too low, and so the count of probes too high.
func (b *bench) ownChecks(ctx context.Context, project string, since time.Time) (int, error) {
	ids, err := b.ids(ctx, project)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, id := range ids {
		found, err := b.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return 0, fmt.Errorf("inspecting a container: %w", err)
		}
		if h := found.Container.State.Health; h != nil {
			for _, entry := range h.Log {
				if entry.Start.After(since) {
					n++
				}
			}
		}
	}
	return n, nil
}

// awaitReady reads the containers' logs until each of the services has said that it is ready, and gives the times.
func (b *bench) awaitReady(
	ctx context.Context, s *stack, project string, services []string, since time.Time,
) (map[string]time.Time, error) {
	ids, err := b.ids(ctx, project)
	if err != nil {
		return nil, err
	}
	at := map[string]time.Time{}
	for deadline := time.Now().Add(time.Minute); ; {
		for _, name := range services {
			if _, ok := at[name]; ok {
				continue
			}
			if ids[name] == "" {
				return nil, fmt.Errorf("%q has no container", name)
			}
			text, err := b.logs(ctx, ids[name], since)
			if err != nil {
				return nil, err
			}
			if t, ok := said(text, s.said[name]); ok {
				at[name] = t
			}
		}
		if len(at) == len(services) {
			return at, nil
		}
		if time.Now().After(deadline) {
			silent := len(services) - len(at)
			return nil, fmt.Errorf("%d of %d services never said that they are ready", silent, len(services))
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// logs is what the container wrote since then, each line after the engine's time stamp.
func (b *bench) logs(ctx context.Context, id string, since time.Time) ([]byte, error) {
	stream, err := b.engine.ContainerLogs(ctx, id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Timestamps: true,
		Since: fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond()),
	})
	if err != nil {
		return nil, fmt.Errorf("reading a log: %w", err)
	}
	defer stream.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, stream); err != nil {
		return nil, fmt.Errorf("reading a log: %w", err)
	}
	return text.Bytes(), nil
}

// said finds the first line that matches and gives its time: the one in the pattern's group, else the engine's
// stamp.
func said(log []byte, pattern *regexp.Regexp) (time.Time, bool) {
	lines := bufio.NewScanner(bytes.NewReader(log))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		stamp, line, _ := strings.Cut(lines.Text(), " ")
		match := pattern.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		if len(match) > 1 {
			stamp = match[1]
		}
		if t, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
