package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	composefiles "github.com/25eloquence/compose-mage/internal/compose"
)

func TestLongestPath(t *testing.T) {
	diamond := graph{
		{name: "base"},
		{name: "slow", after: []edge{{on: "base"}}},
		{name: "fast", after: []edge{{on: "base"}}},
		{name: "top", after: []edge{{on: "slow"}, {on: "fast"}}},
		{name: "apart"},
	}
	costs := map[string]cost{"base": {1, 2}, "slow": {1, 5}, "fast": {1, 1}, "top": {1, 1}, "apart": {1, 4}}
	onlyStarted := graph{{name: "a"}, {name: "b", after: []edge{{on: "a", started: true}}}}
	for _, c := range []struct {
		name  string
		graph graph
		costs map[string]cost
		want  float64
		path  string
	}{
		{"nothing", nil, nil, 0, ""},
		{"one", graph{{name: "a"}}, map[string]cost{"a": {0.5, 1}}, 1.5, "a"},
		{
			"a chain adds up", chain(3),
			map[string]cost{"s00": {0.5, 1}, "s01": {0.5, 1}, "s02": {0.5, 1}},
			4.5,
			"s00 s01 s02",
		},
		{"the slower side counts", diamond, costs, 11, "base slow top"},
		{"a wait for the start alone", onlyStarted, map[string]cost{"a": {1, 10}, "b": {1, 1}}, 11, "a"},
		{"and what follows it", onlyStarted, map[string]cost{"a": {1, 1}, "b": {1, 10}}, 12, "a b"},
	} {
		got, path := c.graph.longest(c.costs)
		if math.Abs(got-c.want) > 1e-9 || strings.Join(path, " ") != c.path {
			t.Errorf("%s: got %v by %v, want %v by %s", c.name, got, path, c.want, c.path)
		}
	}
}

func TestGraphsHaveTheirSizeAndOrder(t *testing.T) {
	for _, name := range []string{"chain-1", "chain-3", "chain-10", "fan-30", "mixed-50", "mixed-5", "mixed-1"} {
		g, _, err := makeGraph(name)
		if err != nil {
			t.Fatal(err)
		}
		seen, healthy, started := map[string]bool{}, 0, 0
		for _, n := range g {
			waits := map[string]bool{}
			for _, e := range n.after {
				if !seen[e.on] || waits[e.on] {
					t.Errorf("%s: %s waits for %s, which comes later or twice", name, n.name, e.on)
				}
				waits[e.on] = true
				if e.started {
					started++
				} else {
					healthy++
				}
			}
			if seen[n.name] {
				t.Errorf("%s: %s is there twice", name, n.name)
			}
			seen[n.name] = true
		}
		if _, number, _ := strings.Cut(name, "-"); number != itoa(len(g)) {
			t.Errorf("%s has %d services", name, len(g))
		}
		if name == "mixed-50" && (started == 0 || healthy < 40) {
			t.Errorf("%s waits %d times for readiness and %d for a start", name, healthy, started)
		}
	}
	for _, name := range []string{"", "chain", "chain-0", "chain-x", "ring-3", "fan-201"} {
		if _, _, err := makeGraph(name); err == nil {
			t.Errorf("%q is a stack", name)
		}
	}
}

func itoa(n int) string { return strings.TrimPrefix(strings.TrimPrefix(number(n), "s0"), "s") }

// What the tools read has to be the graph that the figures are computed on.
func TestComposeFileIsTheGraph(t *testing.T) {
	for _, g := range []graph{chain(3), fan(5), mixed(50)} {
		dir := t.TempDir()
		text := composeText(g, 30*time.Second)
		if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, err := composefiles.Load(context.Background(), composefiles.Request{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		edges := func(g graph) map[string]bool {
			out := map[string]bool{}
			for _, n := range g {
				out[n.name] = true
				for _, e := range n.after {
					if e.started {
						out[n.name+" after start of "+e.on] = true
					} else {
						out[n.name+" after "+e.on] = true
					}
				}
			}
			return out
		}
		want, got := edges(g), edges(graphOf(loaded.Project))
		for e := range want {
			if !got[e] {
				t.Errorf("the Compose file lacks %q", e)
			}
		}
		if len(got) != len(want) {
			t.Errorf("the Compose file has %d services and edges, not %d", len(got), len(want))
		}
		check := loaded.Project.Services["s01"].HealthCheck
		if check == nil || time.Duration(*check.Interval) != 30*time.Second {
			t.Errorf("health check: %+v", check)
		}
	}
}
