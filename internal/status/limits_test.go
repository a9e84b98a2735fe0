package status

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/engine"
)

func TestLimitsInTheOtherSpelling(t *testing.T) {
	project := &types.Project{Services: types.Services{"api": {ContainerSpec: types.ContainerSpec{CPUQuota: 50_000}}}}
	for _, c := range []struct {
		has  moby.Resources
		want int
	}{
		{moby.Resources{CPUQuota: 50_000}, 0},
		{moby.Resources{CPUQuota: 25_000, CPUPeriod: 50_000}, 0},
		{moby.Resources{NanoCPUs: 5e8}, 0},
		{moby.Resources{}, 1},
		{moby.Resources{CPUQuota: 90_000}, 1},
	} {
		got := misfits(
			project,
			engine.Machine{CPUs: 2, Memory: 4 << 30},
			map[string][]moby.HostConfig{"api": {{Resources: c.has}}},
		)
		if len(got) != c.want {
			t.Errorf("%+v: got %q", c.has, got)
		}
	}
}

func TestMisfits(t *testing.T) {
	limited := func(memory types.UnitBytes, cpus types.NanoCPUs) types.ServiceConfig {
		return types.ServiceConfig{Deploy: &types.DeployConfig{Resources: types.Resources{
			Limits: &types.Resource{
				MemoryBytes: memory,
				NanoCPUs:    cpus,
			}, Reservations: &types.Resource{MemoryBytes: memory / 2},
		}}}
	}
	project := &types.Project{Services: types.Services{"api": limited(1<<30, 0.5), "db": limited(1<<30, 1), "free": {}}}
	host := func(memory, swap, reserved, nano int64) moby.HostConfig {
		return moby.HostConfig{
			Resources: moby.Resources{Memory: memory, MemorySwap: swap, MemoryReservation: reserved, NanoCPUs: nano},
		}
	}
	for _, c := range []struct {
		name    string
		machine engine.Machine
		applied map[string][]moby.HostConfig
		want    []string
	}{
		{
			"as asked",
			engine.Machine{CPUs: 2, Memory: 4 << 30},
			map[string][]moby.HostConfig{
				"api": {host(1<<30, 2<<30, 512<<20, 5e8)}, "db": {host(1<<30, 2<<30, 512<<20, 1e9)}, "free": {{}},
			},
			nil,
		},
		{
			"no swap limit",
			engine.Machine{CPUs: 2, Memory: 4 << 30},
			map[string][]moby.HostConfig{
				"api": {host(1<<30, -1, 512<<20, 5e8), host(1<<30, -1, 512<<20, 5e8)},
				"db":  {host(1<<30, -1, 512<<20, 1e9)},
			},
			[]string{"api, db: swap is not limited"},
		},
		{
			"what the kernel can't do",
			engine.Machine{CPUs: 2, Memory: 4 << 30},
			map[string][]moby.HostConfig{"api": {host(0, 0, 0, 0)}, "db": {host(512<<20, 1<<30, 512<<20, 1e9)}},
			[]string{
				"api: memory limit 1GiB is not in force, the engine has none",
				"api: cpus limit 0.5 is not in force, the engine has 0",
				"api: memory reservation 512MiB is not in force, the engine has none",
				"db: memory limit 1GiB is not in force, the engine has 512MiB",
			},
		},
		{
			"a small machine",
			engine.Machine{CPUs: 1, Memory: 512 << 20},
			nil,
			[]string{
				"the memory reservations add up to 1GiB", "the memory limits add up to 2GiB",
				"the cpus limits add up to 1.5, above the machine's 1",
			},
		},
	} {
		got := misfits(project, c.machine, c.applied)
		if len(got) != len(c.want) {
			t.Errorf("%s: got %q", c.name, got)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: got %q, want %q", c.name, got[i], want)
			}
		}
	}
}
