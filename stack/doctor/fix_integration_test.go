//go:build integration

package doctor

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/stack"
)

// shop is a stack in which a restart policy is missing; %[1]s is its name, %[2]s a free port.
const shop = `name: %[1]s
services:
  web: # it answers
    image: %[1]s
    command: [serve, "80", "200", "0"]
    ports: ["127.0.0.1:%[2]s:80"]
    logging: {driver: local}
  other: {image: "%[1]s", command: [sleep], logging: {driver: local}}
`

// TestIntegrationFix has a finding of a file go by an edit, and those of containers by a restart, each proved by its
// check; a second run has nothing to do.
func TestIntegrationFix(t *testing.T) {
	file, e, name := shopOf(t)
	s, err := stack.Open(t.Context(), stack.Options{Files: []string{file}, Output: io.Discard, Errors: io.Discard})
	if err == nil {
		_, err = s.Start(t.Context(), stack.StartOptions{Timeout: 20 * time.Second})
	}
	if err != nil {
		t.Fatal(err)
	}
	before := containersOf(t, e, name)

	fixed := func(only ...string) map[string]string {
		t.Helper()
		var out strings.Builder
		r, err := Fix(t.Context(), FixOptions{
			Options: Options{Files: []string{file}}, Only: only, Yes: true, Output: &out,
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		states := map[string]string{}
		for _, f := range r.Fixes {
			states[f.ID] = f.State
		}
		return states
	}
	if got := fixed("restart.missing"); got["restart.missing"] != "done" {
		t.Errorf("got %v", got)
	}
	want := strings.Replace(fmt.Sprintf(shop, name, portOf(t, file)), "    logging: {driver: local}\n",
		"    logging: {driver: local}\n    restart: unless-stopped\n", 1)
	if text, err := os.ReadFile(file); err != nil || string(text) != want {
		t.Errorf("the file is\n%s", text)
	}
	if got := fixed("service.drift"); got["service.drift"] != "done" {
		t.Errorf("got %v", got)
	}
	after := containersOf(t, e, name)
	if after["web"] == before["web"] || after["other"] != before["other"] {
		t.Errorf("containers before %v, and after %v", before, after)
	}
	enginetest.Image(t, e, name, nil) // another image of the name
	if got := fixed("image.stale"); got["image.stale"] != "done" {
		t.Errorf("got %v", got)
	}
	if got := fixed("restart.missing", "service.drift", "image.stale"); len(got) > 0 {
		t.Errorf("a second run finds %v", got)
	}
}

// shopOf writes the stack's file, makes its image, and has all of it removed in the end.
func shopOf(t *testing.T) (file string, e *engine.Engine, name string) {
	t.Helper()
	e = enginetest.Connect(t)
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	name = fmt.Sprintf("doctor-fix-%d", time.Now().UnixNano())
	enginetest.Image(t, e, name, nil)
	free, number := port(t)
	_ = free.Close()
	file = filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, shop, name, number), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		all, _ := container.All(ctx, e, name)
		for _, c := range all {
			_, _ = e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
		}
		_, _ = e.NetworkRemove(ctx, name+"_default", client.NetworkRemoveOptions{})
		_, _ = e.ImageRemove(ctx, name, client.ImageRemoveOptions{Force: true}) // the second of the name
	})
	return file, e, name
}

// portOf gives the port in the stack's file.
func portOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "127.0.0.1:")
	number, _, _ := strings.Cut(rest, ":")
	return number
}

// containersOf gives the containers' IDs by service.
func containersOf(t *testing.T, e *engine.Engine, name string) map[string]string {
	t.Helper()
	all, err := container.Inspect(t.Context(), e, name)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for service, replicas := range all {
		out[service] = replicas[0].ID
	}
	return out
}
