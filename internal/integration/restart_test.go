//go:build integration

package integration

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/compose/v5/pkg/compose"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
)

// ids are the containers' and when they started, by service; replicas in order.
func (f *fixture) ids() map[string][]string {
	out := map[string][]string{}
	for _, c := range f.containers("") {
		service := c.Config.Labels[api.ServiceLabel]
		out[service] = append(out[service], c.ID[:12]+" since "+c.State.StartedAt)
	}
	return out
}

func TestIntegrationRestartOnlyWhatChanged(t *testing.T) {
	f := newRolled(t, rolled, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect := func(what string, touched ...string) {
		t.Helper()
		before := f.ids()
		if err := f.restart(t.Context(), "", lifecycle.RestartOptions{}); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, f.out.String())
		}
		for service, now := range f.ids() {
			if changed := !slices.Equal(before[service], now); changed != slices.Contains(touched, service) {
				t.Errorf("%s: touched %s: %v\n%s", what, service, changed, f.out.String())
			}
		}
		f.wants("db", 1)
		f.wants("web", 1)
	}
	expect("nothing changed")
	contains(t, f.out.String(), "nothing changed in db, web; -all restarts all the same")
	t.Setenv("VERSION", "2")
	expect("configuration", "web")
	expect("after that, nothing")
	f.write("web.Dockerfile", "FROM scratch\nCOPY traffic /traffic\nUSER 10001\nENV OTHER=1\n")
	f.mustBuild()
	expect("image", "web")
	if _, err := f.engine.ContainerKill(t.Context(), f.containers("db")[0].ID,
		client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		t.Fatal(err)
	}
	for f.containers("db")[0].State.Running {
		time.Sleep(20 * time.Millisecond)
	}
	expect("what does not run", "db")
}

func TestIntegrationRestartNamedAndAll(t *testing.T) {
	f := newRolled(t, rolled+"    volumes: [data:/data]\nvolumes: {data: {}}\n", false)
	t.Cleanup(func() {
		f.removeContainers() // a volume in use stays
		_, _ = f.engine.VolumeRemove(context.Background(), f.name+"_data", client.VolumeRemoveOptions{Force: true})
	})
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	volume, err := f.engine.VolumeInspect(t.Context(), f.name+"_data", client.VolumeInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := f.ids()
	if err := f.restart(t.Context(), "", lifecycle.RestartOptions{Services: []string{"db"}}); err != nil {
		t.Fatal(err)
	}
	now := f.ids()
	if slices.Equal(before["db"], now["db"]) || !slices.Equal(before["web"], now["web"]) {
		t.Errorf("restart db: before %v, after %v", before, now)
	}
	if err := f.restart(t.Context(), "", lifecycle.RestartOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	for service, was := range now {
		if again := f.ids()[service]; slices.Equal(was, again) || again[0][:12] != was[0][:12] {
			t.Errorf("restart -all: %s was %v, is %v; want the same container, started anew", service, was, again)
		}
	}
	if again, err := f.engine.VolumeInspect(t.Context(), f.name+"_data", client.VolumeInspectOptions{}); err != nil ||
		again.Volume.CreatedAt != volume.Volume.CreatedAt {
		t.Errorf("the volume is not the same: %v, %v", again, err)
	}
	err = f.restart(t.Context(), "", lifecycle.RestartOptions{Services: []string{"dbb"}})
	var typed *fault.Error
	if !errors.As(err, &typed) || typed.Code != fault.Usage {
		t.Errorf("an unknown service: %v", err)
	}
}

// TestIntegrationRestartOfAllWithoutADependency has one that never gets ready again: its dependants, which are down
// by then, are named, and a start brings everything up once it is repaired.
func TestIntegrationRestartOfAllWithoutADependency(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  db:
    image: `+enginetest.Base(t)+`
    init: true
    stop_grace_period: 1s
    command: [sh, -c, "rm -f /ready; test -e /broken || touch /ready; exec sleep 1000"]
    healthcheck: {test: [CMD-SHELL, "test -e /ready || { echo no data; exit 1; }"], interval: 1s, retries: 2}
  web: {image: `+enginetest.Base(t)+
		`, init: true, stop_grace_period: 1s, command: [sleep, "1000"], depends_on: {db: {condition: service_healthy}}}
`)
	f.mustStart()
	db := f.containers("db")[0].ID
	run := func(command ...string) {
		t.Helper()
		if done, err := engine.Exec(t.Context(), f.engine, db, command); err != nil || done.Code != 0 {
			t.Fatalf("%v: %v, %+v", command, err, done)
		}
	}
	run("touch", "/broken")
	err := f.restart(t.Context(), "", lifecycle.RestartOptions{All: true})
	wants(t, err, fault.Failed, `starting "db": unhealthy`, "no data", "not restarted, as they wait for it: web",
		"next: go tool mage logs db")
	run("rm", "/broken")
	if _, err := f.engine.ContainerStop(t.Context(), db, client.ContainerStopOptions{}); err != nil {
		t.Fatal(err)
	}
	f.mustStart()
	for _, c := range f.containers("") {
		if !c.State.Running {
			t.Errorf("%s is %s after the next start", c.Name, c.State.Status)
		}
	}
}

// TestIntegrationRestartReplicasOneAtATime looks at the engine's events: of three replicas two run at any time.
func TestIntegrationRestartReplicasOneAtATime(t *testing.T) {
	t.Setenv("SCALE", "3")
	f := newRolled(t, rolled, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"", "2"} {
		var o lifecycle.RestartOptions
		if version == "" {
			o.Services = []string{"web"}
		}
		before := f.ids()["web"]
		seen := f.watch("web", "start", "die")
		if err := f.restart(t.Context(), version, o); err != nil {
			t.Fatalf("%v\n%s", err, f.out.String())
		}
		f.wants("web", 3)
		for _, now := range f.ids()["web"] {
			if slices.Contains(before, now) {
				t.Errorf("version %q: replica %s was not restarted", version, now)
			}
		}
		if fewest := fewestRunning(3, seen()); fewest != 2 {
			t.Errorf("version %q: at some time %d replicas ran", version, fewest)
		}
	}
}

// fewestRunning replays the engine's events of a service, "start" and "die", from a time at which n of its containers
// ran.
func fewestRunning(n int, seen []events.Message) int {
	fewest := n
	for _, e := range seen {
		if e.Action == "start" {
			n++
		} else {
			n--
		}
		fewest = min(fewest, n)
	}
	return fewest
}

// watch gives a function that ends it and gives what happened to the service's containers meanwhile, oldest first. It
// has to listen: the engine keeps its last 256 events only, probes' and other tests' among them.
func (f *fixture) watch(service string, actions ...string) func() []events.Message {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	found := f.engine.Events(ctx, client.EventsListOptions{
		Since: time.Now().Format(time.RFC3339Nano),
		Filters: client.Filters{}.Add("label", api.ProjectLabel+"="+f.name, api.ServiceLabel+"="+service).Add("event",
			actions...),
	})
	var all []events.Message
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case e := <-found.Messages:
				all = append(all, e)
			case err := <-found.Err:
				if ctx.Err() == nil {
					f.t.Errorf("listening to the engine: %v", err)
				}
				return
			}
		}
	}()
	return func() []events.Message {
		time.Sleep(300 * time.Millisecond) // the last ones are under way
		cancel()
		<-ended
		return all
	}
}

// TestIntegrationRollingReplicas also shows that Compose's own commands know what was rolled out.
func TestIntegrationRollingReplicas(t *testing.T) {
	t.Setenv("SCALE", "2")
	f := newRolled(t, rolled, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := f.ids()["web"]
	seen := f.watch("web", "start", "die")
	if err := f.restart(t.Context(), "2", lifecycle.RestartOptions{Rolling: true}); err != nil {
		t.Fatalf("%v\n%s", err, f.out.String())
	}
	f.wants("web", 2)
	if now := f.ids()["web"]; slices.ContainsFunc(now, func(s string) bool { return slices.Contains(before, s) }) {
		t.Errorf("before %v, after %v", before, now)
	}
	if fewest := fewestRunning(2, seen()); fewest != 2 {
		t.Errorf("at some time %d replicas ran", fewest)
	}
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	service, err := compose.NewComposeService(f.engine.CLI)
	if err != nil {
		t.Fatal(err)
	}
	list, err := service.Ps(t.Context(), f.name, api.PsOptions{Project: f.load().Project})
	if err != nil || len(list) != 3 {
		t.Errorf("compose ps lists %d containers, want 3: %v", len(list), err)
	}
	if err := service.Down(t.Context(), f.name, api.DownOptions{Project: f.load().Project}); err != nil {
		t.Fatal(err)
	}
	if left := f.containers(""); len(left) > 0 {
		t.Errorf("compose down left %d containers", len(left))
	}
}

func TestIntegrationRollingIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	f := newRolled(t, rolled+
		"    ports: [\"127.0.0.1::8080\"]\n  fixed: {image: \"it-db:${COMPOSE_PROJECT_NAME}\", command: [/traffic, "+
		"serve, ], container_name: \"${COMPOSE_PROJECT_NAME}-mine\", volumes: [\"./:/src\"], environment: {VERSION: "+
		"\"${VERSION-}\"}}\n", false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := f.ids()
	err := f.restart(t.Context(), "2", lifecycle.RestartOptions{Rolling: true})
	var typed *fault.Error
	if !errors.As(err, &typed) || typed.Code != fault.Config {
		t.Fatalf("got %v", err)
	}
	contains(t, err.Error(), `"fixed" can't be replaced without down-time; nothing was touched`, "container_name",
		"(mounted at /src)", "next: go tool mage restart fixed")
	if strings.Contains(err.Error(), `"web"`) {
		t.Errorf("web can be replaced: %v", err)
	}
	for service, now := range f.ids() {
		if !slices.Equal(before[service], now) {
			t.Errorf("%s was touched", service)
		}
	}
}

// TestIntegrationRollingKeepsTheAddress: before version 29 an engine gives the lowest free address of a network, so
// with several free below the container's own it would lose its address, and its connections, when it is taken out of
// DNS.
func TestIntegrationRollingKeepsTheAddress(t *testing.T) {
	f := newRolled(t, strings.Replace(rolled, "depends_on: [db]", "depends_on: [db, filler]", 1)+
		"  filler: {image: \"it-db:${COMPOSE_PROJECT_NAME}\", command: [/traffic, serve], scale: 3}\n", false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range f.containers("filler") {
		if _, err := f.engine.ContainerStop(t.Context(), c.ID, client.ContainerStopOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	before := f.ids()["web"]
	web := lifecycle.RestartOptions{Services: []string{"web"}, Rolling: true}
	err := f.restart(t.Context(), "2", web)
	if old := versions.LessThan(f.engine.ClientVersion(), "1.52"); old != (err != nil) {
		t.Fatalf("engine %s: %v", f.engine.Info.ServerVersion, err)
	} else if old {
		contains(t, err.Error(), "its open connections would break", "restart the service once without -rolling")
		if now := f.ids()["web"]; !slices.Equal(before, now) {
			t.Errorf("web was touched")
		}
		if err := f.restart(t.Context(), "2", lifecycle.RestartOptions{Services: []string{"web"}}); err != nil {
			t.Fatal(err)
		}
		if err := f.restart(t.Context(), "3", web); err != nil {
			t.Fatalf("after a restart without -rolling: %v", err)
		}
	}
	f.wants("web", 1)
}
