//go:build integration

package logerrors

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// logOf is the container's log as monitor has it.
func logOf(t *testing.T, e *engine.Engine, id string) Log {
	t.Helper()
	got, err := e.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seen := got.Container
	log := Log{
		ID: id, Driver: seen.HostConfig.LogConfig.Type, Path: seen.LogPath, Terminal: seen.Config.Tty,
		Running: seen.State.Running,
	}
	log.Started, _ = time.Parse(time.RFC3339Nano, seen.State.StartedAt)
	return log
}

// Each error that a container logs is counted once, whichever driver keeps its log and whoever reads it: in a first
// run that was before anybody read, none; in a run that ends at once, all; after that is started again, all.
func TestIntegrationErrorsAreCountedOnce(t *testing.T) {
	e, name := enginetest.Connect(t), fmt.Sprintf("it-logerrors-%d", time.Now().UnixNano())
	enginetest.Image(t, e, name+":1", nil)
	const each = 30
	for _, c := range []struct {
		driver   string
		settings map[string]string
		local    bool
		terminal bool
		source   string
	}{
		{driver: "json-file", local: true, source: sourceFile},
		// of a few lines a file: the engine turns it over while it is read
		{"json-file", map[string]string{"max-size": "4k", "max-file": "3"}, true, false, sourceFile},
		{driver: "json-file", local: true, terminal: true, source: sourceFile},
		{driver: "json-file", source: sourceEngine},
		{driver: "json-file", terminal: true, source: sourceEngine},
		{driver: "local", local: true, source: sourceEngine},
		// its files are not turned over here: engine 20.10 then repeats and loses lines, to docker logs -f as well
		{driver: "local", local: true, terminal: true, source: sourceEngine},
	} {
		t.Run(fmt.Sprintf("%s,local=%t,terminal=%t,%v", c.driver, c.local, c.terminal, c.settings), func(t *testing.T) {
			t.Parallel()
			config := &container.Config{
				Image: name + ":1", Tty: c.terminal,
				Cmd: []string{"say", "all is well\nERROR: no such order", fmt.Sprint(each), "10"},
			}
			id := enginetest.Container(t, e, name+"-"+fmt.Sprint(time.Now().UnixNano()), config,
				&container.HostConfig{LogConfig: container.LogConfig{Type: c.driver, Config: c.settings}}, true)
			ended := func() { // the program goes on after what it says
				t.Helper()
				time.Sleep(each*10*time.Millisecond + 200*time.Millisecond)
				if _, err := e.ContainerStop(t.Context(), id, client.ContainerStopOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			ended()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := NewReaders(e, c.local)
			defer r.Close()
			r.Read(ctx, []Log{logOf(t, e, id)})
			for run := range int64(2) {
				if _, err := e.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
					t.Fatal(err)
				}
				went := make(chan struct{})
				go func() { defer close(went); ended() }()
				counted := func() bool {
					r.Read(ctx, []Log{logOf(t, e, id)})
					return r.Of(id).Total >= (run+1)*each
				}
				enginetest.Until(t, 20*time.Second, fmt.Sprintf("run %d is counted: %+v", run, r.Of(id)), counted)
				<-went
				time.Sleep(200 * time.Millisecond)
				if counted(); r.Of(id).Total != (run+1)*each || r.Of(id).Source != c.source {
					t.Errorf("after run %d: %+v", run, r.Of(id))
				}
			}
		})
	}
}
