//go:build integration

package integration

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/status"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const health = "healthcheck: {test: [CMD, /service, -check], interval: 5s, timeout: 2s, retries: 2, start_period: 2s}"

const chain = `x-s: &s {image: "it-chain:${COMPOSE_PROJECT_NAME}", build: ., environment: {READY_AFTER: 1s}, ` +
	health + `}
services:
  one: {<<: *s}
  two: {<<: *s, depends_on: {one: {condition: service_healthy}}}
  three: {<<: *s, depends_on: {two: {condition: service_healthy}}}
`

func TestIntegrationStartInOrderAndTwice(t *testing.T) {
	f := newFixture(t, "compose.yaml", chain).withService()
	f.mustBuild()
	began := time.Now()
	if err := f.start(context.Background()); err != nil {
		t.Fatalf("%v\n%s", err, f.out.String())
	}
	took := time.Since(began)
	first := f.inspect()
	at := func(service string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, first[service].Container.State.StartedAt)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	if at("two").Sub(at("one")) < time.Second || at("three").Sub(at("two")) < time.Second {
		t.Errorf("a dependant started before its dependency was ready: %s %s %s", at("one"), at("two"), at("three"))
	}
	if took > 15*time.Second { // three waits of the check's 5 s interval would be more
		t.Errorf("took %s:\n%s", took, f.out.String())
	}
	if err := f.start(context.Background()); err != nil {
		t.Fatal(err)
	}
	for name, c := range f.inspect() {
		if c.Container.ID != first[name].Container.ID ||
			c.Container.State.StartedAt != first[name].Container.State.StartedAt {
			t.Errorf("a second start touched %s", name)
		}
	}
	report, err := status.Of(context.Background(), f.engine, f.load().Project)
	if report.Print(ui.New(&f.out)); err != nil || !report.Fine {
		t.Errorf("status: %v, %v", report.Fine, err)
	}
}

func TestIntegrationStartGoesOnAfterAStop(t *testing.T) {
	f := newFixture(t, "compose.yaml", chain).withService()
	f.mustBuild()
	for range 2 {
		if err := f.start(context.Background()); err != nil {
			t.Fatalf("%v\n%s", err, f.out.String())
		}
		if err := lifecycle.Stop(context.Background(), f.engine, f.load().Project,
			lifecycle.StopOptions{Out: ui.New(&f.out)}); err != nil {
			t.Fatal(err)
		}
		for name, c := range f.inspect() {
			if c.Container.State.Running {
				t.Errorf("%s still runs", name)
			}
		}
	}
}

func TestIntegrationStartFailures(t *testing.T) {
	for name, c := range map[string]struct {
		broken string
		code   fault.Code
		want   []string
	}{
		"never healthy": {
			"environment: {NEVER: 1}, " + health, fault.Failed,
			[]string{
				`starting "bad": unhealthy after 1`, "s (exit 1: not yet)", "wait for it: after", "last lines of bad:",
				"service starts", "next: go tool mage logs bad",
			},
		},
		"exits": {
			"environment: {NEVER: 1, EXIT_CODE: 3, EXIT_AFTER: 300ms}, " + health, fault.Failed,
			[]string{`starting "bad": exited (exit 3)`, "service gives up"},
		},
		"crash loop": {
			"environment: {EXIT_CODE: 3}, restart: always, " + health, fault.Failed,
			[]string{`starting "bad": keeps exiting (exit 3)`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "compose.yaml", `services:
  bad: {image: "it-bad:${COMPOSE_PROJECT_NAME}", build: ., `+c.broken+`}
  after: {image: "it-bad:${COMPOSE_PROJECT_NAME}", depends_on: {bad: {condition: service_healthy}}}
  apart: {image: "it-bad:${COMPOSE_PROJECT_NAME}", `+health+`}
`).withService()
			f.mustBuild()
			err := f.start(context.Background())
			var typed *fault.Error
			if !errors.As(err, &typed) || typed.Code != c.code {
				t.Fatalf("got %v", err)
			}
			contains(t, err.Error(), c.want...)
			state := f.inspect()
			if state["after"].Container.State.Status != "created" {
				t.Errorf("a dependant of a broken service was started: %s", state["after"].Container.State.Status)
			}
			if !state["apart"].Container.State.Running {
				t.Error("a healthy service did not stay up")
			}
		})
	}
}

func TestIntegrationStartPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f := newFixture(t, "compose.yaml", `services: {web: {build: ., ports: ["`+taken.Addr().String()+
		`:8080"]}}`).withService()
	f.mustBuild()
	var typed *fault.Error
	if err := f.start(context.Background()); !errors.As(err, &typed) || typed.Code != fault.Resources {
		t.Fatalf("got %v", err)
	}
	_ = taken.Close()
	if err := f.start(context.Background()); err != nil {
		t.Errorf("the next start: %v", err)
	}
}

func TestIntegrationStartBeforeBuild(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services: {web: {build: .}}").withService()
	err := f.start(context.Background())
	if err == nil {
		t.Fatal("started what was never built")
	}
	contains(t, err.Error(), `starting "web": not built yet`, "next: go tool mage build web")
	if len(f.inspect()) != 0 {
		t.Error("containers were created")
	}
}

func TestIntegrationStartWithoutASecret(t *testing.T) {
	f := newFixture(t, "compose.yaml",
		"services: {web: {build: ., secrets: [key]}}\nsecrets: {key: {file: ./nowhere}}\n").withService()
	f.mustBuild()
	var typed *fault.Error
	if err := f.start(context.Background()); !errors.As(err, &typed) || typed.Code != fault.Config {
		t.Fatalf("got %v", err)
	} else {
		contains(t, err.Error(), `starting "web": secret "key": stat `, "next: put the secret into "+f.dir+"/nowhere")
	}
	if len(f.inspect()) != 0 {
		t.Error("containers were created")
	}
}

func TestIntegrationOneShotAndCancel(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  migrate: {image: "it-one:${COMPOSE_PROJECT_NAME}", build: ., environment: {EXIT_CODE: 0, EXIT_AFTER: 500ms}}
  web: {image: "it-one:${COMPOSE_PROJECT_NAME}", environment: {NEVER: 1}, depends_on: {migrate: {condition: service_completed_successfully}}, `+health+`}
`).withService()
	f.mustBuild()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	if err := f.start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	state := f.inspect()
	if s := state["migrate"].Container.State; s.Status != "exited" || s.ExitCode != 0 {
		t.Errorf("migrate is %s (%d)", s.Status, s.ExitCode)
	}
	if !state["web"].Container.State.Running {
		t.Error("web was not started after migrate completed")
	}
}
