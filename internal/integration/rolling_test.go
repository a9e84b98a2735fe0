//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// rolloutsVariable says how many roll-outs TestIntegrationRollingUnderLoad makes; 1 by default.
const rolloutsVariable = "ROLLOUTS"

// rolled is a service "web" that asks "db" over a new connection for each request; VERSION makes its configuration
// another, and Docker itself looks at it every INTERVAL.
const rolled = `services:
  db: {image: "it-db:${COMPOSE_PROJECT_NAME}", build: ., command: [/traffic, serve]}
  web:
    image: "it-web:${COMPOSE_PROJECT_NAME}"
    build: {context: ., dockerfile: web.Dockerfile}
    command: [/traffic, serve]
    environment: {BACKEND: "http://db:8080/", READY_AFTER: 500ms, VERSION: "${VERSION-}", SICK_AFTER: "${SICK_AFTER-}"}
    healthcheck: {test: [CMD, /traffic, check], interval: "${INTERVAL-1s}", timeout: 3s, retries: 2}
    stop_grace_period: 3s
    scale: ${SCALE-1}
    depends_on: [db]
`

// loaded adds a load of 250 requests/s on the service's name.
const loaded = rolled + `  load:
    image: "it-db:${COMPOSE_PROJECT_NAME}"
    command: [/traffic, load, "http://web:8080/", "250"]
    depends_on: {web: {condition: service_healthy}}
`

var trafficBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("integration-traffic-%d", os.Getpid()))
	command := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "./testdata/traffic")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// newRolled is a stack with the traffic program as its services, built but not started, on a current engine or the
// machine's own.
func newRolled(t *testing.T, compose string, current bool) *fixture {
	t.Helper()
	var e *engine.Engine
	if current {
		e = enginetest.Current(t, registry(t)) // first, for it is to stop last
	}
	f := newFixture(t, "compose.yaml", compose,
		"Dockerfile", "FROM scratch\nCOPY traffic /traffic\nUSER 10001\n", "web.Dockerfile",
		"FROM scratch\nCOPY traffic /traffic\nUSER 10001\n")
	if current {
		f.engine = e
		f.with = func(o *image.Options) {
			b, err := builder.ConnectEngine(context.Background(), e)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			o.Builders = []*builder.Builder{b}
		}
	}
	t.Setenv(state.Variable, t.TempDir())
	t.Cleanup(f.removeContainers)
	path, err := trafficBinary()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "traffic"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	f.mustBuild()
	return f
}

// containers are the service's, or all, by name.
func (f *fixture) containers(service string) []container.InspectResponse {
	f.t.Helper()
	list, err := f.engine.ContainerList(context.Background(), client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", "com.docker.compose.project="+f.name),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	var out []container.InspectResponse
	for _, c := range list.Items {
		if service != "" && c.Labels["com.docker.compose.service"] != service {
			continue
		}
		found, err := f.engine.ContainerInspect(context.Background(), c.ID, client.ContainerInspectOptions{})
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, found.Container)
	}
	slices.SortFunc(out, func(a, b container.InspectResponse) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// restart restarts; a version other than "" changes the configuration of web.
func (f *fixture) restart(ctx context.Context, version string, o lifecycle.RestartOptions) error {
	f.t.Helper()
	if version != "" {
		f.t.Setenv("VERSION", version)
	}
	o.Out = ui.New(&f.out)
	return lifecycle.Restart(ctx, f.engine, f.load().Project, o)
}

// wants fails where the service's containers are not those that Compose would have made: n, running, named and
// numbered from 1, under the service's name in the network.
func (f *fixture) wants(service string, n int) []container.InspectResponse {
	f.t.Helper()
	all := f.containers(service)
	if len(all) != n {
		f.t.Fatalf("%d containers of %s, want %d:\n%s", len(all), service, n, f.out.String())
	}
	for i, c := range all {
		if want := fmt.Sprintf("/%s-%s-%d", f.name, service, i+1); c.Name != want {
			f.t.Errorf("a container is named %s, want %s", c.Name, want)
		}
		if got := c.Config.Labels["com.docker.compose.container-number"]; got != strconv.Itoa(i+1) {
			f.t.Errorf("%s has number %s", c.Name, got)
		}
		if !c.State.Running || c.State.Paused {
			f.t.Errorf("%s is %s", c.Name, c.State.Status)
		}
		if e := c.NetworkSettings.Networks[f.name+"_default"]; e == nil || !slices.Contains(e.Aliases, service) {
			f.t.Errorf("%s is not in DNS as %s: %+v", c.Name, service, e)
		}
	}
	return all
}

// traffic is what the load's container counted.
type traffic struct {
	Requests, Failed, Slow int
	Slowest                time.Duration
	Errors                 []string
}

// endLoad stops the load and says what came of it.
func (f *fixture) endLoad() traffic {
	f.t.Helper()
	load := f.wants("load", 1)[0]
	wait := 10 // seconds: its last requests take two
	if _, err := f.engine.ContainerStop(context.Background(), load.ID,
		client.ContainerStopOptions{Timeout: &wait}); err != nil {
		f.t.Fatal(err)
	}
	logs, err := f.engine.ContainerLogs(context.Background(), load.ID,
		client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		f.t.Fatal(err)
	}
	defer logs.Close()
	read, write := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(write, write, logs)
		_ = write.CloseWithError(err)
	}()
	text, err := io.ReadAll(read)
	if err != nil {
		f.t.Fatal(err)
	}
	var t traffic
	if err := json.Unmarshal(text, &t); err != nil {
		f.t.Fatalf("%v: %s", err, text)
	}
	return t
}

// underLoad rolls out new configurations and a broken image while the service is asked all the time.
func underLoad(t *testing.T, current bool) {
	rollouts := 1
	if text := os.Getenv(rolloutsVariable); text != "" {
		var err error
		if rollouts, err = strconv.Atoi(text); err != nil || rollouts < 1 {
			t.Fatalf("%s=%q is no number of roll-outs", rolloutsVariable, text)
		}
	}
	t.Setenv("INTERVAL", "8s") // longer than a roll-out takes otherwise
	f := newRolled(t, loaded, current)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := f.containers("")
	began, frozen, paused := time.Now(), f.watchFreezes(), f.watch("web", "pause")
	for n := range rollouts {
		was := f.wants("web", 1)[0].ID
		if err := f.restart(t.Context(), strconv.Itoa(n), lifecycle.RestartOptions{Rolling: true}); err != nil {
			t.Fatalf("roll-out %d: %v\n%s", n, err, f.out.String())
		}
		if f.wants("web", 1)[0].ID == was {
			t.Fatalf("roll-out %d did not replace the container:\n%s", n, f.out.String())
		}
		f.endsHealthy("web")
	}
	served := f.wants("web", 1)[0]
	f.write("web.Dockerfile", "FROM scratch\nCOPY traffic /traffic\nUSER 10001\nENV NEVER=1\n")
	f.mustBuild()
	err := f.restart(t.Context(), "", lifecycle.RestartOptions{Rolling: true})
	if err == nil {
		t.Fatal("a broken image was rolled out")
	}
	contains(t, err.Error(), `replacing "web": the new container: unhealthy after`, "not yet",
		"it was removed, and the old one goes on serving", "next: go tool mage restart -rolling web")
	if now := f.wants("web", 1)[0]; now.ID != served.ID || now.State.StartedAt != served.State.StartedAt {
		t.Error("the broken image touched the container that serves")
	}
	took := time.Since(began)
	got, pauses := f.endLoad(), len(paused())
	t.Logf("engine %s: %d roll-outs and a broken one in %s: %d requests, %d failed, slowest %s, %d slower than "+
		"500ms; %s; paused %d times",
		f.engine.Info.ServerVersion, rollouts, took.Round(time.Second), got.Requests, got.Failed, got.Slowest, got.Slow,
		frozen(), pauses)
	if pauses > 0 && os.Geteuid() == 0 {
		t.Errorf("the engine was asked to pause %d times", pauses)
	}
	if got.Failed > 0 || float64(got.Requests) < 200*took.Seconds() {
		t.Errorf("%d of %d requests failed in %s: %q", got.Failed, got.Requests, took, got.Errors)
	}
	for _, c := range f.containers("") {
		if service := c.Config.Labels["com.docker.compose.service"]; service != "web" &&
			!slices.ContainsFunc(before, func(b container.InspectResponse) bool { return b.ID == c.ID }) {
			t.Errorf("%s was replaced too", service)
		}
	}
}

func TestIntegrationRollingUnderLoad(t *testing.T) { underLoad(t, false) }

// TestIntegrationRollingWaitsForSilentRequests: nothing is sent while the old container works on a request, and it
// ends at once when it is told to, so it must not be told before it has answered.
func TestIntegrationRollingWaitsForSilentRequests(t *testing.T) {
	f := newRolled(t,
		strings.NewReplacer("stop_grace_period: 3s", "stop_grace_period: 10s", "READY_AFTER: 500ms", "ABRUPT: 1",
			`"250"`, `"2"`,
			"web:8080/", "web:8080/?pause=3s", "command: [/traffic, load", "environment: {FRESH: 1}\n    command: "+
				"[/traffic, load").Replace(loaded), false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	for n := range 2 {
		if err := f.restart(t.Context(), strconv.Itoa(n), lifecycle.RestartOptions{Rolling: true}); err != nil {
			t.Fatalf("%v\n%s", err, f.out.String())
		}
	}
	if got := f.endLoad(); got.Failed > 0 || got.Requests == 0 {
		t.Errorf("%d of %d requests failed: %q\n%s", got.Failed, got.Requests, got.Errors, f.out.String())
	}
}
