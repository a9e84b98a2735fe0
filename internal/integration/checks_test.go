//go:build integration

package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// TestIntegrationChecks has a check of each kind, each true 0.7 s after the start, and for each a service that waits
// for it. Docker would look after a minute. Nobody can wait until a service without a check is healthy.
func TestIntegrationChecks(t *testing.T) {
	waits := func(service, condition string) string {
		return "  after-" + service + ": {<<: *slow, healthcheck: {disable: true}, depends_on: {" + service +
			": {condition: " + condition + "}}}\n"
	}
	checked := []string{"cmd", "shell", "image", "user", "reads"}
	text := `services:
  cmd: ` + lateReady(t) + `
  shell: {<<: *slow, healthcheck: {test: "test -e /ready && echo fine", interval: 60s}}
  image: {image: "it-checks:${COMPOSE_PROJECT_NAME}", build: ., init: true, command: [sh, -c, "sleep 0.7; touch /ready; exec sleep 1000"]}
  user: {<<: *slow, user: "10001", read_only: true, tmpfs: [/tmp], command: [sh, -c, "sleep 0.7; touch /tmp/ready; exec sleep 1000"], healthcheck: {test: [CMD, test, -e, /tmp/ready], interval: 60s}}
  # A check that reads its input and prints without an end of line.
  reads: {<<: *slow, healthcheck: {test: [CMD-SHELL, "cat; printf half; test -e /ready"], interval: 60s}}
  none: {<<: *slow, healthcheck: {test: [NONE]}}
  disabled: {<<: *slow, healthcheck: {disable: true}}
`
	for _, name := range checked {
		text += waits(name, "service_healthy")
	}
	text += waits("none", "service_started") + waits("disabled", "service_started")
	f := newFixture(t, "compose.yaml", text,
		"Dockerfile", "FROM debian:bookworm-slim\nHEALTHCHECK --interval=60s CMD test -e /ready\n")
	f.mustBuild()
	f.mustStart()
	for _, name := range checked {
		if d := f.startedAt("after-" + name).Sub(f.startedAt(name)); d < 700*time.Millisecond {
			t.Errorf("%s was ready %s after its start", name, d)
		}
		top, err := f.engine.ContainerTop(context.Background(), f.all(name)[0].ID, client.ContainerTopOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range top.Processes {
			if strings.Contains(strings.Join(p, " "), "while read") {
				t.Errorf("the probing shell of %s is left behind: %v", name, p)
			}
		}
	}
}

// A published port is waited for where there is no check.
func TestIntegrationAPublishedPortIsAwaited(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  web: {build: ., image: "it-port:${COMPOSE_PROJECT_NAME}", environment: {LISTEN_AFTER: 1s}, ports: ["127.0.0.1::8080"]}
`).withService()
	f.mustBuild()
	f.mustStart()
	if d := time.Since(f.startedAt("web")); d < time.Second {
		t.Errorf("web was ready %s after its start, before it listened", d)
	}
}

// A check that hangs is ended inside the container, never overlaps the next, and the service is ready when it passes.
func TestIntegrationHangingChecks(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  shell:
    image: `+enginetest.Base(t)+`
    init: true
    command: [sleep, "1000"]
    healthcheck:
      test: [CMD-SHELL, '[ -e /pid ] && kill -0 $$(cat /pid) && touch /overlap; echo $$$$ > /pid; n=$$(cat /n || echo 0); echo $$((n+1)) > /n; [ $$n -ge 2 ] || sleep 2000']
      interval: 60s
      timeout: 500ms
  none: {build: ., image: "it-hang:${COMPOSE_PROJECT_NAME}", environment: {HANG: 1, READY_AFTER: 2s}, healthcheck: {test: [CMD, /service, -check], interval: 60s, timeout: 500ms}}
`).withService()
	f.mustBuild()
	f.mustStart()
	for service, mine := range map[string]string{"shell": "sleep 2000", "none": "/service -check"} {
		c := f.all(service)[0]
		// The shell of the session ends by itself, a moment after the start.
		left := f.processes(c.ID, mine)
		for deadline := time.Now().Add(5 * time.Second); len(left) > 0 && time.Now().Before(deadline); {
			time.Sleep(50 * time.Millisecond)
			left = f.processes(c.ID, mine)
		}
		if len(left) > 0 {
			t.Errorf("a check of %s is left behind: %q", service, left)
		}
		if _, err := f.engine.ContainerStatPath(context.Background(), c.ID,
			client.ContainerStatPathOptions{Path: "/overlap"}); err == nil {
			t.Errorf("checks of %s overlapped", service)
		}
	}
}

// processes gives the command lines of the container's processes that hold the text.
func (f *fixture) processes(id, text string) []string {
	f.t.Helper()
	top, err := f.engine.ContainerTop(context.Background(), id, client.ContainerTopOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	var found []string
	for _, p := range top.Processes {
		if line := strings.Join(p, " "); strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

func TestIntegrationAHangingCheckFailsInTime(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  bad: {image: `+enginetest.Base(t)+
		`, init: true, command: [sleep, "1000"], healthcheck: {test: [CMD, sleep, "2000"], interval: 2s, timeout: 1s, retries: 1}}
`)
	err := f.start(context.Background())
	wants(t, err, fault.Failed, `starting "bad": unhealthy after`, "the check gives no answer within 1s",
		"next: go tool mage logs bad")
}

// A container that its restart policy starts again while it is probed is ready when its check passes in the end.
func TestIntegrationRestartingWhileProbed(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  web:
    image: `+enginetest.Base(t)+`
    init: true
    restart: always
    command: [sh, -c, "[ -e /second ] || { sleep 0.5; touch /second; exit 3; }; sleep 0.5; touch /ready; exec sleep 1000"]
    healthcheck: {test: [CMD, test, -e, /ready], interval: 60s}
`)
	f.mustStart()
	c := f.all("web")[0]
	if !c.State.Running || c.RestartCount != 1 {
		t.Errorf("web is %s after %d restarts", c.State.Status, c.RestartCount)
	}
}
