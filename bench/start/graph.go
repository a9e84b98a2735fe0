package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// edge is a dependency and what of it is awaited: that it is ready, or only that it was started.
type edge struct {
	on      string
	started bool
}

// node is a service and what it waits for.
type node struct {
	name  string
	after []edge
}

// graph is a stack's services, dependencies before dependants.
type graph []node

// cost is what one service takes, in seconds: the engine's start of its container, and from there until it is
// ready.
type cost struct{ start, ready float64 }

// longest gives the seconds of the chain of starts and readiness that takes longest, and its services: no start can
// be shorter, however many run beside each other.
func (g graph) longest(costs map[string]cost) (seconds float64, path []string) {
	type reached struct {
		started, ready float64
		before         string
	}
	at := map[string]reached{}
	last := ""
	for _, n := range g {
		r := reached{}
		for _, e := range n.after {
			t := at[e.on].ready
			if e.started {
				t = at[e.on].started
			}
			if t > r.started {
				r.started, r.before = t, e.on
			}
		}
		r.started += costs[n.name].start
		r.ready = r.started + costs[n.name].ready
		at[n.name] = r
		if last == "" || r.ready > at[last].ready {
			last = n.name
		}
	}
	seconds = at[last].ready
	for name := last; name != ""; name = at[name].before {
		path = append(path, name)
	}
	slices.Reverse(path)
	return seconds, path
}

// names are the services in the graph's order.
func (g graph) names() []string {
	out := make([]string, len(g))
	for i, n := range g {
		out[i] = n.name
	}
	return out
}

// makeGraph reads "chain-N", "fan-N" or "mixed-N" and gives N services and a title.
func makeGraph(name string) (graph, string, error) {
	kind, number, _ := strings.Cut(name, "-")
	n, err := strconv.Atoi(number)
	build, ok := map[string]func(int) graph{"chain": chain, "fan": fan, "mixed": mixed}[kind]
	if err != nil || !ok || n < 1 || n > 200 {
		const known = "six nor chain-N, fan-N or mixed-N with N from 1 to 200"
		return nil, "", fmt.Errorf("reading -stacks: %q is neither "+known, name)
	}
	title := map[string]string{"chain": "a chain of %d", "fan": "a fan of %d", "mixed": "a mixed graph of %d"}[kind]
	return build(n), fmt.Sprintf(title, n), nil
}

func number(i int) string { return fmt.Sprintf("s%02d", i) }

// chain has each service wait for the one before.
func chain(n int) graph {
	g := graph{{name: number(0)}}
	for i := 1; i < n; i++ {
		g = append(g, node{name: number(i), after: []edge{{on: number(i - 1)}}})
	}
	return g
}

// fan has all services wait for the first.
func fan(n int) graph {
	g := graph{{name: number(0)}}
	for i := 1; i < n; i++ {
		g = append(g, node{name: number(i), after: []edge{{on: number(0)}}})
	}
	return g
}

// mixed is four layers: a tenth of the services stand alone, as databases do, three tenths wait for one or two of
// those, four tenths for two of the second layer, and the rest for three of the third; every fifth wait is only for
// the start.
func mixed(n int) graph {
	layers := []struct{ end, waits int }{{max(1, n/10), 0}, {max(1, n*4/10), 2}, {max(1, n*8/10), 2}, {n, 3}}
	var g graph
	waits, from, below := 0, 0, 0 // below is where the layer before begins
	for _, layer := range layers {
		for i := from; i < layer.end; i++ {
			one := node{name: number(i)}
			for w := range min(layer.waits, from-below) {
				on := number(below + (i*layer.waits+w)%(from-below))
				waits++
				one.after = append(one.after, edge{on: on, started: waits%5 == 0})
			}
			g = append(g, one)
		}
		if layer.end > from {
			below, from = from, layer.end
		}
	}
	return g
}

// graphOf orders a project's services.
func graphOf(project *types.Project) graph {
	var g graph
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		service, ok := project.Services[name]
		if !ok || seen[name] {
			return
		}
		seen[name] = true
		one := node{name: name}
		for _, on := range service.GetDependencies() {
			visit(on)
			started := service.DependsOn[on].Condition == types.ServiceConditionStarted
			one.after = append(one.after, edge{on: on, started: started})
		}
		g = append(g, one)
	}
	for _, name := range project.ServiceNames() {
		visit(name)
	}
	return g
}
