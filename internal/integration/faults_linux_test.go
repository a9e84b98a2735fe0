//go:build integration

package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// soon runs f as soon as the service has a container that runs.
func (f *fixture) soon(service string, do func(id string)) *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 200 {
			time.Sleep(50 * time.Millisecond)
			list, err := f.engine.ContainerList(context.Background(), client.ContainerListOptions{
				Filters: client.Filters{}.Add("label", "com.docker.compose.project="+f.name,
					"com.docker.compose.service="+service),
			})
			if err == nil && len(list.Items) > 0 {
				do(list.Items[0].ID)
				return
			}
		}
	})
	return &wg
}

func TestIntegrationKilledWhileProbed(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  db: "+lateReady(t)+
		"    environment: {}\n  web: {<<: *slow, depends_on: {db: {condition: service_healthy}}}\n")
	killed := f.soon("db", func(id string) {
		if _, err := f.engine.ContainerKill(context.Background(), id,
			client.ContainerKillOptions{Signal: "KILL"}); err != nil {
			t.Error(err)
		}
	})
	err := f.start(context.Background())
	killed.Wait()
	wants(t, err, fault.Failed, `starting "db": killed by docker kill (exit 137: killed)`,
		"not started, as they wait for it: web")
	f.mustStart() // goes on from there
}

func TestIntegrationOutOfMemoryAtStart(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  db: {image: `+enginetest.Base(t)+
		`, mem_limit: 20m, memswap_limit: 20m, command: [tail, /dev/zero], healthcheck: {test: ["CMD", "false"], interval: 60s}}
`)
	err := f.start(context.Background())
	wants(t, err, fault.Failed, `starting "db": killed: out of memory (limit 20 MiB)`,
		"next: raise the memory limit of db")
}

// Images that can't be pulled, from a registry that lacks them and one that refuses, keep only their services from
// starting, and those that wait for them.
func TestIntegrationAnImageThatIsNowhere(t *testing.T) {
	registry := enginetest.Registry(t)
	f := newFixture(t, "compose.yaml", `services:
  web: {image: `+registry+`/it/nowhere:1}
  again: {image: `+registry+`/it/nowhere:1}
  shut: {image: "127.0.0.1:1/it/nowhere:1"}
  late: `+lateReady(t)+`
  hooked: {<<: *slow, pre_start: [{image: `+registry+`/it/nowhere:1, command: ["true"]}]}
  after: {<<: *slow, depends_on: [web]}
`)
	err := f.start(context.Background())
	wants(t, err, fault.Registry, `starting "web": pulling `+registry+"/it/nowhere:1: ",
		"not started, as they wait for it: after", `starting "again": pulling `,
		`starting "hooked": pulling `, `starting "shut": pulling 127.0.0.1:1/it/nowhere:1: `, "connection refused",
		"next: docker pull 127.0.0.1:1/it/nowhere:1")
	if late := f.all("late"); len(late) != 1 || !late[0].State.Running {
		t.Errorf("a service that needs none of the images does not run:\n%s", f.out.String())
	}
}

// What was built once and removed since is said before anything is started, and what runs of it goes on.
func TestIntegrationAnImageThatWasRemoved(t *testing.T) {
	f := newFixture(t, "compose.yaml",
		"services:\n  a: {build: .}\n  b: {image: \"it-b:${COMPOSE_PROJECT_NAME}\", build: {context: ., labels: {x: "+
			"b}}}\n").withService()
	f.mustBuild()
	f.mustStart()
	began := f.startedAt("a")
	f.removeImage("it-b:" + f.name)
	wants(t, f.start(context.Background()), fault.Config, `starting "b": not built yet`, "next: go tool mage build b")
	if !f.startedAt("a").Equal(began) {
		t.Error("a was touched")
	}
	f.mustBuild()
	f.mustStart()
}

func TestIntegrationPortsTakenAndByWhom(t *testing.T) {
	process, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	base := enginetest.Base(t)
	text := `services:
  holder: {image: ` + base + `, init: true, command: [sleep, "1000"], ports: ["` + free.Addr().String() +
		`:80"], healthcheck: {test: ["CMD", "true"]}}
  web: {image: ` + base + `, init: true, command: [sleep, "1000"], ports: ["` + process.Addr().String() +
		`:80"], depends_on: {apart: {condition: service_healthy}}}
  third: {image: ` + base + `, init: true, command: [sleep, "1000"], ports: ["` + free.Addr().String() +
		`:80"], depends_on: {holder: {condition: service_healthy}}}
  apart: {image: ` + base + `, init: true, command: [sleep, "1000"], healthcheck: {test: ["CMD", "true"]}}
`
	f := newFixture(t, "compose.yaml", text)
	err = f.start(context.Background())
	// The kernel cuts a process name to 15 letters.
	wants(t, err, fault.Resources,
		fmt.Sprintf(`starting "web": port %s/tcp is taken by integration.tes (process %d)`, process.Addr(),
			os.Getpid()),
		fmt.Sprintf(`starting "third": port %s/tcp is taken by container %s-holder-1`, free.Addr(),
			f.name), "next: docker stop "+f.name+"-holder-1")
	if !f.all("apart")[0].State.Running || !f.all("holder")[0].State.Running {
		t.Error("what had no part in it does not run")
	}
	_ = process.Close()
	f.write("compose.yaml",
		strings.ReplaceAll(text, free.Addr().String()+`:80"], depends_on`, `127.0.0.1::80"], depends_on`))
	for _, s := range []string{"web", "third"} { // nothing listens in them
		f.write("compose.yaml",
			strings.ReplaceAll(mustRead(t, f, "compose.yaml"), "  "+s+": {", "  "+s+
				": {healthcheck: {test: [\"CMD\", \"true\"]}, "))
	}
	f.mustStart()
}

func mustRead(t *testing.T, f *fixture, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A volume on a file system that is too small for what the image has there is a full disk, made on purpose.
func TestIntegrationFullDiskAtStart(t *testing.T) {
	text := `services:
  db: {image: ` + enginetest.Base(t) + `, init: true, command: [sleep, "1000"], volumes: ["small:/usr/share"]}
  web: {image: ` + enginetest.Base(t) + `, init: true, command: [sleep, "1000"], depends_on: [db]}
  apart: {image: ` + enginetest.Base(t) + `, init: true, command: [sleep, "1000"]}
volumes: {small: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=8k"}}}
`
	f := newFixture(t, "compose.yaml", text)
	wants(t, f.start(context.Background()), fault.Resources, `starting "db": `, "no space left on device",
		"wait for it: web", "next: go tool mage cleanup")
	if all := f.all("apart"); len(all) != 1 || !all[0].State.Running {
		t.Error("what had no part in it does not run")
	}
	f.write("compose.yaml", strings.ReplaceAll(text, "small", "large")[:strings.Index(text, "volumes: {small")]+
		"volumes: {large: {}}\n")
	f.mustStart()
}

// A container that was made in another checkout mounts that one's secret; Compose would keep it.
func TestIntegrationAStaleSecretIsMountedAnew(t *testing.T) {
	f := newFixture(t, "one/key", "one", "two/key", "two", "compose.yaml", "services:\n  db: "+lateReady(t)+
		"    secrets: [key]\nsecrets: {key: {file: one/key}}\n")
	f.mustStart()
	if _, err := f.engine.ContainerStop(context.Background(), f.all("db")[0].ID,
		client.ContainerStopOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(f.dir, "one"), filepath.Join(f.dir, "moved")); err != nil {
		t.Fatal(err)
	}
	f.write("compose.yaml", strings.ReplaceAll(mustRead(t, f, "compose.yaml"), "one/key", "two/key"))
	f.mustStart()
	out, err := engine.Exec(context.Background(), f.engine, f.all("db")[0].ID, []string{"cat", "/run/secrets/key"})
	if err != nil || out.Stdout != "two" {
		t.Errorf("the secret is %q, %v", out.Stdout, err)
	}
}

// Two starts at once, each with the lock that the targets take.
func TestIntegrationTwoStartsAtOnce(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  db: "+lateReady(t)+
		"  web: {<<: *slow, depends_on: {db: {condition: service_healthy}}}\n")
	project := f.load().Project
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			out := ui.New(&output{})
			release, err := state.LockProject(context.Background(), f.name, out)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if err := lifecycle.Start(context.Background(), f.engine, project,
				lifecycle.StartOptions{Out: out}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	for _, s := range []string{"db", "web"} {
		if all := f.all(s); len(all) != 1 || !all[0].State.Running {
			t.Errorf("%s has %d containers", s, len(all))
		}
	}
}

// TestIntegrationTwoNetworksOfOneName is what an engine 20.10 is left with when a killed start's request and the next
// start's meet.
func TestIntegrationTwoNetworksOfOneName(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  db: "+lateReady(t))
	f.mustStart()
	f.removeContainers()
	name := f.name + "_default"
	first, err := f.engine.NetworkInspect(context.Background(), name, client.NetworkInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.engine.NetworkCreate(context.Background(), name,
		client.NetworkCreateOptions{Driver: "bridge", Labels: first.Network.Labels})
	if err != nil {
		t.Logf("this engine makes no second one: %v", err)
	}
	f.mustStart()
	list, err := f.engine.NetworkList(context.Background(),
		client.NetworkListOptions{Filters: client.Filters{}.Add("label", "com.docker.compose.project="+f.name)})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("%d networks are left, error %v", len(list.Items), err)
	}
}
