//go:build integration && linux

package swarm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	stack "github.com/25eloquence/compose-mage/stack/swarm"
)

// shop is a service with two copies behind a store; its network takes containers of the test's. What is found by DNS
// has to go on for a moment when it is told to end: a client on another node may have asked just before.
const shop = `
services:
  db:
    image: ${PROBE}
    command: [serve, "8080", "200", "${DB_DELAY:-0}"]
    healthcheck: {test: [CMD, /probe, health, "0", "0"], interval: 1s, timeout: 1s, retries: 2}
    deploy: {endpoint_mode: dnsrr}
  web:
    image: ${PROBE}
    command: [serve, "8080", "200", "${DELAY:-0}", "1000"]
    depends_on: {db: {condition: service_healthy}}
    healthcheck: {test: [CMD, /probe, health, "0", "${CHECK:-0}"], interval: 1s, timeout: 1s, retries: 2}
    secrets: [key]
    deploy: {replicas: 2, endpoint_mode: dnsrr}
secrets:
  key: {file: key}
networks:
  default: {attachable: true}
`

func newShop(t *testing.T, name string) *project {
	t.Helper()
	p := newProject(t, name, shop)
	p.write("key", "first")
	return p
}

func (p *project) versions() map[string]uint64 {
	p.t.Helper()
	got, err := p.api().ServiceList(p.t.Context(), client.ServiceListOptions{Filters: p.mine()})
	if err != nil {
		p.t.Fatal(err)
	}
	all := map[string]uint64{}
	for _, s := range got.Items {
		all[s.Spec.Name] = s.Version.Index
	}
	return all
}

// A second deploy of the same does nothing.
func TestIntegrationDeployTwiceDoesNothingTheSecondTime(t *testing.T) {
	p := newShop(t, "twice")
	if plan := p.mustDeploy(); len(plan.Operations) == 0 {
		t.Errorf("the first deploy did nothing: %+v", plan)
	}
	got := p.load("web:8080", 20)
	before := p.versions()
	plan, took, err := p.deploy(time.Minute)
	if err != nil || len(plan.Operations) > 0 {
		t.Errorf("the second deploy: %v, operations %+v", err, plan.Operations)
	}
	if after := p.versions(); len(after) != 2 || after["twice_web"] != before["twice_web"] ||
		after["twice_db"] != before["twice_db"] {
		t.Errorf("versions before %v, after %v", before, after)
	}
	if took > 10*time.Second { // about one, alone on the machine
		t.Errorf("a deploy of nothing took %s", took)
	}
	if a := got(); a.Failed > 0 || len(a.Addresses) != 2 {
		t.Errorf("asking both copies by name: %+v", a)
	}
}

// A bad version of a service with two copies: nobody notices, it is taken back, and the error says which task failed
// where and why.
func TestIntegrationBadVersionUnderLoadIsTakenBack(t *testing.T) {
	p := newShop(t, "bad")
	p.mustDeploy()
	good := p.versions()
	got := p.load("web:8080", 50)
	t.Setenv("CHECK", "7")
	_, took, err := p.deploy(2 * time.Minute)
	if err == nil {
		t.Fatal("a version whose check fails was deployed")
	}
	time.Sleep(time.Second)
	if a := got(); a.Failed > 0 || a.Requests < 100 {
		t.Errorf("requests meanwhile: %+v", a)
	}
	t.Logf("%s\n%v", took, err)
	said := err.Error()
	for _, want := range []string{"web", "task web.", " on node", "back as before the deploy: web"} {
		if !strings.Contains(said, want) {
			t.Errorf("the error lacks %q:\n%s", want, said)
		}
	}
	// A task that ended with 0 when it was stopped does not say why the Swarm did so.
	if !strings.Contains(said, "unhealthy") && !strings.Contains(said, "its health check failed") {
		t.Errorf("the error says nothing of health:\n%s", said)
	}
	if took > time.Minute {
		t.Errorf("it was taken back after %s", took)
	}
	tasks := p.tasks("web")
	if len(tasks) != 2 {
		t.Errorf("%d tasks, want 2", len(tasks))
	}
	for _, task := range tasks {
		if check := task.Spec.ContainerSpec.Healthcheck.Test; check[len(check)-1] != "0" {
			t.Errorf("task %s has the check %v", task.ID, check)
		}
	}
	if now := p.versions(); now["bad_db"] != good["bad_db"] {
		t.Errorf("db was touched: version %d, before %d", now["bad_db"], good["bad_db"])
	}
	t.Setenv("CHECK", "0")
	if plan, _, err := p.deploy(time.Minute); err != nil || len(plan.Operations) > 0 {
		t.Errorf("the good version again: %v, %+v", err, plan.Operations)
	}
}

// Where one of several changed services fails, the others that were touched go back as well, to what they were.
func TestIntegrationAllThatWasTouchedGoesBack(t *testing.T) {
	p := newShop(t, "back")
	p.mustDeploy()
	p.write("key", "second") // with the check, for web; the delay of db's answers is new and good
	t.Setenv("CHECK", "7")
	t.Setenv("DB_DELAY", "1")
	_, _, err := p.deploy(2 * time.Minute)
	if err == nil {
		t.Fatal("a version whose check fails was deployed")
	}
	t.Log(err)
	if !strings.Contains(err.Error(), "back as before the deploy: web, db") {
		t.Errorf("the error lacks who is back:\n%v", err)
	}
	for service, want := range map[string]string{"db": "serve 8080 200 0", "web": "serve 8080 200 0 1000"} {
		tasks := p.tasks(service)
		if len(tasks) == 0 {
			t.Errorf("%s has no task", service)
		}
		for _, task := range tasks {
			if got := strings.Join(task.Spec.ContainerSpec.Args, " "); got != want {
				t.Errorf("%s has a task with %q, want %q", service, got, want)
			}
		}
	}
	if left := p.secrets(); len(left) > 2 {
		t.Errorf("secrets %v", left)
	}
	t.Setenv("CHECK", "0")
	t.Setenv("DB_DELAY", "0")
	p.write("key", "first")
	if plan, _, err := p.deploy(time.Minute); err != nil || slices.ContainsFunc(plan.Operations,
		func(o stack.Operation) bool { return o.Service != "" && o.Kind != "wait" }) {
		t.Errorf("what was before again: %v, %+v", err, plan.Operations)
	}
	if left := p.secrets(); len(left) != 1 {
		t.Errorf("secrets %v, want one", left)
	}
}
