//go:build integration

package integration

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/docker/compose/v5/pkg/api"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// turnFiles are a stack that uses what goes into the hash in more than one way. Nothing in it is fitted.
func turnFiles(t *testing.T) []string {
	return []string{
		".env",
		"COMPOSE_FILE=base.yaml,more.yaml\nCOMPOSE_PATH_SEPARATOR=,\nCOMPOSE_PROFILES=extra\n" +
			"LEVEL=debug\nFROM_DOT=dot\nTOKEN=t\n",
		"1.env", "A=1\nB=${A}${LEVEL}\n", "raw.env", "RAW=$not \"q\"\n", "a.labels", "com.example.from=file\n",
		"s.txt", "secret", "conf/app.conf", "conf", "data/f", "f", "sub/base.yaml",
		"services: {base: {env_file: [../1.env], labels: {of: base}}}\n",
		"base.yaml", `
x-one: &one
  image: ` + enginetest.Base(t) + `
  init: true
  stop_grace_period: 0s
  command: [sleep, "1000"]
services:
  app:
    <<: *one
    env_file: [1.env, {path: n.env, required: false}, {path: raw.env, format: raw}]
    environment: {LEVEL: "${LEVEL}", FROM_DOT: , UNSET: }
    label_file: a.labels
    scale: 2
    configs: [{source: inline, target: /inline}, {source: conf, target: /conf}]
    secrets: [s]
    volumes: ["./data:/d:ro", "named:/n"]
    tmpfs: [/t]
    networks: {front: {aliases: [x]}, default: }
    extra_hosts: ["b:1.2.3.4", "a:1.2.3.5"]
    ulimits: {nofile: 1000}
    deploy: {resources: {limits: {cpus: "0.5", memory: 64m}}}
    healthcheck: {test: [CMD, "true"], interval: 1s}
  side: {<<: *one, network_mode: "service:one", pid: "service:one", depends_on: [one]}
  one: {<<: *one, hostname: one}
  late: {<<: *one, profiles: [extra], depends_on: {app: {condition: service_healthy, restart: true}, gone: {condition: service_started, required: false}}}
  gone: {<<: *one, profiles: [never], env_file: nowhere.env}
configs:
  inline: {content: "level ${LEVEL}"}
  conf: {file: conf/app.conf}
secrets: {s: {file: s.txt}}
volumes: {named: {}}
networks: {front: {labels: {a: b}}}
`,
		"more.yaml", "services: {extended: {extends: {file: sub/base.yaml, service: base}, image: \"" +
			enginetest.Base(t) + "\", command: [sleep, \"1000\"], init: true, stop_grace_period: 0s}}\n",
	}
}

// up is docker compose up in the fixture's directory, with no option that names files or project.
func (f *fixture) up(args ...string) string {
	f.t.Helper()
	programs, err := pinned.Build(context.Background(), "docker-compose")
	if err != nil {
		f.t.Fatal(err)
	}
	cmd := exec.Command(programs[0], append([]string{"up", "-d", "--no-build"}, args...)...)
	cmd.Dir = f.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("docker compose up: %v\n%s", err, out)
	}
	return string(out)
}

// turns is how often each of us starts the stack: once, or three times where PARITY asks for the long form.
func turns() int {
	if os.Getenv("PARITY") != "" {
		return 3
	}
	return 1
}

func TestIntegrationComposeAndWeTakeTurns(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
	}{{"COMPOSE_ENV_FILES", map[string]string{"COMPOSE_ENV_FILES": ".env,1.env"}}} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, turnFiles(t)...)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			f.up()
			before := f.ids()
			if got := len(before["app"]); got != 2 || len(before) != 5 {
				t.Fatalf("docker compose started %v", before)
			}
			for turn := range turns() {
				f.mustStart()
				f.same(before, "start")
				plan, err := lifecycle.PlanRestart(t.Context(), f.engine, f.load().Project,
					lifecycle.RestartOptions{Out: ui.New(&f.out)})
				if err != nil {
					t.Fatal(err)
				}
				for _, step := range plan.Steps {
					t.Errorf("restart would touch %s: %s", step.Service, step.Why)
				}
				f.up()
				f.same(before, "docker compose up")
				if turn == 0 { // and those that we made
					f.removeContainers()
					f.mustStart()
					before = f.ids()
				}
			}
			for _, one := range f.containers("app") {
				if got, want := one.Config.Labels[api.EnvironmentFileLabel] != "", c.env != nil; got != want {
					t.Errorf("the label of the env files: %v, want %v", got, want)
				}
			}
		})
	}
}

// same says what was made anew or started again since.
func (f *fixture) same(before map[string][]string, by string) {
	f.t.Helper()
	now := f.ids()
	for _, service := range slices.Sorted(maps.Keys(before)) {
		a, b := slices.Sorted(slices.Values(before[service])), slices.Sorted(slices.Values(now[service]))
		if !slices.Equal(a, b) {
			f.t.Errorf("%s made %s anew: %s, was %s", by, service, strings.Join(b, ", "), strings.Join(a, ", "))
		}
	}
}
