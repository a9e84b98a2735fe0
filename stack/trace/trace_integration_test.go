//go:build integration

package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/trace/schema"
	"github.com/25eloquence/compose-mage/stack"
)

// shop is a stack of three that wait for each other; %[1]s is its name and image, %[2]s the milliseconds after which
// the second is healthy, %[3]s the exit code of its health check.
const shop = `name: %[1]s
x-probe: &probe {image: "%[1]s", stop_grace_period: 0s}
services:
  db:
    <<: *probe
    environment: {PASSWORD: hunter2secret}
    healthcheck: {test: [CMD, /probe, health, "300", "0"], interval: 5s}
  cache:
    <<: *probe
    depends_on: {db: {condition: service_healthy}}
    healthcheck: {test: [CMD, /probe, health, "%[2]s", "%[3]s", hunter2secret], interval: 1s, retries: 1}
  web:
    <<: *probe
    depends_on: {cache: {condition: service_healthy}, db: {condition: service_healthy}}
    healthcheck: {test: [CMD, /probe, health, "10", "0"], interval: 5s}
`

// opened gives the stack, and what it prints, and removes it when the test ends.
func opened(t *testing.T, text string) (*stack.Stack, *bytes.Buffer) {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	t.Setenv("CACHE_REGISTRY", "none")
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir())
	e, name := enginetest.Connect(t), fmt.Sprintf("trace-%d", time.Now().UnixNano())
	enginetest.Image(t, e, name, nil)
	file := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "%[1]s", name)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		all, err := container.All(ctx, e, name)
		if err != nil {
			t.Error(err)
		}
		for _, c := range all {
			_, _ = e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
		}
		for _, image := range []string{name + "-web", name + "-base"} {
			_, _ = e.ImageRemove(ctx, image, client.ImageRemoveOptions{Force: true})
		}
		_, _ = e.NetworkRemove(ctx, name+"_default", client.NetworkRemoveOptions{})
	})
	var out bytes.Buffer
	s, err := stack.Open(t.Context(), stack.Options{Files: []string{file}, Output: &out, Errors: &out})
	if err != nil {
		t.Fatal(err)
	}
	return s, &out
}

// read reads a trace, which must be a valid one without secrets.
func read(t *testing.T, path string) schema.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("hunter2secret")) {
		t.Error("the trace has a secret")
	}
	f, err := schema.Read(data)
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return f
}

// spans gives the events of a service as "create 12ms", those of one category.
func spans(f schema.File, service, category string) (all []schema.Event) {
	for _, e := range f.Events {
		if e.Phase == "X" && e.Args["service"] == service && slices.Contains(strings.Split(e.Category, ","), category) {
			all = append(all, e)
		}
	}
	return all
}

func otherOf(f schema.File, key string) (value string) {
	for name, v := range f.Other {
		if strings.HasPrefix(name, key) {
			value, _ = v.(string)
		}
	}
	return value
}

// The critical path of a start's trace is the one that is printed, and the services' events are in their order.
func TestIntegrationTraceOfAStart(t *testing.T) {
	s, out := opened(t, strings.NewReplacer("%[2]s", "200", "%[3]s", "0").Replace(shop))
	path := filepath.Join(t.TempDir(), "start.json")
	ctx, tr, err := Open(t.Context(), path, "start")
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Start(ctx, stack.StartOptions{})
	if err := tr.Close(err); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f := read(t, path)
	printed := otherOf(f, "critical path of start")
	if printed == "" || !strings.Contains(out.String(), "critical path: "+printed+"\n") {
		t.Errorf("the trace has the critical path %q, and this was printed:\n%s", printed, out)
	}
	var links []schema.Event
	for _, e := range f.Events {
		if e.Phase == "X" && e.Category == "critical" {
			links = append(links, e)
		}
	}
	if len(links) != 3 || len(report.Critical) != 3 {
		t.Fatalf("%d links in the trace, %d in the report", len(links), len(report.Critical))
	}
	for i, l := range report.Critical {
		if *links[i].Name != l.Service || abs(*links[i].Duration/1e6-l.Seconds) > 0.001 {
			t.Errorf("link %d is %s of %.0f µs, and %+v was printed", i, *links[i].Name, *links[i].Duration, l)
		}
	}
	for _, service := range []string{"db", "cache", "web"} {
		last := 0.0
		for _, category := range []string{"create", "start", "wait"} {
			all := spans(f, service, category)
			if len(all) != 1 || *all[0].Time < last {
				t.Errorf("%s: %d events of %s, or out of order", service, len(all), category)
				continue
			}
			last = all[0].End()
		}
		if len(spans(f, service, "probe")) == 0 || len(spans(f, service, "queue")) != 1 {
			t.Errorf("%s: no probe, or no queue", service)
		}
	}
	if len(spans(f, "web", "waiting")) != 1 {
		t.Error("web waits for nothing")
	}
	keptForThePage(t, report)
}

// keptForThePage looks for what the page shows of the start.
func keptForThePage(t *testing.T, report stack.RunReport) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(os.Getenv("COMPOSE_MAGE_STATE"), "projects", report.Project,
		"timeline-start.json"))
	var kept struct {
		Spans []struct{ Lane string }
	}
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil || len(kept.Spans) < 12 {
		t.Errorf("%v, %+v", err, kept)
	}
}

// onEvent does something with each event of a start.
type onEvent func(stack.Event)

// Write takes one event, a line of JSON.
func (do onEvent) Write(line []byte) (int, error) {
	var e stack.Event
	if err := json.Unmarshal(line, &e); err != nil {
		return 0, err
	}
	do(e)
	return len(line), nil
}

func abs(f float64) float64 { return max(f, -f) }

// The trace of a start that failed is there, and that of one that was interrupted.
func TestIntegrationTraceOfAFailure(t *testing.T) {
	s, out := opened(t, strings.NewReplacer("%[2]s", "1", "%[3]s", "1").Replace(shop))
	path := filepath.Join(t.TempDir(), "start.json")
	ctx, tr, err := Open(t.Context(), path, "start")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Start(ctx, stack.StartOptions{})
	if closed := tr.Close(err); err == nil || !errors.Is(closed, err) {
		t.Errorf("%v, then %v\n%s", err, closed, out)
	}
	f := read(t, path)
	waits := spans(f, "cache", "wait")
	if f.Other["result"] != "failed" || len(waits) != 1 || waits[0].Args["failed"] != true {
		t.Errorf("%v, %+v", f.Other, waits)
	}
	// Ctrl-C while db is waited for.
	within, cancel := context.WithCancel(t.Context())
	defer cancel()
	ctx, tr, err = Open(within, path, "restart")
	if err != nil {
		t.Fatal(err)
	}
	once := onEvent(func(e stack.Event) {
		if e.Service == "db" && e.State == "probing" {
			cancel()
		}
	})
	_, err = s.Restart(ctx, stack.RestartOptions{All: true, Events: once})
	if closed := tr.Close(err); err == nil || !errors.Is(closed, err) {
		t.Errorf("%v, then %v\n%s", err, closed, out)
	}
	if f = read(t, path); f.Other["result"] != "interrupted" || len(spans(f, "db", "stop")) == 0 {
		t.Errorf("%v\n%s", f.Other, out)
	}
}
