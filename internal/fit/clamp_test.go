package fit

import (
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// TestClampInEverySpelling has each spelling of a limit on a machine of 2 CPUs and 8 GiB, and what is changed. What
// docker compose hands to the engine afterwards must not contradict itself: the engine refuses a reservation above
// the limit.
func TestClampInEverySpelling(t *testing.T) {
	for name, c := range map[string]struct{ service, want string }{
		"fits": {
			"mem_limit: 4g\n    mem_reservation: 2g\n    memswap_limit: 6g\n    cpus: 1.5\n    pids_limit: 100", "",
		},
		"mem_limit": {"mem_limit: 64g", "mem_limit: 64GiB -> 8GiB"},
		"and a reservation": {
			"mem_limit: 64g\n    mem_reservation: 32g", "mem_limit: 64GiB -> 8GiB; mem_reservation: 32GiB -> 8GiB",
		},
		"a small one stays": {"mem_limit: 64g\n    mem_reservation: 4g", "mem_limit: 64GiB -> 8GiB"},
		"no swap": {
			"mem_limit: 64g\n    memswap_limit: 64g", "mem_limit: 64GiB -> 8GiB; memswap_limit: 64GiB -> 8GiB",
		},
		"some swap": {
			"mem_limit: 64g\n    memswap_limit: 66g", "mem_limit: 64GiB -> 8GiB; memswap_limit: 66GiB -> 10GiB",
		},
		"endless swap":     {"mem_limit: 64g\n    memswap_limit: -1", "mem_limit: 64GiB -> 8GiB"},
		"refused as it is": {"mem_limit: 64g\n    memswap_limit: 1g", "mem_limit: 64GiB -> 8GiB"},
		"a reservation of the deploy kind, a limit of the other": {
			"mem_limit: 64g\n    deploy: {resources: {reservations: {memory: 32g}}}",
			"mem_limit: 64GiB -> 8GiB; deploy.resources.reservations.memory: 32GiB -> 8GiB",
		},
		"the other way round": {
			"mem_reservation: 32g\n    memswap_limit: 65g\n    deploy: {resources: {limits: {memory: 64g}}}",
			"deploy.resources.limits.memory: 64GiB -> 8GiB; mem_reservation: 32GiB -> 8GiB; memswap_limit: 65GiB -> " +
				"9GiB",
		},
		"both at once": {
			"mem_limit: 64g\n    cpus: 4\n    deploy: {resources: {limits: {memory: 64g, cpus: '4'}}}",
			"cpus: 4 -> 2; deploy.resources.limits.cpus: 4 -> 2; mem_limit: 64GiB -> 8GiB; " +
				"deploy.resources.limits.memory: 64GiB -> 8GiB",
		},
		// the engine takes it, and check says that it can't be met
		"a reservation without a limit": {"mem_reservation: 32g", ""},
		"CPUs reserved without a limit": {"deploy: {resources: {reservations: {cpus: '4'}}}", ""},
		"CPUs reserved above the limit": {
			"cpus: 1\n    deploy: {resources: {reservations: {cpus: '2'}}}",
			"deploy.resources.reservations.cpus: 2 -> 1",
		},
		"CPUs reserved up to the limit": {"cpus: 1\n    deploy: {resources: {reservations: {cpus: '1'}}}", ""},
		"exactly the machine": {
			"mem_limit: 8g\n    mem_reservation: 8g\n    cpus: 2\n    deploy: {resources: {limits: {cpus: '2', " +
				"memory: 8g}}}", "",
		},
		"cpu_quota":             {"cpu_quota: 400000", "cpu_quota: 400000 -> 200000"},
		"cpu_quota of a period": {"cpu_quota: 400000\n    cpu_period: 50000", "cpu_quota: 400000 -> 100000"},
		"cpu_quota that fits":   {"cpu_quota: 50000\n    cpu_period: 50000", ""},
		"no quota":              {"cpu_quota: -1", ""},
		"the runtimes follow": {
			"cpu_quota: 400000\n    x-compose-mage: {runtime: [go, openmp]}\n    mem_limit: 64g",
			"cpu_quota: 400000 -> 200000; mem_limit: 64GiB -> 8GiB; environment.GOMAXPROCS: not set -> 2; " +
				"environment.GOMEMLIMIT: not set -> 7372MiB; environment.OMP_NUM_THREADS: not set -> 2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := parse(t, "services:\n  a:\n    image: x\n    "+c.service+"\n")
			changes := Fit(p, engine.Machine{CPUs: 2, Memory: 8 << 30})
			var got []string
			for _, change := range changes {
				if change.Service != "a" {
					t.Errorf("%+v is of another service", change)
				}
				got = append(got, change.String())
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), c.want)
			}
			if again := Fit(p, engine.Machine{CPUs: 2, Memory: 8 << 30}); len(again) > 0 {
				t.Errorf("fitting what is fitted changes %v", again)
			}
			for _, n := range Notices(changes) {
				if !strings.HasPrefix(n, "a: ") || !strings.Contains(n, " is above ") {
					t.Errorf("%q names no service or no reason", n)
				}
			}
		})
	}
}
