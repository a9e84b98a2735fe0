//go:build integration

package integration

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/logstream"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/status"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// compose runs docker compose, built from its module, on the fixture's project.
func (f *fixture) compose(args ...string) string {
	f.t.Helper()
	paths, err := pinned.Build(context.Background(), "docker-compose")
	if err != nil {
		f.t.Fatal(err)
	}
	command := exec.Command(paths[0],
		append([]string{"-f", filepath.Join(f.dir, "compose.yaml"), "-p", f.name}, args...)...)
	command.Env = append(os.Environ(), "NO_COLOR=1")
	out, err := command.CombinedOutput()
	if err != nil {
		f.t.Fatalf("docker compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// quick is ready at once, and checked every second: docker compose waits for the engine's own check.
func quick(t *testing.T) string {
	return strings.NewReplacer("sleep 0.7", "echo spoken", "interval: 60s", "interval: 1s").Replace(lateReady(t))
}

func TestIntegrationComposeWorksOnWhatWeStarted(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  db: "+quick(t)+
		"  web: {<<: *slow, scale: 2, depends_on: {db: {condition: service_healthy}}}\n")
	f.mustStart()
	began := f.startedAt("db")
	contains(t, f.compose("ps"), f.name+"-db-1", f.name+"-web-1", f.name+"-web-2")
	contains(t, f.compose("logs"), "web-2", "| spoken")
	// Nothing has changed for it: it touches no container.
	f.compose("up", "-d", "--no-build")
	if !f.startedAt("db").Equal(began) || len(f.all("web")) != 2 {
		t.Error("docker compose up made the containers anew")
	}
	f.compose("down", "-t", "1")
	if left := f.inspect(); len(left) != 0 {
		t.Errorf("docker compose down left %v", left)
	}
}

func TestIntegrationWeWorkOnWhatComposeStarted(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  db: "+quick(t)+"  web: {<<: *slow, scale: 2, depends_on: [db]}\n")
	f.compose("up", "-d")
	began := f.startedAt("db")
	f.mustStart()
	if !f.startedAt("db").Equal(began) {
		t.Error("a start made the containers anew")
	}
	var printed bytes.Buffer
	report, err := status.Of(context.Background(), f.engine, f.load().Project)
	if report.Print(ui.New(&printed)); err != nil || !report.Fine {
		t.Errorf("status: %v, %v\n%s", report.Fine, err, printed.String())
	}
	contains(t, printed.String(), f.name+"-web-2")
	printed.Reset()
	if err := logstream.Print(context.Background(), f.engine, f.load().Project, &printed,
		logstream.Options{Tail: "all"}); err != nil {
		t.Error(err)
	}
	contains(t, printed.String(), "db-1 ", "web-2 ", "| spoken")
	stopping := time.Now()
	if err := lifecycle.Stop(context.Background(), f.engine, f.load().Project,
		lifecycle.StopOptions{Out: ui.New(&printed)}); err != nil {
		t.Error(err)
	}
	for name, c := range f.inspect() {
		if c.Container.State.Running {
			t.Errorf("%s still runs %s after stop", name, time.Since(stopping))
		}
	}
}
