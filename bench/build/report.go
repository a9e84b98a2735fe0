package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
)

// report is everything that was measured.
type report struct {
	facts   []string
	tools   []tool
	results []result
	growth  []growth
}

// markdown writes the report as the docs include it. It names no path.
func (r report) markdown() string {
	var b strings.Builder
	for _, f := range r.facts {
		b.WriteString("- " + f + "\n")
	}
	b.WriteString("\n")
	r.timesTable(&b)
	r.bytesTable(&b)
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
	for _, g := range r.growth {
		if g.failed != nil {
			out = append(out, fmt.Sprintf("%s after %s, %s: %v", g.many.title, g.few.title, g.tool.title, g.failed))
		}
	}
	return out
}

func (r report) timesTable(b *strings.Builder) {
	head := []string{"stack", "case"}
	for _, t := range r.tools {
		head = append(head, t.title+" (s)")
	}
	pairs := r.pairs()
	for _, p := range pairs {
		head = append(head, p[0].title+" ÷ "+p[1].title)
	}
	var telling []tool
	for _, t := range r.tools {
		if t.steps {
			telling = append(telling, t)
			head = append(head, "RUN steps of "+t.title+" (s)", t.title+" ÷ its RUN steps")
		}
	}
	figures.Head(b, head)
	for _, res := range r.results {
		cells := []string{res.stack.title, res.scenario.title}
		for _, t := range r.tools {
			cells = append(cells, figures.Spread(res.times[t.name], res.failed[t.name]))
		}
		for _, p := range pairs {
			cells = append(cells, figures.Ratio(res.times[p[0].name], res.times[p[1].name]))
		}
		for _, t := range telling {
			steps := res.steps[t.name]
			if res.scenario.change != "source" {
				steps = nil // of a cold build it is no compile step, and without a change there is none
			}
			cells = append(cells, figures.Spread(steps, ""), figures.Ratio(res.times[t.name], steps))
		}
		figures.Row(b, cells)
	}
	b.WriteString("\n")
}

// bytesTable shows what went to the engine, where that was counted.
func (r report) bytesTable(b *strings.Builder) {
	var counted []tool
	for _, t := range r.tools {
		if slices.ContainsFunc(r.results, func(res result) bool { _, ok := res.bytes[t.name]; return ok }) {
			counted = append(counted, t)
		}
	}
	if len(counted) == 0 {
		return
	}
	head := []string{"stack", "case"}
	for _, t := range counted {
		head = append(head, "bytes to the engine, "+t.title)
	}
	head = append(head, "layers that changed (bytes)")
	figures.Head(b, head)
	for _, res := range r.results {
		if len(res.bytes) == 0 {
			continue
		}
		cells := []string{res.stack.title, res.scenario.title}
		for _, t := range counted {
			cells = append(cells, count(res.bytes[t.name]))
		}
		figures.Row(b, append(cells, count(res.layer)))
	}
	b.WriteString("\n")
}

// derived are the figures that follow from two cases, or from two stacks.
func (r report) derived(b *strings.Builder) {
	for _, t := range r.tools {
		for _, res := range r.results {
			now := figures.Median(res.times[t.name])
			if cold := r.median(res.stack.name, "cold", t); cold > 0 && now > 0 {
				switch res.scenario.name {
				case "export":
					fmt.Fprintf(b, "- %s, %s: writing the cache adds %.0f %% to a cold build\n",
						res.stack.title, t.title, 100*(now/cold-1))
				case "fresh", "fresh-one":
					fmt.Fprintf(b, "- %s, %s: %s takes %.1f %% of a cold build\n",
						res.stack.title, t.title, res.scenario.title, 100*now/cold)
				}
			}
		}
	}
	for _, g := range r.growth {
		if len(g.times[1]) > 0 {
			fmt.Fprintf(b, "- %s: %s that are unchanged take %s times as long as %s, built by turns: %s and %s s\n",
				g.tool.title, g.many.title, figures.Ratio(g.times[1], g.times[0]), g.few.title,
				figures.Spread(g.times[1], ""), figures.Spread(g.times[0], ""))
		}
	}
}

// median is that of a case on a stack, 0 where there is none.
func (r report) median(stack, name string, t tool) float64 {
	for _, res := range r.results {
		if res.stack.name == stack && res.scenario.name == name {
			return figures.Median(res.times[t.name])
		}
	}
	return 0
}

func (r report) ours() []tool {
	return slices.DeleteFunc(slices.Clone(r.tools), func(t tool) bool { return t.prefix != "bench-mage" })
}

// pairs are each peer with each of ours.
func (r report) pairs() [][2]tool {
	var out [][2]tool
	for _, peer := range r.tools {
		for _, t := range r.ours() {
			if peer.prefix != t.prefix {
				out = append(out, [2]tool{peer, t})
			}
		}
	}
	return out
}

func count(n int64) string {
	if n == 0 {
		return "–"
	}
	return fmt.Sprint(n)
}
