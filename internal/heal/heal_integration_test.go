//go:build integration

package heal

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/restarts"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// output is what was said so far.
type output struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.bytes.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.bytes.String()
}

// bed is a project whose services' health can be told to fail.
type bed struct {
	*testing.T
	engine  *engine.Engine
	project *types.Project
	ids     map[string]string
	out     output

	mutex    sync.Mutex
	restarts map[string]int // by service
}

func newBed(t *testing.T, text string) *bed {
	t.Setenv(state.Variable, t.TempDir())
	b := &bed{
		T: t, engine: enginetest.Connect(t), project: composetest.Load(t, text), ids: map[string]string{},
		restarts: map[string]int{},
	}
	b.project.Name = fmt.Sprintf("it-heal-%d", time.Now().UnixNano())
	enginetest.Image(t, b.engine, b.project.Name+":1", nil)
	b.count()
	return b
}

// run makes the container of a service, whose health check is a command of the probe.
func (b *bed) run(service string, check ...string) {
	b.Helper()
	every := 250 * time.Millisecond
	if service == "paused" { // a check that has just begun may hinder the engine's pause
		every = time.Second
	}
	b.ids[service] = enginetest.Container(b, b.engine, b.project.Name+"-"+service+"-1", &moby.Config{
		Image: b.project.Name + ":1", Cmd: []string{"cure", "/ill"},
		Labels: enginetest.Labels(b.project.Name, service, "False"),
		Healthcheck: &moby.HealthConfig{
			Test: append([]string{"CMD", "/probe"}, check...), Interval: every,
			Timeout: 20 * time.Second, Retries: 2,
		},
	}, nil, true)
}

// sicken makes a service's health checks fail until it is restarted.
func (b *bed) sicken(service string) {
	b.Helper()
	if _, err := engine.Exec(b.Context(), b.engine, b.ids[service], []string{"/probe", "write", "/ill"}); err != nil {
		b.Fatal(err)
	}
}

func (b *bed) look(service string) container.Replica {
	b.Helper()
	found, err := container.Inspect(b.Context(), b.engine, b.project.Name, service)
	if err != nil || len(found[service]) != 1 {
		b.Fatalf("%s: %v, %v", service, found, err)
	}
	return found[service][0]
}

func (b *bed) until(what string, ok func() bool) {
	b.Helper()
	defer func() {
		if b.Failed() {
			b.Log(b.out.String())
		}
	}()
	enginetest.Until(b, time.Minute, what, ok)
}

func (b *bed) options(services ...string) Options {
	return Options{
		Engine: b.engine, Services: services, Every: 100 * time.Millisecond, Out: ui.New(&b.out),
		Project: func(context.Context) (*types.Project, error) { return b.project, nil },
		Bound: restarts.Bound{
			Most: 3, Within: time.Hour, Waits: []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond},
		},
	}
}

// heal begins a healer, which ends with the test, or by the function that it gives.
func (b *bed) heal(o Options) (end func()) {
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(end)
	return end
}

// count counts each service's restarts as the engine tells of them: it soon forgets, as each check has events too.
func (b *bed) count() {
	ctx, cancel := context.WithCancel(b.Context())
	b.Cleanup(cancel)
	got := b.engine.Events(ctx, client.EventsListOptions{Filters: client.Filters{}.
		Add("label", container.ProjectLabel+"="+b.project.Name).Add("event", "restart")})
	go func() {
		for {
			select {
			case m := <-got.Messages:
				b.mutex.Lock()
				b.restarts[m.Actor.Attributes[container.ServiceLabel]]++
				b.mutex.Unlock()
			case <-got.Err:
				return
			}
		}
	}()
}

func (b *bed) restarted() map[string]int {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return maps.Clone(b.restarts)
}

// HEAL_SERVICES is how many services get unhealthy at a time: 20 in the long form. All of them are back after one
// restart each; one that never gets healthy is restarted three times and then left alone, also by the healer that comes
// after; one that does not ask for it, and those that are paused or stopped, are not touched. Nothing is while another
// run has the project, or a build loads images.
func TestIntegrationUnhealthyServicesAreBack(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("HEAL_SERVICES"))
	if n == 0 {
		n = 2
	}
	text, names := "services:\n", []string{}
	for i := range n {
		names = append(names, fmt.Sprintf("s%d", i))
		text += fmt.Sprintf("  s%d: {image: x, x-compose-mage: {heal: true}}\n", i)
	}
	for _, name := range []string{"forever", "paused", "stopped"} {
		text += "  " + name + ": {image: x, x-compose-mage: {heal: true}}\n"
	}
	b := newBed(t, text+"  other: {image: x}\n")
	for _, name := range append(names, "paused", "stopped") {
		b.run(name, "without", "/ill")
	}
	b.run("forever", "health", "0", "7")
	b.run("other", "health", "0", "1")

	release, err := state.LockProject(t.Context(), b.project.Name, ui.New(&b.out))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, "paused", "stopped") {
		b.sicken(name)
	}
	b.until("all are unhealthy", func() bool {
		for name := range b.ids {
			if c := b.look(name); !c.Unhealthy() {
				return false
			}
		}
		return true
	})
	b.until("one is paused", func() bool {
		_, err := b.engine.ContainerPause(t.Context(), b.ids["paused"], client.ContainerPauseOptions{})
		return err == nil
	})
	if _, err := b.engine.ContainerKill(t.Context(), b.ids["stopped"], client.ContainerKillOptions{}); err != nil {
		t.Fatal(err)
	}
	end := b.heal(b.options())
	b.until("it says that another run is at work", func() bool {
		return strings.Contains(b.out.String(), "another run is at work on")
	})
	if err := Run(t.Context(), b.options()); err == nil || !strings.Contains(err.Error(), "another heal of") {
		t.Errorf("a second healer: %v", err)
	}
	loaded := state.Loading(t.Context(), b.project.Name)
	release()
	loading := b.engine.Now()
	b.until("checks have failed while images are loaded", func() bool {
		log := b.look("forever").State.Health.Log
		return log[len(log)-1].Start.After(loading.Add(1200 * time.Millisecond))
	})
	if got := b.restarted(); len(got) > 0 {
		t.Errorf("restarted while others were at work: %v", got)
	}
	loaded()

	b.until("all are healthy", func() bool {
		for _, name := range names {
			if !well([]container.Replica{b.look(name)}) {
				return false
			}
		}
		return true
	})
	const spent = "forever was restarted 3 times"
	b.until("one is left alone", func() bool { return strings.Contains(b.out.String(), spent) })
	end()
	found := restarts.Findings(b.project.Name, b.engine.Now())
	if len(found) != 1 || found[0].ID != "heal.spent" || found[0].Subjects[0] != "forever" {
		t.Errorf("findings %+v", found)
	}
	defer b.heal(b.options())() // after a kill or a restart of the healer itself
	time.Sleep(time.Second)
	got := b.restarted()
	for _, name := range names {
		if got[name] != 1 {
			t.Errorf("%s was restarted %d times", name, got[name])
		}
	}
	if got["forever"] != 3 || len(got) != n+1 {
		t.Errorf("restarted: %v\n%s", got, b.out.String())
	}
	if c := b.look("paused"); !c.State.Paused {
		t.Error("the paused one was touched")
	}
	if c := b.look("stopped"); c.State.Running {
		t.Error("the stopped one was started")
	}
	said := b.out.String()
	for _, want := range []string{
		"exit 7: probe says 7", "exit 1: /ill is there", "s0 is healthy again", "3 of at most 3 times",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing of %q in\n%s", want, said)
		}
	}
	if strings.Count(said, spent) != 1 {
		t.Errorf("said more than once:\n%s", said)
	}
}

// The engine may go away and come back; what depends on a service with restart: true goes along once it is healthy; and
// who is interrupted in the middle of a restart ends it first.
func TestIntegrationHealingGoesOn(t *testing.T) {
	b := newBed(t, `
services:
  db: {image: x, x-compose-mage: {heal: true}}
  web: {image: x, depends_on: {db: {condition: service_healthy, restart: true}}}
  ui: {image: x, depends_on: [db]}
`)
	for _, name := range []string{"db", "web", "ui"} {
		b.run(name, "without", "/ill")
	}
	socket := filepath.Join(t.TempDir(), "s")
	to := strings.TrimPrefix(b.engine.Host, "unix://")
	proxy, err := enginetest.CountRequests(socket, to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { proxy.Close() }()
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	o := b.options()
	o.Engine = enginetest.Connect(t)
	defer b.heal(o)()
	b.until("it has begun", func() bool { return strings.Contains(b.out.String(), "healing") })
	proxy.Close()
	b.until("it says that the engine is away", func() bool {
		return strings.Contains(b.out.String(), "nothing is healed")
	})
	b.sicken("db")
	b.until("db is unhealthy", func() bool { return b.look("db").Unhealthy() })
	time.Sleep(500 * time.Millisecond)
	_ = os.Remove(socket)
	if proxy, err = enginetest.CountRequests(socket, to); err != nil {
		t.Fatal(err)
	}
	b.until("db is healthy again, and web was restarted after it", func() bool {
		return well([]container.Replica{b.look("db")}) && b.restarted()["web"] == 1
	})
	if got, said := b.restarted(), b.out.String(); got["db"] != 1 || got["ui"] != 0 ||
		strings.Count(said, "nothing is healed") != 1 || !strings.Contains(said, "goes on") {
		t.Errorf("restarted %v\n%s", got, said)
	}
	if !b.look("db").Started().Before(b.look("web").Started()) {
		t.Error("web was restarted before db")
	}
}

func TestIntegrationAnInterruptEndsTheRestartFirst(t *testing.T) {
	b := newBed(t, "services: {slow: {image: x}}")
	grace := 2
	b.ids["slow"] = enginetest.Container(t, b.engine, b.project.Name+"-slow-1", &moby.Config{
		Image: b.project.Name + ":1", Cmd: []string{"stubborn"}, StopTimeout: &grace,
		Labels: enginetest.Labels(b.project.Name, "slow", "False"),
		Healthcheck: &moby.HealthConfig{
			Test: []string{"CMD", "/probe", "health", "0", "1"}, Interval: 400 * time.Millisecond, Retries: 1,
		},
	}, nil, true)
	before := b.look("slow").Started()
	end := b.heal(b.options("slow"))
	b.until("it restarts", func() bool { return strings.Contains(b.out.String(), "restarting it, 1 of") })
	end()
	if c := b.look("slow"); !c.Runs() || !before.Before(c.Started()) {
		t.Errorf("%s, started %s, before %s", c.State.Status, c.Started(), before)
	}
	kept, err := restarts.Read(b.project.Name)
	if err != nil || len(kept.Services["slow"].Restarts) != 1 {
		t.Errorf("kept %+v, %v", kept, err)
	}
}

// A run that is over before anybody has looked counts too: what it has frozen is unhealthy by a check of then, and has
// to fail another one.
func TestIntegrationChecksOfARunDoNotCount(t *testing.T) {
	b := newBed(t, "services: {web: {image: x}}")
	b.ids["web"] = enginetest.Container(t, b.engine, b.project.Name+"-web-1", &moby.Config{
		Image: b.project.Name + ":1", Cmd: []string{"cure", "/ill"},
		Labels: enginetest.Labels(b.project.Name, "web", "False"),
		Healthcheck: &moby.HealthConfig{
			Test: []string{"CMD", "/probe", "health", "0", "1"}, Interval: 1500 * time.Millisecond, Retries: 1,
		},
	}, nil, true)
	b.until("it is unhealthy", func() bool { return b.look("web").Unhealthy() })
	release, err := state.LockProject(t.Context(), b.project.Name, ui.New(&b.out))
	if err != nil {
		t.Fatal(err)
	}
	release()
	streak := b.look("web").State.Health.FailingStreak
	defer b.heal(b.options("web"))()
	b.until("it restarts", func() bool { return strings.Contains(b.out.String(), "restarting it, 1 of") })
	if said := b.out.String(); strings.Contains(said, fmt.Sprintf("its last %d health checks failed", streak)) {
		t.Errorf("by checks of before:\n%s", said)
	}
}
