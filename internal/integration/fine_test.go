//go:build integration

package integration

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/status"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// fineRuns is how often a start is asked for its verdict on what has not changed: FINE in the environment, 2 by
// default.
func fineRuns(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("FINE"))
	if os.Getenv("FINE") == "" {
		return 2
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// staged is one that a service is brought into, and what is to be said of it.
type staged struct {
	is       container.Condition
	file     string                      // what its Compose file says beside image and command
	run      string                      // its command; "" for one that goes on
	bring    func(f *fixture, id string) // what is done to its first container; nil for nothing
	afterUp  string                      // what docker compose is told after up, the service's name behind it
	stays    bool                        // a start does not mend it
	provider bool
}

func stagedStates() map[string]staged {
	kill := func(signal string) func(*fixture, string) {
		return func(f *fixture, id string) {
			_, err := f.engine.ContainerKill(context.Background(), id, client.ContainerKillOptions{Signal: signal})
			f.must(err)
		}
	}
	stop := func(f *fixture, id string) {
		_, err := f.engine.ContainerStop(context.Background(), id, client.ContainerStopOptions{})
		f.must(err)
	}
	remove := func(f *fixture, id string) {
		_, err := f.engine.ContainerRemove(context.Background(), id, client.ContainerRemoveOptions{Force: true})
		f.must(err)
	}
	pause := func(f *fixture, id string) {
		_, err := f.engine.ContainerPause(context.Background(), id, client.ContainerPauseOptions{})
		f.must(err)
	}
	return map[string]staged{
		"up":       {is: container.Running},
		"policy":   {is: container.Running, file: "restart: unless-stopped"},
		"healthy":  {is: container.Healthy, file: `healthcheck: {test: [CMD, "true"], interval: 1s}`},
		"starting": {is: container.Starting, file: `healthcheck: {test: [CMD, "true"], interval: 10m}`},
		"unhealthy": {
			is: container.Unhealthy, file: `healthcheck: {test: [CMD, "false"], interval: 1s, retries: 1}`, stays: true,
		},
		"done":      {is: container.Done, run: "exit 0"},
		"doneonce":  {is: container.Done, run: "exit 0", file: "restart: on-failure"},
		"donechild": {is: container.Done, run: "tail /dev/zero; exit 0", file: "mem_limit: 30m, memswap_limit: 30m"},
		"job":       {is: container.Done, run: "exit 0"},
		"after":     {is: container.Running, file: "depends_on: {job: {condition: service_completed_successfully}}"},
		"failed":    {is: container.Broken, run: "exit 3", stays: true},
		"retried":   {is: container.Broken, run: "exit 3", file: `restart: "on-failure:1"`, stays: true},
		"oom": {
			is: container.Broken, run: "exec tail /dev/zero", file: "mem_limit: 30m, memswap_limit: 30m", stays: true,
		},
		"loop":         {is: container.Looping, run: "sleep 0.2; exit 3", file: "restart: always", stays: true},
		"loopzero":     {is: container.Looping, run: "sleep 0.2; exit 0", file: "restart: unless-stopped", stays: true},
		"loopfail":     {is: container.Looping, run: "sleep 0.2; exit 1", file: "restart: on-failure", stays: true},
		"killed":       {is: container.Broken, bring: kill("KILL")},
		"terminated":   {is: container.Broken, bring: kill("TERM")},
		"stopped":      {is: container.Halted, file: "restart: always", bring: stop},
		"paused":       {is: container.Paused, bring: pause},
		"created":      {is: container.Created},
		"missing":      {is: container.Missing, bring: remove},
		"fewer":        {is: container.Missing, file: "scale: 2", bring: remove},
		"onereplica":   {is: container.Broken, file: "scale: 2", bring: kill("KILL")},
		"surplus":      {is: container.Surplus, afterUp: "scale --no-deps surplus=2"},
		"scaledtozero": {is: container.Scaled0, file: "scale: 0"},
		"given":        {is: container.Provider, provider: true},
	}
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// withProvider puts a provider into the PATH that sets URL, and writes what it is asked for into calls.
func (f *fixture) withProvider() *fixture {
	bin := f.t.TempDir()
	f.must(os.WriteFile(filepath.Join(bin, "itprovider"), []byte(`#!/bin/sh
echo "$@" >> `+filepath.Join(f.dir, "calls")+`
case "$*" in
*" up "*) echo '{"type":"setenv","message":"URL=mysql://x"}';;
*metadata*) echo '{"description":"x","up":{"parameters":[]},"down":{"parameters":[]}}';;
esac
`), 0o755))
	f.t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return f
}

// bring makes the project's services and brings each into its state.
func (f *fixture) bring(all map[string]staged) {
	text := "services:\n"
	var names []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		if s.provider {
			text += "  " + name + ": {provider: {type: itprovider}}\n"
			continue
		}
		run := s.run
		if run == "" {
			run = "exec sleep 1000"
		}
		text += fmt.Sprintf("  %s: {image: %s, init: true, stop_grace_period: 1s, command: [sh, -c, %q]", name,
			enginetest.Base(f.t), run)
		if s.file != "" {
			text += ", " + s.file
		}
		text += "}\n"
		if s.is != container.Created {
			names = append(names, name)
		}
	}
	f.write("compose.yaml", text)
	f.compose("create")
	f.compose(append([]string{"up", "-d"}, names...)...)
	for name, s := range all {
		if s.afterUp != "" {
			f.compose(strings.Fields(s.afterUp)...)
		}
		if s.bring != nil {
			s.bring(f, f.all(name)[0].ID)
		}
	}
}

// notFine are the services of which the judges say that they are not as they should be, and what they are.
func (f *fixture) notFine() map[string]container.Condition {
	f.t.Helper()
	report, err := status.Of(context.Background(), f.engine, f.load().Project)
	f.must(err)
	out := map[string]container.Condition{}
	for _, s := range report.Services {
		if !s.Fine {
			out[s.Service] = s.Condition
		}
	}
	if report.Fine != (len(out) == 0) {
		f.t.Errorf("status is fine %v, and %v is not", report.Fine, out)
	}
	return out
}

var startingService = regexp.MustCompile(`(?m)^starting "([^"]+)"`)

// startsNot are the services that a start says it could not bring up.
func (f *fixture) startsNot() []string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var out []string
	if err := f.start(ctx); err != nil {
		for _, m := range startingService.FindAllStringSubmatch(err.Error(), -1) {
			out = append(out, m[1])
		}
		if len(out) == 0 {
			f.t.Fatal(err)
		}
	}
	slices.Sort(out)
	return out
}

// TestIntegrationOneRule brings a service into each state that the engine can be brought into, and asks status,
// monitor, restart and start what they say: all the same. FINE is how many starts follow, each with the same verdict.
func TestIntegrationOneRule(t *testing.T) {
	all := stagedStates()
	f := newFixture(t).withProvider()
	f.bring(all)
	want := map[string]container.Condition{}
	for name, s := range all {
		want[name] = s.is
	}
	got := map[string]container.Condition{}
	enginetest.Until(t, time.Minute, "every service in its state", func() bool {
		found, err := container.Inspect(t.Context(), f.engine, f.name)
		f.must(err)
		for _, v := range container.JudgeAll(f.load().Project, found, f.engine.Now()) {
			got[v.Service] = v.Condition
		}
		return maps.Equal(got, want)
	})
	bad := f.notFine()
	for name, s := range all {
		fine := slices.Contains([]container.Condition{
			container.Running, container.Healthy, container.Starting, container.Done, container.Scaled0,
			container.Provider,
		}, s.is)
		if is, listed := bad[name]; listed == fine || !fine && is != s.is {
			t.Errorf("status: %s is %q, want %q", name, is, s.is)
		}
	}
	f.monitorAgrees(bad)
	f.restartAgrees(bad)

	_, err := f.engine.ContainerUnpause(t.Context(), f.all("paused")[0].ID, client.ContainerUnpauseOptions{})
	f.must(err)
	var stays []string
	for name, s := range all {
		if s.stays {
			stays = append(stays, name)
		}
	}
	slices.Sort(stays)
	for run := range fineRuns(t) {
		if got := f.startsNot(); !slices.Equal(got, stays) {
			t.Fatalf("start %d could not start %q, want %q\n%s", run+1, got, stays, f.out.String())
		}
		bad := f.notFine()
		if got := slices.Sorted(maps.Keys(bad)); !slices.Equal(got, stays) {
			t.Fatalf("after start %d status says %q, want %q\n%s", run+1, got, stays, f.out.String())
		}
		f.out.Reset()
	}
	f.monitorAgrees(f.notFine())
}

// monitorAgrees holds a snapshot against what status says.
func (f *fixture) monitorAgrees(bad map[string]container.Condition) {
	f.t.Helper()
	s, err := monitor.Take(context.Background(), f.engine, f.load().Project, f.engine.Machine())
	f.must(err)
	got := map[string]bool{}
	for _, r := range s.Services {
		if !r.Verdict.Fine {
			got[r.Service] = true
		}
	}
	said := map[string]bool{}
	for _, finding := range s.Findings {
		for _, service := range finding.Subjects {
			said[service] = true
		}
	}
	for name := range f.load().Project.Services {
		if _, listed := bad[name]; listed != got[name] {
			f.t.Errorf("%s: not fine for status %v, for monitor %v", name, listed, got[name])
		} else if listed && !said[name] {
			f.t.Errorf("monitor has no finding on %s", name)
		}
	}
}

// restartAgrees holds what a restart would do against what status says.
func (f *fixture) restartAgrees(bad map[string]container.Condition) {
	f.t.Helper()
	plan, err := lifecycle.PlanRestart(context.Background(), f.engine, f.load().Project,
		lifecycle.RestartOptions{Out: ui.New(&f.out)})
	f.must(err)
	var got []string
	for _, step := range plan.Steps {
		got = append(got, step.Service)
	}
	slices.Sort(got)
	if want := slices.Sorted(maps.Keys(bad)); !slices.Equal(got, want) {
		f.t.Errorf("a restart would do %q, status says %q", got, want)
	}
}

// TestIntegrationStartHasOneVerdict starts jobs, leafs and loops from nothing, FINE times: what ended well is well
// whether or not the start saw it run, and what fails at once fails whatever the start saw.
func TestIntegrationStartHasOneVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		services string
		want     []string
	}{
		"leafs": {`
  app: {<<: *s, command: [sleep, infinity]}
  seed: {<<: *s, command: [sh, -c, "echo seeded"], depends_on: [app]}
  slow: {<<: *s, command: [sh, -c, "sleep 0.3"]}
  retry: {<<: *s, restart: on-failure, command: [sh, -c, "test -e /tried || { touch /tried; exit 1; }"]}
`, nil},
		"loops": {`
  bad: {<<: *s, restart: always, command: [sh, -c, "sleep 0.2; exit 3"]}
  zero: {<<: *s, restart: always, command: [sh, -c, "sleep 0.2"]}
  leaf: {<<: *s, command: [sh, -c, "sleep 0.2; exit 1"]}
  web: {<<: *s, command: [sleep, infinity], depends_on: [bad]}
`, []string{"bad", "leaf", "zero"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "compose.yaml", "x-s: &s {image: "+enginetest.Base(t)+
				", init: true, stop_grace_period: 1s}\nservices:"+c.services)
			for run := range fineRuns(t) {
				if got := f.startsNot(); !slices.Equal(got, c.want) {
					t.Fatalf("start %d could not start %q, want %q\n%s", run+1, got, c.want, f.out.String())
				}
				for _, name := range c.want {
					if strings.Contains(f.out.String(), "✓ "+name+" ") {
						t.Errorf("start %d called %s ready:\n%s", run+1, name, f.out.String())
					}
				}
				f.out.Reset()
				f.removeContainers()
			}
		})
	}
}

// TestIntegrationStoppedIsNotDone: a server that exits with 0 when it is asked to end looks like a job that is done.
func TestIntegrationStoppedIsNotDone(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services: {web: {image: "+enginetest.Base(t)+
		`, command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]}}`)
	f.mustStart()
	if err := lifecycle.Stop(t.Context(), f.engine, f.load().Project,
		lifecycle.StopOptions{Out: ui.New(&f.out)}); err != nil {
		t.Fatal(err)
	}
	if bad := f.notFine(); f.all("web")[0].State.ExitCode != 0 || bad["web"] != container.Halted {
		t.Errorf("after a stop: %v", bad)
	}
	f.restartAgrees(map[string]container.Condition{"web": container.Halted})
	f.mustStart()
	if bad := f.notFine(); len(bad) != 0 {
		t.Errorf("after a start: %v", bad)
	}
}

// TestIntegrationHealthyWithoutACheck: as docker compose, which says that no health check is configured.
func TestIntegrationHealthyWithoutACheck(t *testing.T) {
	f := newFixture(t, "compose.yaml", "x-s: &s {image: "+enginetest.Base(t)+`, init: true, command: [sleep, infinity]}
services:
  db: {<<: *s}
  web: {<<: *s, depends_on: {db: {condition: service_healthy}}}
  off: {<<: *s, healthcheck: {disable: true}}
  user: {<<: *s, depends_on: {off: {condition: service_healthy, required: false}}}
`)
	wants(t, f.start(t.Context()), fault.Failed,
		`starting "db": has no health check, neither its own nor its image's, and web waits until it is healthy`,
		"not started, as they wait for it: web")
	if !f.all("db")[0].State.Running || f.all("web")[0].State.Running {
		t.Error("db does not run, or web does")
	}
	if !f.all("off")[0].State.Running || !f.all("user")[0].State.Running {
		t.Errorf("user can do without off:\n%s", f.out.String())
	}
}

// TestIntegrationProvider: what a provider sets is in the environment of what depends on it, whoever makes that anew
// and how.
func TestIntegrationProvider(t *testing.T) {
	text := `services:
  database: {provider: {type: itprovider, options: {size: 3}}}
  app: {image: ` + enginetest.Base(t) +
		`, init: true, stop_grace_period: 1s, command: [sleep, infinity], depends_on: [database], environment: {X: "1"}}
`
	f := newFixture(t, "compose.yaml", text).withProvider()
	f.compose("up", "-d")
	hash := f.all("app")[0].Config.Labels["com.docker.compose.config-hash"]
	given := func(what string) {
		t.Helper()
		app := f.all("app")
		if len(app) != 1 || !slices.Contains(app[0].Config.Env, "DATABASE_URL=mysql://x") ||
			app[0].Config.Labels["com.docker.compose.config-hash"] != hash {
			t.Errorf("after %s: environment %q, hash %s, docker compose's is %s", what, app[0].Config.Env,
				app[0].Config.Labels["com.docker.compose.config-hash"], hash)
		}
	}
	restart := func(o lifecycle.RestartOptions) {
		t.Helper()
		o.Out = ui.New(&f.out)
		if err := lifecycle.Restart(t.Context(), f.engine, f.load().Project, o); err != nil {
			t.Fatalf("%v\n%s", err, f.out.String())
		}
	}
	f.mustStart()
	given("a start")
	f.restartAgrees(nil)
	before := f.all("app")[0].ID
	restart(lifecycle.RestartOptions{})
	if f.all("app")[0].ID != before {
		t.Error("a restart made app anew, though nothing changed")
	}
	restart(lifecycle.RestartOptions{Services: []string{"app"}})
	given("a restart of app")
	restart(lifecycle.RestartOptions{Services: []string{"app"}, Rolling: true})
	given("a restart without down-time")
	_, err := f.engine.ContainerRemove(t.Context(), f.all("app")[0].ID, client.ContainerRemoveOptions{Force: true})
	f.must(err)
	restart(lifecycle.RestartOptions{})
	given("a restart of what was not there")
	if bad := f.notFine(); len(bad) != 0 {
		t.Errorf("status: %v", bad)
	}
	f.monitorAgrees(nil)
	f.write("compose.yaml", strings.Replace(text, `X: "1"`, `X: "2"`, 1))
	restart(lifecycle.RestartOptions{})
	if env := f.all("app")[0].Config.Env; !slices.Contains(env, "X=2") ||
		!slices.Contains(env, "DATABASE_URL=mysql://x") {
		t.Errorf("after a change: %q", env)
	}
	if err := lifecycle.Stop(t.Context(), f.engine, f.load().Project,
		lifecycle.StopOptions{Out: ui.New(&f.out)}); err != nil {
		t.Fatal(err)
	}
	f.write("compose.yaml", strings.Replace(text, "itprovider", "it-nowhere", 1))
	wants(t, f.start(t.Context()), fault.Failed, `starting "database": provider it-nowhere: exec: "it-nowhere"`,
		"next: install the provider it-nowhere")
}
