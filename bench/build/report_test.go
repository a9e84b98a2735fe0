package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/golden"
)

func TestReport(t *testing.T) {
	var cold, source, export scenario
	for _, sc := range scenarios() {
		switch sc.name {
		case "cold":
			cold = sc
		case "source":
			source = sc
		case "export":
			export = sc
		}
	}
	six := &stack{name: "six", title: "the six services"}
	together := slices.DeleteFunc(allTools(), func(t tool) bool { return t.alone })
	few, many := &stack{title: "5 generated images"}, &stack{title: "80 generated images"}
	r := report{facts: []string{"engine 1.2.3"}, tools: together, results: []result{
		{
			stack: six, scenario: cold,
			times:  map[string][]float64{"mage-fast": {90, 100}, "mage": {95, 105}, "bake": {100, 120}},
			steps:  map[string][]float64{"mage-fast": {80, 90}},
			failed: map[string]string{"compose": "exit status 1: additional privileges\nrequested"},
		},
		{
			stack: six, scenario: source, layer: 1000,
			times: map[string][]float64{"mage-fast": {2}, "mage": {3}, "bake": {8}, "compose": {9}},
			steps: map[string][]float64{"mage-fast": {1.6}, "bake": {2}},
			bytes: map[string]int64{"mage-fast": 1100, "bake": 5000},
		},
		{
			stack: six, scenario: export,
			times: map[string][]float64{"mage-fast": {104.5}, "mage": {110}, "bake": {143}},
		},
	}, growth: []growth{
		{tool: allTools()[0], few: few, many: many, times: [2][]float64{{0.2, 0.25, 0.2}, {1.2, 1.3, 1.4}}},
		{tool: allTools()[2], few: few, many: many, failed: errors.New("exit status 1")},
	}}
	text := r.markdown()
	golden.Check(t, "report.md", text)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| the six services | cold |") && strings.Count(line, "failed") != 1 {
			t.Errorf("the failed peer is not reported as such: %s", line)
		}
	}
	var rows []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") {
			rows = append(rows, line)
		}
	}
	for i, line := range rows[1:5] { // the table of times
		if strings.Count(line, "|") != strings.Count(rows[0], "|") {
			t.Errorf("row %d has other columns than the head: %s", i+1, line)
		}
	}
}
