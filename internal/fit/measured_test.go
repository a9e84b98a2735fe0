package fit

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
)

const mib = 1 << 20

// need is of a service that was recorded for two hours and over a start: its unreclaimable memory and its working set,
// in MiB.
func need(p99, working, most int64) Need {
	return Need{
		Recorded: 7200, P99: p99 * mib, Most: p99 * mib, WorkingP99: working * mib, WorkingMost: most * mib,
		Started: true,
	}
}

func with(n Need, change func(*Need)) Need {
	change(&n)
	return n
}

func TestMeasure(t *testing.T) {
	const goService = "x-compose-mage: {runtime: [go]}\n    mem_limit: 1g"
	for name, c := range map[string]struct {
		service string
		need    Need
		want    string // changes; then, after a bar, notes
	}{
		"far below its limit": {"mem_limit: 1g", need(50, 100, 110), "mem_limit: 1GiB -> 132MiB |"},
		"its peaks count":     {"mem_limit: 1g", need(50, 100, 400), "mem_limit: 1GiB -> 460MiB |"},
		"the least limit": {
			"deploy: {resources: {limits: {memory: 1G}}}", need(1, 1, 1),
			"deploy.resources.limits.memory: 1GiB -> 32MiB |",
		},
		"no limit yet": {"{}", need(50, 100, 100), "deploy.resources.limits.memory: not set -> 132MiB |"},
		"near its limit": {
			"mem_limit: 128m", need(50, 100, 120),
			"| it had up to 120MiB of its limit of 128MiB: the limit stays, and may be too low",
		},
		"enough already": {"mem_limit: 128m", need(50, 100, 100), "|"},
		"both spellings": {
			"mem_limit: 1g\n    deploy: {resources: {limits: {memory: 1G}}}", need(1, 100, 100),
			"mem_limit: 1GiB -> 132MiB; deploy.resources.limits.memory: 1GiB -> 132MiB |",
		},
		"what is held against it": {
			"mem_limit: 1g\n    mem_reservation: 512m\n    memswap_limit: 1536m", need(1, 100, 100),
			"mem_limit: 1GiB -> 132MiB; mem_reservation: 512MiB -> 132MiB; memswap_limit: 1.5GiB -> 644MiB |",
		},
		"reserved under deploy": {
			"mem_limit: 1g\n    deploy: {resources: {reservations: {memory: 256M}}}", need(1, 100, 100),
			"mem_limit: 1GiB -> 132MiB; deploy.resources.reservations.memory: 256MiB -> 132MiB |",
		},
		"reserved and limited under deploy": {
			"deploy: {resources: {limits: {memory: 1G, cpus: '2'}, reservations: {memory: 256M}}}", need(1, 100, 100),
			"deploy.resources.limits.memory: 1GiB -> 132MiB; deploy.resources.reservations.memory: 256MiB -> 132MiB |",
		},
		"endless swap, and a small reservation": {
			"mem_limit: 1g\n    mem_reservation: 64m\n    memswap_limit: -1", need(1, 100, 100),
			"mem_limit: 1GiB -> 132MiB |",
		},
		"nothing recorded": {"mem_limit: 1g", Need{}, "| nothing is recorded of it"},
		"too little recorded": {
			"mem_limit: 1g", with(need(1, 1, 1), func(n *Need) { n.Recorded = 3599 }),
			"| 59m59s of it are recorded, and at least 1h0m0s are needed",
		},
		"killed": {
			goService, with(need(1, 1, 1), func(n *Need) { n.Kills = 2 }),
			"| it was killed for want of memory 2 times: raise its limit, and measure again",
		},
		"no start seen": {
			goService, with(need(40, 60, 60), func(n *Need) { n.Started = false }),
			"environment.GOMEMLIMIT: not set -> 30MiB; environment.GOGC: not set -> 50 | " +
				"its limit stays: no start of it is recorded; restart it while monitor -serve runs",
		},
		"go": {
			goService, need(40, 60, 60),
			"mem_limit: 1GiB -> 80MiB; environment.GOMEMLIMIT: not set -> 30MiB; environment.GOGC: not set -> 50 |",
		},
		"go, with much that lives": {
			goService, with(need(40, 60, 60), func(n *Need) { n.Rest = 36 * mib }),
			"mem_limit: 1GiB -> 80MiB; environment.GOMEMLIMIT: not set -> 54MiB; environment.GOGC: not set -> 50 |",
		},
		"go, all of it lives": {
			goService, with(need(60, 60, 60), func(n *Need) { n.Rest = 60 * mib }),
			"mem_limit: 1GiB -> 80MiB; environment.GOMEMLIMIT: not set -> 72MiB; environment.GOGC: not set -> 50 |",
		},
		"go, small": {
			goService, need(3, 5, 5),
			"mem_limit: 1GiB -> 32MiB; environment.GOMEMLIMIT: not set -> 16MiB; environment.GOGC: not set -> 50 |",
		},
		"go, recorded under its settings": {
			goService + "\n    environment: {GOGC: '50'}", need(30, 60, 60),
			"mem_limit: 1GiB -> 80MiB; environment.GOMEMLIMIT: not set -> 30MiB |",
		},
		"go, by hand": {
			goService + "\n    environment: {GOGC: off, GOMEMLIMIT: 500MiB}", need(30, 60, 60),
			"mem_limit: 1GiB -> 80MiB | GOMEMLIMIT stays: GOGC=off is set by hand",
		},
		"go, its limit by hand": {
			goService + "\n    environment: {GOMEMLIMIT: 500MiB}", need(40, 60, 60),
			"mem_limit: 1GiB -> 80MiB; environment.GOGC: not set -> 50 | " +
				"GOMEMLIMIT stays 500MiB, which the Compose file sets",
		},
		"go, as the limit implies": {
			goService + "\n    environment: {GOMEMLIMIT: 921MiB}", need(40, 60, 60),
			"mem_limit: 1GiB -> 80MiB; environment.GOMEMLIMIT: 921MiB -> 30MiB; environment.GOGC: not set -> 50 |",
		},
		"go, not known": {
			goService, need(0, 60, 60), "mem_limit: 1GiB -> 80MiB | its runtime's settings stay: what of its memory " +
				"nobody else can have is not known from this engine",
		},
		"redis": {
			"x-compose-mage: {runtime: [redis]}\n    mem_limit: 512m", need(5, 8, 40),
			"mem_limit: 512MiB -> 80MiB; environment.REDIS_MAXMEMORY: not set -> 62914560 |",
		},
		"glibc": {
			"x-compose-mage: {runtime: [openmp]}\n    mem_limit: 64m", need(40, 40, 50),
			"environment.MALLOC_ARENA_MAX: not set -> 2; environment.MALLOC_TRIM_THRESHOLD_: not set -> 131072 |",
		},
		"node": {
			"x-compose-mage: {runtime: [node]}\n    mem_limit: 1g", need(200, 220, 220),
			"mem_limit: 1GiB -> 288MiB; environment.NODE_OPTIONS: not set -> --max-old-space-size=200 |",
		},
		"java": {
			"x-compose-mage: {runtime: [java]}\n    mem_limit: 1g\n    cpus: 1.5", need(200, 220, 220),
			"mem_limit: 1GiB -> 288MiB; environment.JAVA_TOOL_OPTIONS: not set -> -Xmx200m " +
				"-XX:ActiveProcessorCount=2 -XX:+UseSerialGC |",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := parse(t, "services:\n  a:\n    image: x\n"+strings.TrimSuffix("    "+c.service+"\n", "    {}\n"))
			m := Measure(p.Services["a"], c.need, time.Hour)
			var changes []string
			for _, change := range m.Changes {
				changes = append(changes, change.String())
			}
			got := strings.TrimSpace(strings.Join(changes, "; ") + " | " + strings.Join(m.Notes, "; "))
			if got != strings.TrimSpace(c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			appliesAsCompose(t, p, m)
		})
	}
}

// appliesAsCompose puts the overlay on top of the project as docker compose does: every change is in force then, and no
// limit changes when it is measured again.
func appliesAsCompose(t *testing.T, base *types.Project, m Measured) {
	t.Helper()
	if len(m.Changes) == 0 {
		return
	}
	first, err := base.MarshalYAML()
	if err != nil {
		t.Fatal(err)
	}
	text := Overlay([]string{"from a test"}, []Measured{m})
	p, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: t.TempDir(), ConfigFiles: []types.ConfigFile{
			{Filename: "compose.yaml", Content: first}, {Filename: "measured.yaml", Content: []byte(text)},
		},
	}, func(o *loader.Options) { o.SetProjectName("p", true) })
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	Fit(p, engine.Machine{CPUs: 64, Memory: 64 << 30})
	again := Measure(p.Services["a"], m.Need, time.Hour)
	again.Changes = slices.DeleteFunc(again.Changes, func(c Change) bool {
		return strings.HasPrefix(c.Key, "environment")
	})
	if len(again.Changes) > 0 {
		t.Errorf("measured on top of\n%s%v changes again", text, again.Changes)
	}
	for _, c := range m.Changes {
		if name, ok := strings.CutPrefix(c.Key, "environment."); ok {
			if have := p.Services["a"].Environment[name]; have == nil || *have != c.New {
				t.Errorf("%s is not in force:\n%s", name, text)
			}
		}
	}
}
