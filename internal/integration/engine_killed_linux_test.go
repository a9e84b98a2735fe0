//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/enginetest/current"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// engineKillsVariable says how many starts TestIntegrationEngineKilled kills each engine in; 1 by default.
const engineKillsVariable = "ENGINEKILLS"

// numberIn reads a number of kills from the environment.
func numberIn(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number of kills", variable, text)
	}
	return n
}

// crashable is a fixture on an engine of its own that can be killed.
type crashable struct {
	*fixture
	own *current.Engine
	dir string
}

// newCrashable starts the engine in a folder of its own, with the image crashed:1, which holds the probe alone.
func newCrashable(t *testing.T, o current.Options, files ...string) *crashable {
	t.Helper()
	dir, err := os.MkdirTemp("", "killed")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o.Dir = dir
	own, err := current.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		own.Kill() // nothing in it is worth an orderly end
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("DOCKER_HOST", own.Host)
	c := &crashable{newFixture(t, files...), own, dir}
	enginetest.Image(t, c.engine, "crashed:1", nil)
	return c
}

// crash kills the engine.
func (c *crashable) crash() {
	c.t.Helper()
	if err := c.own.Crash(); err != nil {
		c.t.Fatal(err)
	}
}

// recover starts it again.
func (c *crashable) recover() {
	c.t.Helper()
	if err := c.own.Recover(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.engine = enginetest.Connect(c.t)
}

// shims are the containers' IDs of the engine's shims, with or without the engine's knowledge.
func (c *crashable) shims() []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var ids []string
	for _, file := range files {
		text, _ := os.ReadFile(file)
		words := strings.Split(string(text), "\x00")
		if i := slices.Index(words, "-id"); i > 0 && strings.Contains(string(text), c.dir) &&
			strings.Contains(words[0], "containerd-shim") {
			ids = append(ids, words[i+1])
		}
	}
	slices.Sort(ids)
	return ids
}

// programs counts the shims that keep a program; one that was cut off before it had one is idle, until the next start.
func (c *crashable) programs() int {
	n := 0
	for _, id := range c.shims() {
		shims, _ := exec.Command("pgrep", "-f", "containerd-shim.* -id "+id).Output()
		for _, pid := range strings.Fields(string(shims)) {
			if exec.Command("pgrep", "-P", pid).Run() == nil {
				n++
			}
		}
	}
	return n
}

// volumes are the volumes without a name of each service's container.
func (c *crashable) volumes() map[string]string {
	out := map[string]string{}
	for service, found := range c.inspect() {
		for _, m := range found.Container.Mounts {
			out[service] = m.Name
		}
	}
	return out
}

const crashedProject = `services:
  db: &probe
    image: crashed:1
    stop_grace_period: 1s
    healthcheck: {test: [CMD, /probe, health, "200", "0"], interval: 60s}
    volumes: [/data]
  web: {<<: *probe, depends_on: {db: {condition: service_healthy}}}
  a: {<<: *probe, environment: {X: $X}}
`

// TestIntegrationEngineKilled kills an engine (SIGKILL) at moments all over a start, of containers that are made and
// of ones that are there. What the engine had started runs on and it knows of it, or not. The next start ends
// healthy, with one program a container and the same volumes, and the one that was cut short says that the engine
// went away.
func TestIntegrationEngineKilled(t *testing.T) {
	kills := numberIn(t, engineKillsVariable, 1)
	for _, engine := range []struct {
		name         string
		distribution bool
	}{{"distribution", true}, {"current", false}} {
		t.Run(engine.name, func(t *testing.T) {
			c := newCrashable(t, current.Options{Distribution: engine.distribution}, "compose.yaml", crashedProject)
			left := 0
			for n := range kills {
				left += c.killInStart(n)
			}
			c.startsOverATrace()
			t.Logf("%d kills, of which %d left something that the engine did not know of", kills, left)
		})
	}
}

// killInStart kills the engine in a start and checks the next one. It says whether that had something to end first.
func (c *crashable) killInStart(n int) int {
	t := c.t
	t.Helper()
	switch n % 3 { // else all that runs is kept, which is as the engine leaves it
	case 0:
		c.removeContainers()
	case 1:
		c.stopContainers()
	}
	t.Setenv("X", strconv.Itoa(n)) // one is made anew
	ended := make(chan error, 1)
	before := len(c.shims())
	go func() { ended <- fault.Exit(context.Background(), c.start(context.Background())) }()
	what := ""
	if n%2 == 0 { // when a container has just been started
		for deadline := time.Now().Add(3 * time.Second); len(c.shims()) <= before &&
			time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		}
		after := time.Duration(n%8) * rand.N(20*time.Millisecond) // the first at once
		time.Sleep(after)
		what = fmt.Sprintf("kill %d, %s after the first program", n, after)
	} else {
		after := rand.N(1500 * time.Millisecond)
		time.Sleep(after)
		what = fmt.Sprintf("kill %d, %s after the start", n, after)
	}
	c.crash()
	var typed *fault.Error
	if err := <-ended; err != nil &&
		(!errors.As(err, &typed) || typed.Code != fault.Engine || !strings.Contains(err.Error(), "next: ")) {
		t.Errorf("%s: the start that was cut short ends with %v", what, err)
	}
	c.recover()
	volumes := c.volumes()
	c.out.Reset()
	if n%4 == 3 { // a stop leaves none of it either
		o := lifecycle.StopOptions{Out: ui.New(&c.out)}
		err := lifecycle.Stop(context.Background(), c.engine, c.load().Project, o)
		if programs := c.programs(); err != nil || programs > 0 {
			t.Errorf("%s: then a stop leaves %d programs running, and says %v\n%s", what, programs, err, c.out.String())
		}
	}
	if err := c.start(context.Background()); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, c.out.String())
	}
	var running []string
	for _, service := range []string{"a", "db", "web"} {
		all := c.all(service)
		if len(all) != 1 || !all[0].State.Running {
			t.Fatalf("%s: %s has %d containers", what, service, len(all))
		}
		running = append(running, all[0].ID)
	}
	slices.Sort(running)
	if programs := c.shims(); !slices.Equal(running, programs) {
		t.Errorf("%s: the containers %v run, and programs of %v\n%s", what, running, programs, c.out.String())
	}
	for service, volume := range c.volumes() {
		if was := volumes[service]; was != "" && volume != was {
			t.Errorf("%s: %s has another volume", what, service)
		}
	}
	return strings.Count(c.out.String(), "had left running")
}

// startsOverATrace starts a container under whose ID the runtime still has a folder, of which no process is left: it
// is made anew, with the volume that it had.
func (c *crashable) startsOverATrace() {
	c.t.Helper()
	c.stopContainers()
	was, volume := c.all("db")[0].ID, c.volumes()["db"]
	bundles, err := filepath.Glob(filepath.Join(c.dir, "exec/containerd/daemon/*.task"))
	if err != nil || len(bundles) == 0 {
		c.t.Fatalf("no containerd keeps its tasks in %s: %v", c.dir, err)
	}
	for _, dir := range bundles {
		if err := os.MkdirAll(filepath.Join(dir, "moby", was, "x"), 0o700); err != nil {
			c.t.Fatal(err)
		}
	}
	c.mustStart()
	if now := c.all("db"); len(now) != 1 || !now[0].State.Running || now[0].ID == was || c.volumes()["db"] != volume {
		c.t.Errorf("the container %s with volume %s became %d, %s with volume %s", was, volume, len(now), now[0].ID,
			c.volumes()["db"])
	}
}

// stopContainers stops the project's containers at once and leaves them there.
func (f *fixture) stopContainers() {
	f.t.Helper()
	for _, found := range f.inspect() {
		if _, err := f.engine.ContainerKill(context.Background(), found.Container.ID,
			client.ContainerKillOptions{}); err != nil && found.Container.State.Running {
			f.t.Fatal(err)
		}
	}
}
