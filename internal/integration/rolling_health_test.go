//go:build integration

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/state"
)

// endsHealthy fails where Docker itself does not call the service's containers healthy at once, where docker compose
// does not find everything as it wants it, or where one of the two touches what runs.
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

// watchFreezes looks at who is frozen by us until the function that it returns is called, which says for how long
// each was.
func (f *fixture) watchFreezes() func() string {
	f.t.Helper()
	stop, ended := make(chan struct{}), make(chan struct{})
	began, last := map[string]time.Time{}, map[string]time.Time{}
	var all []time.Duration
	go func() {
		defer close(ended)
		for {
			now, held := time.Now(), f.frozenRecords()
			for _, record := range held {
				if began[record].IsZero() {
					began[record] = now
				}
				last[record] = now
			}
			for record, since := range began {
				if !slices.Contains(held, record) {
					all = append(all, last[record].Sub(since).Round(time.Millisecond))
					delete(began, record)
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() string {
		close(stop)
		<-ended
		if len(all) == 0 {
			return "never frozen"
		}
		slices.Sort(all)
		return fmt.Sprintf("frozen %d times, median %s, longest %s", len(all), all[len(all)/2], all[len(all)-1])
	}
}

// frozenRecords are the files that say who is frozen.
func (f *fixture) frozenRecords() []string {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv(state.Variable), "frozen", "*.json"))
	if err != nil {
		f.t.Error(err)
	}
	return files
}

// TestIntegrationRollingEndsHealthy is a service at which Docker looks seldom: our own probe has passed long before.
func TestIntegrationRollingEndsHealthy(t *testing.T) {
	t.Setenv("INTERVAL", "6s")
	f := newRolled(t, rolled, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := f.restart(t.Context(), "1", lifecycle.RestartOptions{Rolling: true}); err != nil {
		t.Fatalf("%v\n%s", err, f.out.String())
	}
	f.endsHealthy("web")
	contains(t, f.out.String(), "waiting for Docker's own check of the new container (interval 6s)")
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("took %s: Docker's second check was waited for\n%s", took, f.out.String())
	}
}

// TestIntegrationRollingEndsHealthyAfterPauses is the same where the container's cgroup is out of reach, so that the
// engine pauses it and calls it unhealthy until its next check.
func TestIntegrationRollingEndsHealthyAfterPauses(t *testing.T) {
	t.Setenv("INTERVAL", "6s")
	f := newRolled(t, rolled, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	elsewhere := *f.engine
	elsewhere.Host = "tcp://elsewhere:2376"
	f.engine = &elsewhere
	paused := f.watch("web", "pause")
	if err := f.restart(t.Context(), "1", lifecycle.RestartOptions{Rolling: true}); err != nil {
		t.Fatalf("%v\n%s", err, f.out.String())
	}
	f.endsHealthy("web")
	f.wants("web", 1)
	if n := len(paused()); n != 2 {
		t.Errorf("paused %d times, want 2: the test shows nothing", n)
	}
}

// TestIntegrationRollingRollsBack is a new version that passes our own probe, takes over, and fails Docker's checks.
func TestIntegrationRollingRollsBack(t *testing.T) {
	t.Setenv("INTERVAL", "4s")
	f := newRolled(t, strings.Replace(loaded, "stop_grace_period: 3s", "stop_grace_period: 5s", 1), false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	was := f.wants("web", 1)[0]
	t.Setenv("SICK_AFTER", "3500ms")
	err := f.restart(t.Context(), "1", lifecycle.RestartOptions{Rolling: true})
	if err == nil {
		t.Fatalf("a version that gets unhealthy was rolled out\n%s", f.out.String())
	}
	contains(t, f.out.String(), "has taken over", "the old one is kept until then")
	contains(t, err.Error(), `replacing "web": the new container: unhealthy after`, "sick",
		"it was removed, and the old one goes on serving")
	now := f.wants("web", 1)[0]
	if now.ID != was.ID || now.State.StartedAt != was.State.StartedAt || now.State.Health.Status != container.Healthy {
		t.Errorf("the old container is not as it was: %+v", now.State)
	}
	if e, before := now.NetworkSettings.Networks[f.name+"_default"], was.NetworkSettings.Networks[f.name+
		"_default"]; !slices.Equal(e.Aliases, before.Aliases) {
		t.Errorf("its names are %q, were %q", e.Aliases, before.Aliases)
	}
	if got := f.endLoad(); got.Failed > 0 {
		t.Errorf("%d of %d requests failed: %q", got.Failed, got.Requests, got.Errors)
	}
}
