//go:build integration

package integration

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// TestIntegrationHooks runs a service's hooks as docker compose does: before its start, after it, and before its end.
func TestIntegrationHooks(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  app:
    image: `+enginetest.Base(t)+`
    init: true
    stop_grace_period: 1s
    command: [sh, -c, "echo main >>/log/hooks; exec sleep 1000"]
    volumes: ["./log:/log"]
    pre_start: [{command: [sh, -c, "echo before the start >>/log/hooks"]}]
    post_start: [{command: [sh, -c, "until grep -q main /log/hooks; do sleep 0.02; done; echo after the start >>/log/hooks"]}]
    pre_stop: [{command: [sh, -c, "echo before the end >>/log/hooks"]}]
`)
	f.write("log/hooks", "")
	expect := func(what string, want ...string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(f.dir, "log", "hooks"))
		if got := strings.Split(strings.TrimSpace(string(text)), "\n"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: the hooks ran as %q, %v; want %q", what, got, err, want)
		}
	}
	f.mustStart()
	first := []string{"before the start", "main", "after the start"}
	expect("a start", first...)
	f.mustStart()
	expect("a second start", first...)
	if err := lifecycle.Stop(context.Background(), f.engine, f.load().Project,
		lifecycle.StopOptions{Out: ui.New(&f.out)}); err != nil {
		t.Fatal(err)
	}
	stopped := append(slices.Clone(first), "before the end")
	expect("a stop", stopped...)
	f.mustStart()
	expect("a start after it", append(stopped, first...)...)
}
