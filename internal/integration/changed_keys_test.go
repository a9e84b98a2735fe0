//go:build integration

package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// keysFile is the Compose file of which each edit changes one key of web.
const keysFile = `services:
  web:
    image: IMAGE
    init: true
    command: [sleep, "1000"]
    stop_grace_period: 1s
    user: "0"
    working_dir: /tmp
    hostname: web
    domainname: example.test
    environment: {LEVEL: info, TOKEN: tokenone, URL: "http://u:secretone@db/"}
    labels: {com.example.owner: me}
    mem_limit: 64m
    memswap_limit: 64m
    cpus: 0.5
    pids_limit: 100
    shm_size: 16m
    restart: "no"
    read_only: false
    cap_add: [NET_ADMIN]
    cap_drop: [MKNOD]
    dns: [127.0.0.1]
    extra_hosts: ["db:127.0.0.1"]
    sysctls: {net.core.somaxconn: "512"}
    ulimits: {nofile: 1000}
    tmpfs: [/run/one]
    security_opt: ["no-new-privileges:true"]
    stop_signal: SIGTERM
    logging: {driver: json-file, options: {max-size: 1m}}
    healthcheck: {test: ["CMD", "true"], interval: 5s, retries: 3}
    volumes: [data:/data, ./conf:/conf]
    ports: ["127.0.0.1::80"]
    group_add: ["1"]
    oom_score_adj: 10
    tty: false
  other:
    image: IMAGE
    init: true
    command: [sleep, "1000"]
    stop_grace_period: 1s
volumes: {data: {}, more: {}}
`

// keyEdits are thirty edits: what is replaced by what, and what is to be said of it.
var keyEdits = []struct{ old, now, says string }{
	{"LEVEL: info", "LEVEL: debug", "environment.LEVEL info -> debug"},
	{"LEVEL: info", "LEVEL: info, MORE: x", "environment.MORE (new)"},
	{"LEVEL: info, ", "", "environment.LEVEL (gone)"},
	{"tokenone", "tokentwo", "environment.TOKEN sha256:"},
	{"secretone", "secrettwo", "environment.URL sha256:"},
	{"com.example.owner: me", "com.example.owner: you", "labels.com.example.owner"},
	{"com.example.owner: me", "com.example.owner: me, com.example.more: x", "labels.com.example.more (new)"},
	{"mem_limit: 64m", "mem_limit: 32m", "mem_limit 64MiB -> 32MiB"},
	{"cpus: 0.5", "cpus: 0.25", "cpus 0.5 -> 0.25"},
	{"pids_limit: 100", "pids_limit: 200", "pids_limit 100 -> 200"},
	{"shm_size: 16m", "shm_size: 32m", "shm_size 16MiB -> 32MiB"},
	{`"1000"]`, `"1001"]`, "command"},
	{`user: "0"`, `user: "1"`, "user 0 -> 1"},
	{"working_dir: /tmp", "working_dir: /", "working_dir /tmp -> /"},
	{"hostname: web", "hostname: web2", "hostname web -> web2"},
	{"domainname: example.test", "domainname: example2.test", "domainname"},
	{`restart: "no"`, "restart: always", "restart no -> always"},
	{"read_only: false", "read_only: true", "read_only"},
	{"[NET_ADMIN]", "[SYS_NICE]", "cap_add"},
	{"[127.0.0.1]", "[127.0.0.2]", "dns"},
	{"db:127.0.0.1", "db:127.0.0.2", "extra_hosts"},
	{`net.core.somaxconn: "512"`, `net.core.somaxconn: "256"`, "sysctls.net.core.somaxconn"},
	{"nofile: 1000", "nofile: 2000", "ulimits.nofile"},
	{"/run/one", "/run/two", "tmpfs"},
	{"SIGTERM", "SIGINT", "stop_signal SIGTERM -> SIGINT"},
	{"interval: 5s", "interval: 6s", "healthcheck.interval 5s -> 6s"},
	{"    healthcheck: {test: [\"CMD\", \"true\"], interval: 5s, retries: 3}\n", "", "healthcheck (gone)"},
	{"data:/data", "more:/data", "volumes[/data].source data -> more"},
	{"./conf:/conf", "./conf:/conf:ro", "volumes[/conf].read_only"},
	{"127.0.0.1::80", "127.0.0.1::81", "ports[81/tcp] (new)"},
}

// TestIntegrationTheKeyThatChangedIsNamed: thirty edits of a Compose file, each of which has docker compose make the
// container anew. No value that may be a secret is printed, and of what did not change nothing is said.
func TestIntegrationTheKeyThatChangedIsNamed(t *testing.T) {
	text := strings.ReplaceAll(keysFile, "IMAGE", enginetest.Base(t))
	f := newFixture(t, "compose.yaml", text, "conf/x", "1")
	records := recreate.In(t.TempDir(), f.name)
	if err := lifecycle.Start(t.Context(), f.engine, f.load().Project,
		lifecycle.StartOptions{Out: ui.New(&f.out), Records: records}); err != nil {
		t.Fatal(err)
	}
	planned := func(records recreate.Records) plan.Plan {
		t.Helper()
		p, err := lifecycle.PlanRestart(t.Context(), f.engine, f.load().Project,
			lifecycle.RestartOptions{Records: records})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := planned(records); len(p.Steps) > 0 {
		t.Errorf("unchanged, and %+v", p.Steps)
	}
	right, unrecorded, began := 0, 0, time.Now()
	for _, e := range keyEdits {
		if !strings.Contains(text, e.old) {
			t.Fatalf("the file has no %q", e.old)
		}
		f.write("compose.yaml", strings.Replace(text, e.old, e.now, 1))
		p := planned(records)
		if len(p.Steps) != 1 || p.Steps[0].Service != "web" ||
			!strings.HasPrefix(p.Steps[0].Why, "its configuration changed: ") ||
			!strings.Contains(p.Steps[0].Why, e.says) || strings.Contains(p.Steps[0].Why, "secret") ||
			strings.Contains(p.Steps[0].Why, "tokent") {
			t.Errorf("%s -> %s: %+v, want %q", e.old, e.now, p.Steps, e.says)
			continue
		}
		right++
		// As of a container that docker compose made: what the engine says of it tells, or it is not known.
		p = planned(recreate.Records{})
		switch why := p.Steps[0].Why; {
		case strings.Contains(why, strings.TrimSuffix(e.says, " (new)")), strings.Contains(why, f.name+"_more"):
			unrecorded++
		case !strings.Contains(why, "in which keys is not known"):
			t.Errorf("%s -> %s, without a record: %q", e.old, e.now, why)
		}
	}
	t.Logf("%d of %d edits named rightly, %d without a record, the others not known; %s a plan", right, len(keyEdits),
		unrecorded, (time.Since(began) / time.Duration(2*len(keyEdits))).Round(time.Millisecond))
	f.write("compose.yaml", text)
	if p := planned(records); len(p.Steps) > 0 {
		t.Errorf("unchanged again, and %+v", p.Steps)
	}
	f.write("compose.yaml", strings.Replace(text, keyEdits[0].old, keyEdits[0].now, 1))
	if err := lifecycle.Start(t.Context(), f.engine, f.load().Project,
		lifecycle.StartOptions{Out: ui.New(&f.out), Records: records}); err != nil {
		t.Fatal(err)
	}
	f.write("compose.yaml", text)
	f.out.Reset()
	if err := lifecycle.ExplainContainers(t.Context(), f.engine, f.load().Project, records, []string{"web", "other"},
		ui.New(&f.out)); err != nil {
		t.Fatal(err)
	}
	contains(t, f.out.String(), "-web-1 was made anew ",
		": its configuration changed: environment.LEVEL info -> debug\n",
		"web: the next start makes it anew: its configuration changed: environment.LEVEL debug -> info\n")
	if strings.Contains(f.out.String(), "other") {
		t.Errorf("other did not change, and is explained:\n%s", f.out.String())
	}
}
