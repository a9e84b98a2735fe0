//go:build integration

package doctor

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/stack"
)

// bad is a stack with much wrong in it; %[1]s is its name, %[2]s a port that is free, %[3]s one that is taken.
const bad = `version: "3.8"
name: %[1]s
x-compose-mage: {doctor: {ignore: {namespace.host: it measures the host, disk.layer: once it wrote, no.such: x}}}
x-probe: &probe {image: "%[1]s", restart: "no"}
services:
  web:
    image: %[1]s
    ports: ["%[2]s:5432", "127.0.0.1:%[3]s:80"]
    depends_on: [db, plain]
    environment: {DB_PASSWORD: hunter2, SAY: "${NO_SUCH_VARIABLE_HERE}"}
    command: [sleep]
    deploy: {resources: {limits: {memory: 64m}}}
  twin: {<<: *probe, command: [sleep], ports: ["%[2]s:80"], profiles: [never]}
  plain: {<<: *probe, command: [sleep], tmpfs: [/tmp]}
  db:
    <<: *probe
    command: [sleep]
    healthcheck: {test: [CMD, /probe, health, "600", "0"], interval: 500ms, timeout: 1s}
  sick:
    <<: *probe
    command: [sleep]
    healthcheck: {test: [CMD, /probe, health, "1", "1"], interval: 500ms, retries: 1}
  ended: {<<: *probe, command: [exit, "3"]}
  eats: {<<: *probe, command: [eat, "100", "300"], mem_limit: 32m}
  moved: {<<: *probe, command: [sleep], environment: {LEVEL: low, DB: "db:5432"}, networks: [aside]}
  stubborn: {<<: *probe, command: [stubborn]}
  loops: {<<: *probe, restart: always, command: [exit, "3"]}
  talks: {<<: *probe, command: [say, "write /data: no space left on device", "5", "10"]}
  opens: {<<: *probe, command: [say, "accept: too many open files", "5", "10"]}
  host:
    <<: *probe
    command: [sleep]
    privileged: true
    pid: host
    cap_add: [SYS_ADMIN]
    security_opt: ["seccomp:unconfined"]
    volumes: ["/etc:/host", "/var/run/docker.sock:/run/engine.sock"]
  built:
    <<: *probe
    command: [sleep]
    build:
      context: .
      args: {NPM_TOKEN: abc}
      dockerfile_inline: |
        FROM debian:12 as Base
        MAINTAINER me
        WORKDIR src
        ENV DB_PASSWORD x
        COPY . .
        RUN npm ci
        CMD run me
        CMD run you
volumes:
  unused: {}
networks: {default: , aside: }
`

// port gives a listener on a port of its own, and its number.
func port(t *testing.T) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, number, _ := net.SplitHostPort(l.Addr().String())
	return l, number
}

// started gives the Compose file of a project that runs, as well as it can, and removes what is left of it.
func started(t *testing.T) (file, name string) {
	t.Helper()
	e := enginetest.Connect(t)
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	name = fmt.Sprintf("doctor-%d", time.Now().UnixNano())
	enginetest.Image(t, e, name, nil)
	free, open := port(t)
	_ = free.Close()
	taken, used := port(t)
	_ = taken.Close()
	dir := t.TempDir()
	file = filepath.Join(dir, "compose.yaml")
	for path, text := range map[string]string{
		file: fmt.Sprintf(bad, name, open, used), filepath.Join(dir, "package.json"): "{}",
		filepath.Join(dir, ".env"): "A=1\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx := context.Background()
		all, _ := container.All(ctx, e, name)
		for _, c := range all {
			_, _ = e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
		}
		_, _ = e.NetworkRemove(ctx, name+"_default", client.NetworkRemoveOptions{})
		_, _ = e.NetworkRemove(ctx, name+"_aside", client.NetworkRemoveOptions{})
		_, _ = e.VolumeRemove(ctx, name+"_unused", client.VolumeRemoveOptions{Force: true})
	})
	s, err := stack.Open(t.Context(), stack.Options{Files: []string{file}, Output: io.Discard, Errors: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(t.Context(), stack.StartOptions{Timeout: 8 * time.Second}); err == nil {
		t.Error("a stack whose services end and are unhealthy has started")
	}
	enginetest.Image(t, e, name, nil) // another image of the name: what runs is of the one before
	text := strings.Replace(fmt.Sprintf(bad, name, open, used), "LEVEL: low", "LEVEL: high", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, name
}

// stopped has a container stopped that does not heed the signal, and started again. The engine forgets how that went
// soon, with so many health checks and restarts about.
func stopped(t *testing.T, name string) {
	t.Helper()
	grace := 1
	_, err := enginetest.Connect(t).ContainerRestart(t.Context(), name, client.ContainerRestartOptions{Timeout: &grace})
	if err != nil {
		t.Error(err)
	}
}

func TestIntegrationDoctorFindsWhatIsWrong(t *testing.T) {
	file, name := started(t)
	stopped(t, name+"-stubborn-1")
	wanted := []string{
		"build.copy-early", "build.secret-argument", "capability.broad", "confinement.off", "declared.unused",
		"depends.early", "file.version", "health.missing", "health.slow", "ignore.stale", "ignore.unknown",
		"context.unwanted", "image.floating", "image.stale", "lint.FromAsCasing", "lint.JSONArgsRecommended",
		"lint.LegacyKeyValueFormat",
		"lint.MaintainerDeprecated", "lint.MultipleInstructionsDisallowed", "lint.SecretsUsedInArgOrEnv",
		"lint.StageNameCasing", "lint.WorkdirRelativePath", "logs.no-space", "logs.open-files", "logs.rotation",
		"memory.killed", "mount.system", "network.apart", "port.any", "privileged.on", "restart.missing",
		"secret.written",
		"service.drift", "service.looping",
		"service.failed", "service.unhealthy", "socket.mounted", "stop.killed", "tmpfs.unbounded", "user.root",
		"variable.unset",
	}
	var missing []string
	var report Report
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		var err error
		if report, err = Examine(t.Context(), Options{Files: []string{file}}); err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, f := range report.Findings {
			found[f.ID] = true
		}
		missing = slices.DeleteFunc(slices.Clone(wanted), func(id string) bool { return found[id] })
		if len(missing) == 0 || len(missing) > 3 { // those that need time are few
			break
		}
		if slices.Contains(missing, "stop.killed") {
			stopped(t, name+"-stubborn-1")
		}
	}
	if len(missing) > 0 {
		t.Errorf("not found: %s", strings.Join(missing, ", "))
	}
	if len(report.Ignored) != 1 || report.Ignored[0].ID != "namespace.host" {
		t.Errorf("ignored: %+v", report.Ignored)
	}
	var text strings.Builder
	report.Print(&text)
	for _, say := range []string{
		"environment.LEVEL low -> high", "mem_limit: 44M of eats",
		"its processes wanted more memory than its limit allows",
		"its program ended by itself with an error",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text.String()), " "), say) {
			t.Errorf("nothing says %q", say)
		}
	}
	if strings.Contains(text.String(), "hunter2") {
		t.Error("a secret is shown")
	}
	if err := report.Err(FailOnWarning); err == nil {
		t.Error("no error with -fail-on=warning")
	}
	t.Logf("%d kinds looked for in %.1f s\n%s", report.Rules, report.Seconds, text.String())
	one, err := Examine(t.Context(), Options{Files: []string{file}, Services: []string{"db"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range one.Findings {
		if len(f.Subjects) > 0 && !slices.Equal(f.Subjects, []string{"db"}) {
			t.Errorf("of db alone: %s of %s: %s", f.ID, f.Subjects, f.Evidence)
		}
	}
}

// Files that do not load hide the project, not the engine, its disks and its builder.
func TestIntegrationDoctorWithoutAProject(t *testing.T) {
	enginetest.Connect(t)
	file := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, []byte("services: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Examine(t.Context(), Options{Files: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) == 0 || r.Findings[0].ID != "project.load" {
		t.Errorf("%+v", r.Findings)
	}
	for _, u := range r.Unseen {
		for _, id := range []string{"disk.engine", "builder.reach", "machine.memory", "engine.clock"} {
			if slices.Contains(u.IDs, id) {
				t.Errorf("%s is not looked for: %s", id, u.Why)
			}
		}
	}
}
