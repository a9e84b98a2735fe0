package main

import (
	"math"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/golden"
)

func TestReport(t *testing.T) {
	cases := scenarios()
	s := &stack{
		title: "a chain of 2, checked every 5s", graph: chain(2), one: "s01",
		alone: costs{network: 0.1, create: 0.1, start: 0.2, probe: 0.05},
	}
	services := map[string]float64{"s00": 1, "s01": 1}
	ours := once{
		seconds: 3, ready: 2.9, cpu: 0.1, engine: 1.5, probes: 12, memory: 40 << 20,
		critical: reference{2.5, 0.9}, services: services,
	}
	peer := once{
		seconds: 12, ready: 7, cpu: 0.1, engine: 1, memory: 30 << 20,
		critical: reference{2.5, 0.9}, services: services,
	}
	without := once{seconds: 4, ready: 3.9, critical: unknown, services: services}
	bare := &stack{title: "the six services", graph: chain(2), alone: unmeasured}
	r := report{facts: []string{"engine 1.2.3"}, tools: allTools(), cpus: 2, failed: []string{"six: no\nsecrets"}}
	r.results = []result{
		{
			stack: s, scenario: cases[0], failed: map[string]string{"mage": "exit status 1"},
			runs: map[string][]once{"mage-fast": {ours, without}, "compose": {peer, peer}},
		},
		{
			stack: s, scenario: cases[3],
			runs: map[string][]once{"mage-fast": {ours}, "compose": {peer}, "compose-restart": {peer}},
		},
		{stack: bare, scenario: cases[1], runs: map[string][]once{"mage-fast": {without}}},
	}
	text := r.markdown()
	if strings.Contains(text, "NaN") {
		t.Error("what is not known is shown as a number")
	}
	golden.Check(t, "report.md", text)
	got := of([]once{ours, without}, func(o once) float64 { return o.critical.seconds })
	if len(got) != 1 || math.IsNaN(got[0]) {
		t.Errorf("rounds without a critical path count: %v", got)
	}
}
