package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
)

// report is everything that was measured.
type report struct {
	facts   []string
	tools   []tool
	against string // the first of the given programs; "" for none
	cpus    int    // of the machine
	results []result
	failed  []string // stacks that could not be measured
}

// markdown writes the report as the docs include it. It names no path.
func (r report) markdown() string {
	var b strings.Builder
	for _, f := range r.facts {
		b.WriteString("- " + f + "\n")
	}
	b.WriteString("\n")
	r.timesTable(&b)
	r.detailsTable(&b)
	r.derived(&b)
	for _, why := range r.failures() {
		b.WriteString("- failed: " + figures.OneLine(why) + "\n")
	}
	return b.String()
}

// failures says what could not be measured, and why.
func (r report) failures() []string {
	var out []string
	for _, res := range r.results {
		for _, t := range r.tools {
			if why := res.failed[t.name]; why != "" {
				out = append(out, fmt.Sprintf("%s, %s, %s: %s", res.stack.title, res.scenario.title, t.title, why))
			}
		}
	}
	return append(out, r.failed...)
}

// of takes one figure of each round; NaN stands for one that is not known.
func of(runs []once, figure func(once) float64) []float64 {
	var out []float64
	for _, one := range runs {
		if f := figure(one); !math.IsNaN(f) {
			out = append(out, f)
		}
	}
	return out
}

func whole(o once) float64 { return o.seconds }

func (r report) timesTable(b *strings.Builder) {
	head := []string{"stack", "case"}
	for _, t := range r.tools {
		head = append(head, t.title+" (s)")
	}
	pairs := r.pairs()
	for _, p := range pairs {
		head = append(head, p[0].title+" ÷ "+p[1].title)
	}
	figures.Head(b, head)
	for _, res := range r.results {
		cells := []string{res.stack.title, res.scenario.title}
		for _, t := range r.tools {
			cells = append(cells, figures.Spread(of(res.runs[t.name], whole), res.failed[t.name]))
		}
		for _, p := range pairs {
			cells = append(cells, figures.Ratio(of(res.runs[p[0].name], whole), of(res.runs[p[1].name], whole)))
		}
		figures.Row(b, cells)
	}
	b.WriteString("\n")
}

// pairs are each peer with each of ours, and each of ours with the first of the given programs.
func (r report) pairs() [][2]tool {
	var out [][2]tool
	for _, peer := range r.tools {
		for _, t := range r.tools {
			if !peer.ours() && t.ours() || peer.ours() && peer.name != t.name && t.name == r.against {
				out = append(out, [2]tool{peer, t})
			}
		}
	}
	return out
}

// column is a figure of the second table.
type column struct {
	head   string
	format string
	figure func(r result, o once) float64
}

func columns(cpus int) []column {
	machine := func(seconds float64, o once) float64 { return 100 * seconds / (o.seconds * float64(cpus)) }
	engineShare := func(r result, o once) float64 { return machine(float64(o.probes)*r.stack.alone.probe, o) }
	ownShare := func(_ result, o once) float64 { return machine(o.cpu, o) }
	return []column{
		{"whole (s)", "%.2f", func(_ result, o once) float64 { return o.seconds }},
		{"last service ready after (s)", "%.2f", func(_ result, o once) float64 { return o.ready }},
		{"critical path (s)", "%.2f", func(_ result, o once) float64 { return o.critical.seconds }},
		{"whole ÷ critical path", "%.2f", func(_ result, o once) float64 { return o.seconds / o.critical.seconds }},
		{"longest path, calls alone (s)", "%.2f", func(r result, o once) float64 {
			return r.stack.longest(r.scenario, o)
		}},
		{"probes", "%.0f", func(_ result, o once) float64 { return float64(o.probes) }},
		{"CPU of one (ms)", "%.0f", func(r result, _ once) float64 { return 1000 * r.stack.alone.probe }},
		{"probing: engine (% of the machine)", "%.1f", engineShare},
		{"process (% of the machine)", "%.1f", ownShare},
		{"together (%)", "%.1f", func(r result, o once) float64 { return engineShare(r, o) + ownShare(r, o) }},
		{"engine's CPU (s)", "%.2f", func(_ result, o once) float64 { return o.engine }},
		{"and without probes (s)", "%.2f", func(_ result, o once) float64 { return o.critical.cpu }},
		{"peak memory (MiB)", "%.0f", func(_ result, o once) float64 { return float64(o.memory) / (1 << 20) }},
	}
}

// detailsTable has a row for each tool of each case. A figure that was not measured is "–".
func (r report) detailsTable(b *strings.Builder) {
	head := []string{"stack", "case", "tool"}
	for _, c := range columns(r.cpus) {
		head = append(head, c.head)
	}
	figures.Head(b, head)
	for _, res := range r.results {
		for _, t := range r.tools {
			runs := res.runs[t.name]
			if len(runs) == 0 {
				continue
			}
			cells := []string{res.stack.title, res.scenario.title, t.title}
			for _, c := range columns(r.cpus) {
				values := of(runs, func(o once) float64 { return c.figure(res, o) })
				if len(values) == 0 {
					cells = append(cells, "–")
				} else {
					cells = append(cells, fmt.Sprintf(c.format, figures.Median(values)))
				}
			}
			figures.Row(b, cells)
		}
	}
	b.WriteString("\n")
}

// derived are the figures that follow from two cases: a restart of all against a first start, by the same tool and
// by the peers.
func (r report) derived(b *strings.Builder) {
	for _, res := range r.results {
		if res.scenario.name != "restart-all" {
			continue
		}
		i := slices.IndexFunc(r.results, func(o result) bool {
			return o.stack == res.stack && o.scenario.name == "first"
		})
		if i < 0 {
			continue
		}
		for _, t := range r.tools {
			for _, from := range r.tools {
				again := figures.Median(of(res.runs[t.name], whole))
				first := figures.Median(of(r.results[i].runs[from.name], whole))
				compared := t.name == from.name || t.ours() && !from.ours()
				if t.waits && compared && again > 0 && first > 0 {
					fmt.Fprintf(b, "- %s: a restart of all by %s takes %.0f %% of the time of the first start by %s\n",
						res.stack.title, t.title, 100*again/first, from.title)
				}
			}
		}
	}
}
