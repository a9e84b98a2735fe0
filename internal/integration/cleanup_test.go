//go:build integration

package integration

import (
	"context"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Two Compose files of one project: a cleanup with the second used to remove the stopped container of the first one's
// service, and with it the only link to its anonymous volume.
func TestIntegrationCleanupWithAnotherFileKeepsData(t *testing.T) {
	service := "{image: " + enginetest.Base(t) + ", init: true, stop_grace_period: 1s"
	f := newFixture(t,
		"compose.yaml", "services:\n  one: "+service+
			", command: [sh, -c, '[ -e /data/f ] || head -c 100000 /dev/zero > /data/f; exec sleep 1000'], volumes: "+
			"[/data]}\n  bare: "+service+", command: [sleep, '1000']}\n",
		"other.yaml", "services:\n  two: "+service+", command: [sleep, '1000']}\n")
	ctx := context.Background()
	f.mustStart()
	before := f.all("one")[0]
	mounted := before.Mounts[0].Name
	t.Cleanup(func() { // in case its container has lost it
		f.remove()
		_, _ = f.engine.VolumeRemove(ctx, mounted, client.VolumeRemoveOptions{})
	})
	if err := lifecycle.Stop(ctx, f.engine, f.load().Project, lifecycle.StopOptions{Out: ui.New(&f.out)}); err != nil {
		t.Fatal(err)
	}
	other, err := compose.Load(ctx, compose.Request{Files: []string{f.dir + "/other.yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := cleanup.MakePlan(ctx, f.engine, other.Project, cleanup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plan.Print(ui.New(&f.out))
	if err := cleanup.Execute(ctx, f.engine, plan, ui.New(&f.out)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(f.out.String(), "it is the only link to volume "+mounted) {
		t.Errorf("the volume is not named:\n%s", f.out.String())
	}
	if len(f.all("bare")) != 0 {
		t.Error("the container without a volume is still there")
	}
	f.mustStart()
	after := f.all("one")[0]
	if after.ID != before.ID || after.Mounts[0].Name != mounted {
		t.Errorf("one was %s with volume %s, and is %s with volume %s", before.ID, mounted, after.ID,
			after.Mounts[0].Name)
	}
}
