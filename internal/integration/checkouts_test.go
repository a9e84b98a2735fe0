//go:build integration

package integration

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/status"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// TestIntegrationTwoCheckoutsOfOneName has two folders whose projects have one name. Neither touches the other's
// containers, unless it is told to; a link to a folder, and a folder that was moved, are no other one.
func TestIntegrationTwoCheckoutsOfOneName(t *testing.T) {
	const text = "services:\n  db: {image: \"IMAGE\", volumes: [/data], stop_grace_period: 1s}\n"
	f := newFixture(t, "one/keep", "", "two/keep", "")
	image := "it-checkouts:" + f.name
	enginetest.Image(t, f.engine, image, nil)
	t.Cleanup(f.removeContainers) // before their image
	home := f.dir
	in := func(folder string) *fixture {
		return &fixture{t: t, dir: filepath.Join(home, folder), name: f.name, engine: f.engine}
	}
	one, two := in("one"), in("two")
	for _, c := range []*fixture{one, two} {
		c.write("compose.yaml", strings.ReplaceAll(text, "IMAGE", image))
	}
	one.mustStart()
	was := one.all("db")[0]
	refusesOthers(two, one.dir)
	var printed output
	var exit *exec.ExitError
	if err := two.mage("compose.yaml", &printed, "cleanup").Run(); !errors.As(err, &exit) ||
		exit.ExitCode() != int(fault.Config) {
		t.Errorf("cleanup ends with %v:\n%s", err, printed.String())
	}
	contains(t, printed.String(), one.dir, "go tool mage cleanup -take-over")
	if now := one.all("db"); len(now) != 1 || now[0].ID != was.ID || now[0].State.StartedAt != was.State.StartedAt ||
		!now[0].State.Running {
		t.Fatal("the other checkout's container was touched")
	}
	report, err := status.Of(t.Context(), f.engine, two.load().Project)
	if err != nil || len(report.Checkouts) != 1 || report.Checkouts[0].Folder != one.dir {
		t.Errorf("status knows of %+v, %v", report.Checkouts, err)
	}

	if err := os.Symlink(one.dir, filepath.Join(home, "link")); err != nil {
		t.Fatal(err)
	}
	linked := in("link")
	linked.mustStart()
	one.mustStart()

	o := lifecycle.StartOptions{Out: ui.New(&two.out), TakeOver: true}
	if err := lifecycle.Start(t.Context(), f.engine, two.load().Project, o); err != nil {
		t.Fatal(err)
	}
	contains(t, two.out.String(), "db is recreated: another checkout made it, "+one.dir)
	now := two.all("db")
	if len(now) != 1 || now[0].ID == was.ID || now[0].Mounts[0].Name != was.Mounts[0].Name {
		t.Fatalf("taken over: %d containers, the first with volume %s, was %s", len(now), now[0].Mounts[0].Name,
			was.Mounts[0].Name)
	}
	two.mustStart() // it is this one's now
	refusesOthers(one, two.dir)

	if err := os.Rename(two.dir, filepath.Join(home, "moved")); err != nil {
		t.Fatal(err)
	}
	in("moved").mustStart()
	one.mustStart() // nobody is at the old place to ask
}

// refusesOthers runs what would touch the project's containers, which are those of the folder.
func refusesOthers(c *fixture, folder string) {
	c.t.Helper()
	project, out := c.load().Project, ui.New(&c.out)
	ctx := context.Background()
	for target, err := range map[string]error{
		"start": lifecycle.Start(ctx, c.engine, project,
			lifecycle.StartOptions{Out: out, Orphans: orphan.Policy{Remove: true}}),
		"restart": lifecycle.Restart(ctx, c.engine, project, lifecycle.RestartOptions{Out: out, All: true}),
		"stop":    lifecycle.Stop(ctx, c.engine, project, lifecycle.StopOptions{Out: out}),
	} {
		wants(c.t, err, fault.Config, folder, "COMPOSE_PROJECT_NAME=", "go tool mage "+target+" -take-over", "next: ")
	}
}
