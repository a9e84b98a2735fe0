package compose

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/compose"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fit"
)

func TestWhatFittingChangedIsSaidByKey(t *testing.T) {
	const stack = `services:
  big:
    image: i
    x-compose-mage: {runtime: [openmp]}
    environment: {OMP_NUM_THREADS: "4"}
    deploy: {resources: {limits: {cpus: "4", memory: 1g}, reservations: {cpus: "3"}}}
  old: {image: i, mem_limit: 16g}
  small: {image: i, cpus: 0.5, mem_limit: 64m, deploy: {replicas: 2}, ulimits: {nofile: 1024}}
  told: {image: i, x-compose-mage: {runtime: redis}, mem_limit: 64m}
`
	dir := write(t, "compose.yaml", stack)
	const anew = "; docker compose's next up makes these containers anew"
	plain, err := Load(context.Background(), Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		machine engine.Machine
		want    string
	}{
		"a small machine": {
			engine.Machine{CPUs: 2, Memory: 8 << 30, OpenFiles: 1 << 20},
			"big: fitted deploy.resources.limits.cpus, deploy.resources.reservations.cpus, " +
				"environment.OMP_NUM_THREADS: 4 -> 2; " +
				"old: fitted mem_limit; told: fitted environment.REDIS_MAXMEMORY: not set -> 50331648" + anew,
		},
		"a machine that is large enough": {
			engine.Machine{CPUs: 8, Memory: 32 << 30, OpenFiles: 1 << 20},
			"told: fitted environment.REDIS_MAXMEMORY: not set -> 50331648" + anew,
		},
		"none": {engine.Machine{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Load(context.Background(), Request{Dir: dir, Machine: c.machine})
			if err != nil {
				t.Fatal(err)
			}
			if got := m.FittedSentence(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for _, service := range m.Project.ServiceNames() {
				said := slices.ContainsFunc(m.Changes, func(c fit.Change) bool { return c.Service == service })
				same := hash(t, m.Project.Services[service]) == hash(t, plain.Project.Services[service])
				if said == same {
					t.Errorf("%s: its hash is the files' own: %v; something is said to be fitted: %v", service, same,
						said)
				}
			}
		})
	}
}

func hash(t *testing.T, s types.ServiceConfig) string {
	t.Helper()
	h, err := compose.ServiceHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestPlatforms(t *testing.T) {
	for name, c := range map[string]struct{ service, platform, fails string }{
		"none named":    {"{build: .}", "linux/arm64", ""},
		"the default's": {"{build: {context: ., platforms: [linux/arm64, linux/amd64]}}", "linux/arm64", ""},
		"not the default's": {
			"{build: {context: ., platforms: [linux/amd64]}}", "linux/arm64",
			`service "a": build.platforms does not have linux/arm64, which DOCKER_DEFAULT_PLATFORM asks for`,
		},
		"its own": {
			"{build: {context: ., platforms: [linux/amd64]}, platform: linux/amd64}", "linux/amd64", "",
		},
		"nothing to build":   {"{image: i}", "", ""},
		"nothing says which": {"{build: {context: .}, platform: linux/386}", "linux/386", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "compose.yaml", "services: {a: "+c.service+"}", ".env",
				"DOCKER_DEFAULT_PLATFORM=linux/arm64")
			m, err := Load(context.Background(), Request{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := CheckStartable(m.Project); err != nil {
				got = err.Error()
			}
			if platform := m.Project.Services["a"].Platform; platform != c.platform {
				t.Errorf("its platform is %q, want %q", platform, c.platform)
			}
			if first, _, _ := strings.Cut(got, "\n"); first != c.fails {
				t.Errorf("got %q, want %q", got, c.fails)
			}
		})
	}
}

func TestWhatDockerComposeDoesNotStart(t *testing.T) {
	const job = "jobs: {j: {image: i%s}}\n"
	for name, c := range map[string]struct{ yaml, fails, notice string }{
		"services":   {one("a"), "", ""},
		"no service": {"services: {}\nnetworks: {n: {}}\n", "no service in ", ""},
		"none enabled": {
			"services: {a: {image: i, profiles: [p]}, b: {image: i, profiles: [o]}}\n", "next: COMPOSE_PROFILES=o,p",
			"",
		},
		"a job for later": {
			one("a") + strings.ReplaceAll(job, "%s", ", triggers: {manual: true}"), "",
			"jobs are not started with the services: j",
		},
		"a job at a set time": {
			one("a") + strings.ReplaceAll(job, "%s", `, triggers: {schedule: [{cron: "@daily"}]}`),
			"at set times yet: j", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Load(context.Background(), Request{Dir: write(t, "compose.yaml", c.yaml)})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := CheckStartable(m.Project); err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.fails) || (c.fails == "") != (got == "") {
				t.Errorf("got %q, want %q in it", got, c.fails)
			}
			if notices := strings.Join(m.Notices, "\n"); !strings.Contains(notices, c.notice) {
				t.Errorf("got %q, want %q in it", notices, c.notice)
			}
		})
	}
}
