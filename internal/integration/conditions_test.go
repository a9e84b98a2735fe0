//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// lateReady is a container with a shell that is ready 0.7 s after its start, which Docker would see after a minute.
func lateReady(t *testing.T) string {
	return `&slow
    image: ` + enginetest.Base(t) + `
    init: true
    stop_grace_period: 1s
    command: [sh, -c, "sleep 0.7; touch /ready; exec sleep 1000"]
    healthcheck: {test: [CMD, test, -e, /ready], interval: 60s}
`
}

// mustStart starts the fixture's project, and shows what was printed where that fails.
func (f *fixture) mustStart() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := f.start(ctx); err != nil {
		f.t.Fatalf("%v\n%s", err, f.out.String())
	}
}

// all gives the project's containers of one service.
func (f *fixture) all(service string) []container.InspectResponse {
	f.t.Helper()
	list, err := f.engine.ContainerList(context.Background(), client.ContainerListOptions{
		All: true,
		Filters: client.Filters{}.Add("label", "com.docker.compose.project="+f.name, "com.docker.compose.service="+
			service),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	var out []container.InspectResponse
	for _, c := range list.Items {
		found, err := f.engine.ContainerInspect(context.Background(), c.ID, client.ContainerInspectOptions{})
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, found.Container)
	}
	return out
}

// startedAt is when the service's only container was started last.
func (f *fixture) startedAt(service string) time.Time {
	f.t.Helper()
	all := f.all(service)
	if len(all) != 1 {
		f.t.Fatalf("%s has %d containers", service, len(all))
	}
	when, err := time.Parse(time.RFC3339Nano, all[0].State.StartedAt)
	if err != nil {
		f.t.Fatal(err)
	}
	return when
}

func TestIntegrationConditions(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  db: `+lateReady(t)+`
  early: {<<: *slow, healthcheck: {disable: true}, depends_on: [db]}
  late: {<<: *slow, healthcheck: {test: [NONE]}, depends_on: {db: {condition: service_healthy}}}
  seed: {<<: *slow, healthcheck: {disable: true}, command: [sleep, "0.5"], depends_on: {db: {condition: service_healthy}}}
  web: {<<: *slow, healthcheck: {disable: true}, scale: 2, depends_on: {seed: {condition: service_completed_successfully}}}
  opt: {<<: *slow, command: [sh, -c, "exit 7"]}
  user: {<<: *slow, depends_on: {opt: {condition: service_healthy, required: false}, absent: {condition: service_healthy, required: false}}}
  tools: {<<: *slow, profiles: [tools]}
  absent: {<<: *slow, profiles: [tools]}
`)
	err := f.start(context.Background())
	wants(t, err, fault.Failed, `starting "opt": exited (exit 7)`)
	if strings.Contains(err.Error(), "not started, as they wait for it") {
		t.Errorf("nobody has to wait for an optional dependency:\n%v", err)
	}
	db, early, late := f.startedAt("db"), f.startedAt("early"), f.startedAt("late")
	if !early.Before(late) {
		t.Errorf("early waits only for db's start, and was started %s after late, which waits until it is healthy",
			early.Sub(late))
	}
	if late.Sub(db) < 700*time.Millisecond {
		t.Errorf("late was started %s after db, which was not ready yet", late.Sub(db))
	}
	seed := f.all("seed")[0].State
	ended, _ := time.Parse(time.RFC3339Nano, seed.FinishedAt)
	web := f.all("web")
	if len(web) != 2 {
		t.Errorf("web has %d replicas", len(web))
	}
	for _, c := range web {
		if began, _ := time.Parse(time.RFC3339Nano, c.State.StartedAt); began.Before(ended) || !c.State.Running {
			t.Errorf("%s is %s, started %s, seed ended %s", c.Name, c.State.Status, began, ended)
		}
	}
	if user := f.all("user")[0].State; !user.Running {
		t.Error("user was not started without its optional dependency")
	}
	if len(f.all("tools")) != 0 {
		t.Error("a service of a profile that is not active was created")
	}
}

// restart: true restarts a dependant when what it depends on is recreated; nothing else does.
func TestIntegrationRestartOfDependants(t *testing.T) {
	text := `services:
  alone: ` + lateReady(t) + `
  db: {<<: *slow, environment: {X: "1"}}
  web: {<<: *slow, depends_on: {db: {condition: service_healthy, restart: true}}}
  other: {<<: *slow, depends_on: {db: {condition: service_healthy}}}
`
	f := newFixture(t, "compose.yaml", text)
	f.mustStart()
	db, web, other := f.startedAt("db"), f.startedAt("web"), f.startedAt("other")
	f.write("compose.yaml", strings.ReplaceAll(text, `X: "1"`, `X: "2"`))
	f.mustStart()
	if !f.startedAt("db").After(db) {
		t.Error("db was not recreated")
	}
	if again := f.startedAt("web"); !again.After(web) || again.Sub(f.startedAt("db")) < 700*time.Millisecond {
		t.Errorf("web was started at %s, db at %s", again, f.startedAt("db"))
	}
	if !f.startedAt("other").Equal(other) {
		t.Error("other was restarted, which nobody asked for")
	}
}

// A start, or restart, that takes longer than it may says how far each service is.
func TestIntegrationTimeout(t *testing.T) {
	text := "services:\n  db: " + lateReady(t) + "  web: {<<: *slow, depends_on: {db: {condition: service_healthy}}}\n"
	f := newFixture(t, "compose.yaml", strings.ReplaceAll(text, "touch /ready", "true"))
	project := f.load().Project
	err := lifecycle.Start(context.Background(), f.engine, project,
		lifecycle.StartOptions{Out: ui.New(&f.out), Timeout: 3 * time.Second})
	wants(t, err, fault.Failed, "not everything was ready within 3s", "db probing ", "(exit 1)", "web waiting for db ",
		"next: go tool mage status")
	err = lifecycle.Restart(context.Background(), f.engine, project,
		lifecycle.RestartOptions{Out: ui.New(&f.out), All: true, Timeout: 5 * time.Second})
	wants(t, err, fault.Failed, "not everything was ready again within 5s", "db probing ", "web waiting for db ")
}

// TestIntegrationEvents reads the JSON as a script would.
func TestIntegrationEvents(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  db: "+lateReady(t)+
		"\n  web: {<<: *slow, depends_on: {db: {condition: service_healthy}}}\n")
	var events bytes.Buffer
	project := f.load().Project
	err := lifecycle.Start(context.Background(), f.engine, project,
		lifecycle.StartOptions{Out: ui.New(&f.out), Events: &events})
	if err != nil {
		t.Fatal(err)
	}
	states, last := map[string]string{}, lifecycle.Event{}
	for line := range strings.Lines(events.String()) {
		last = lifecycle.Event{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if s := states[last.Service]; !strings.HasSuffix(s, last.State) {
			states[last.Service] = s + " " + last.State
		}
	}
	if states["db"] != " creating queued starting probing ready" && states["db"] != " queued starting probing ready" {
		t.Errorf("db went through%s", states["db"])
	}
	if states["web"] != " waiting queued starting probing ready" {
		t.Errorf("web went through%s", states["web"])
	}
	if last.State != "up" || len(last.Critical) != 2 || last.Critical[0].Service != "db" ||
		last.Critical[0].Seconds < 0.7 {
		t.Errorf("at the end: %+v", last)
	}
	contains(t, f.out.String(), "critical path: db ", " → web ")
}

// TestIntegrationNeverTooEarly starts services whose checks fail for a random time, and others that look, when they
// start, whether what they wait for is ready. STARTS is how many pairs are started, 30 by default.
func TestIntegrationNeverTooEarly(t *testing.T) {
	starts := 30
	if v := os.Getenv("STARTS"); v != "" {
		var err error
		if starts, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	const pairs = 5
	text := "x-s: &s {image: \"it-early:${COMPOSE_PROJECT_NAME}\", build: .}\nservices:\n"
	for i := range pairs {
		check := "[CMD, /service, -check]"
		if i < 2 { // through a shell, in the image that has one
			check = "[CMD-SHELL, \"exec /service -check\"]"
		}
		image := "<<: *s"
		if i < 2 {
			image = `image: "it-early-shell:${COMPOSE_PROJECT_NAME}", build: {context: ., dockerfile: Shell}`
		}
		text += fmt.Sprintf(`  db%d: {%s, environment: {READY_AFTER: 1200ms, RANDOM: 1}, healthcheck: {test: %s, interval: 1s, retries: 9}}
  app%d: {<<: *s, environment: {NEEDS: "http://db%d:8080/"}, depends_on: {db%d: {condition: service_healthy}}}
`, i, image, check, i, i, i)
	}
	f := newFixture(t, "compose.yaml", text).withService()
	f.write("Shell", "FROM debian:bookworm-slim\nCOPY service /service\nENTRYPOINT [\"/service\"]\n")
	f.mustBuild()
	for done := 0; done < starts; done += pairs {
		err := lifecycle.Start(context.Background(), f.engine, f.load().Project,
			lifecycle.StartOptions{Out: ui.New(&f.out)})
		if err != nil {
			t.Fatalf("after %d starts: %v", done, err)
		}
		for i := range pairs {
			app := f.all(fmt.Sprintf("app%d", i))
			if len(app) != 1 || !app[0].State.Running {
				t.Fatalf("after %d starts: app%d was started before db%d was ready", done, i, i)
			}
		}
		f.removeContainers()
	}
}
