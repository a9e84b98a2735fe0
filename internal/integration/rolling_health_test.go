//go:build integration

package integration

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/pinned"
)

// endsHealthy fails where Docker itself does not call the service's containers healthy at once, where docker compose does not find
// everything as it wants it, or where one of the two touches what runs.
func (f *fixture) endsHealthy(service string) {
	f.t.Helper()
	for _, c := range f.containers(service) {
		if h := c.State.Health; h == nil || h.Status != container.Healthy {
			f.t.Errorf("Docker's own state of %s is %+v right after the roll-out", c.Name, h)
		}
	}
	programs, err := pinned.Build(f.t.Context(), "docker-compose")
	if err != nil {
		f.t.Fatal(err)
	}
	before := f.containers("")
	up := exec.CommandContext(f.t.Context(), programs[0], "up", "-d", "--wait")
	up.Dir = f.dir
	if text, err := up.CombinedOutput(); err != nil {
		f.t.Errorf("docker compose up -d --wait: %v: %s", err, text)
	}
	if err := f.restart(f.t.Context(), "", lifecycle.RestartOptions{}); err != nil {
		f.t.Errorf("restart: %v", err)
	}
	after := f.containers("")
	if !slices.EqualFunc(before, after, func(a, b container.InspectResponse) bool {
		return a.ID == b.ID && a.State.StartedAt == b.State.StartedAt
	}) {
		f.t.Errorf("docker compose up or restart made something anew:\n%v\n%v", ids(before), ids(after))
	}
}

// ids gives each container's name, ID and time of start.
func ids(all []container.InspectResponse) []string {
	var out []string
	for _, c := range all {
		out = append(out, c.Name+" "+c.ID[:12]+" "+c.State.StartedAt)
	}
	return out
}

// TestIntegrationRollingEndsHealthy is a service at which Docker looks seldom: our own probe has passed long before.
func TestIntegrationRollingEndsHealthy(t *testing.T) {
	t.Setenv("INTERVAL", "10s")
	f := newRolled(t, rolled, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := f.restart(t.Context(), "1", lifecycle.RestartOptions{Rolling: true}); err != nil {
		t.Fatalf("%v\n%s", err, f.out.String())
	}
	f.endsHealthy("web")
	contains(t, f.out.String(), "waiting for Docker's own check of the new container (interval 10s)")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s: Docker's second check was waited for\n%s", took, f.out.String())
	}
}
