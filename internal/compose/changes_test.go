package compose

import (
	"context"
	"testing"

	"github.com/25eloquence/compose-mage/internal/engine"
)

func TestWhatFittingChangedIsSaidByKey(t *testing.T) {
	const stack = `services:
  big:
    image: i
    x-runtime: openmp
    environment: {OMP_NUM_THREADS: "4"}
    deploy: {resources: {limits: {cpus: "4", memory: 1g}, reservations: {cpus: "3"}}}
  old: {image: i, mem_limit: 16g}
  small: {image: i, cpus: 0.5, mem_limit: 64m, deploy: {replicas: 2}, ulimits: {nofile: 1024}}
  told: {image: i, x-runtime: redis, mem_limit: 64m}
`
	dir := write(t, "compose.yaml", stack)
	for name, c := range map[string]struct {
		machine engine.Machine
		want    string
	}{
		"a small machine": {
			engine.Machine{CPUs: 2, Memory: 8 << 30, OpenFiles: 1 << 20},
			"big: fitted deploy.resources.limits.cpus 4 -> 2, deploy.resources.reservations.cpus 3 -> 2, environment.OMP_NUM_THREADS 4 -> 2; " +
				"old: fitted mem_limit 17179869184 -> 8589934592; told: fitted environment.REDIS_MAXMEMORY 50331648; " +
				"docker compose's next up makes these containers anew",
		},
		"a machine that is large enough": {
			engine.Machine{CPUs: 8, Memory: 32 << 30, OpenFiles: 1 << 20},
			"told: fitted environment.REDIS_MAXMEMORY 50331648; docker compose's next up makes these containers anew",
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
		})
	}
}

func TestPlatforms(t *testing.T) {
	for name, c := range map[string]struct{ service, fails string }{
		"none named":         {"{build: .}", ""},
		"the default's":      {"{build: {context: ., platforms: [linux/arm64, linux/amd64]}}", ""},
		"not the default's":  {"{build: {context: ., platforms: [linux/amd64]}}", `service "a": build.platforms does not have linux/arm64, which DOCKER_DEFAULT_PLATFORM asks for`},
		"its own":            {"{build: {context: ., platforms: [linux/amd64]}, platform: linux/amd64}", ""},
		"nothing to build":   {"{image: i, platform: linux/386}", ""},
		"nothing says which": {"{build: {context: .}, platform: linux/386}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "compose.yaml", "services: {a: "+c.service+"}", ".env", "DOCKER_DEFAULT_PLATFORM=linux/arm64")
			m, err := Load(context.Background(), Request{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := CheckPlatforms(m.Project); err != nil {
				got = err.Error()
			}
			if got != c.fails {
				t.Errorf("got %q, want %q", got, c.fails)
			}
		})
	}
}
