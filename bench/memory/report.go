package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/bench/internal/figures"
)

// report is what was measured: a map of each round, by arm.
type report struct {
	config config
	rounds []map[string]figuresOfRun
	facts  string
}

// line is one quantity of the table.
type line struct {
	title string
	of    func(figuresOfRun) float64
	ratio bool // whether its ratio to the first arm is shown
}

var lines = []line{
	{"U, peak under load, MiB", func(f figuresOfRun) float64 { return f.peak }, true},
	{"U, 95th percentile under load, MiB", func(f figuresOfRun) float64 { return f.p95 }, true},
	{"U, mean when idle, MiB", func(f figuresOfRun) float64 { return f.idle }, true},
	{"U, MiB·s a conversation", func(f figuresOfRun) float64 { return f.perTalk }, true},
	{"P, peak under load, MiB", func(f figuresOfRun) float64 { return f.sharePeak }, true},
	{"P, mean when idle, MiB", func(f figuresOfRun) float64 { return f.shareIdle }, true},
	{"W, peak under load, MiB", func(f figuresOfRun) float64 { return f.workingPeak }, false},
	{"W, mean when idle, MiB", func(f figuresOfRun) float64 { return f.workingIdle }, false},
	{"C when idle, MiB", func(f figuresOfRun) float64 { return f.cache }, false},
	{"a conversation, s", func(f figuresOfRun) float64 { return f.talk }, true},
	{"words right, worst conversation", func(f figuresOfRun) float64 { return f.ratio }, false},
	{"CPU of the load, s", func(f figuresOfRun) float64 { return f.cpu }, true},
}

// markdown is the report.
func (r report) markdown() string {
	var b strings.Builder
	c := r.config
	fmt.Fprintf(&b,
		"%s. %d rounds, each arm once a round, in alternating order; a run: the stack made anew, one conversation "+
			"to warm up, %d conversations with %d at a time, %s idle (its last half counts). Medians (least–most); "+
			"ratio to %s: of the medians of the rounds' ratios, with its paired bootstrap 95 %% interval.\n\n",
		r.facts, len(r.rounds), c.conversations, c.atOnce, c.idle, c.arms[0])
	head := []string{""}
	for i, arm := range c.arms {
		head = append(head, arm+": "+armTitles[arm])
		if i > 0 {
			head = append(head, arm+" ÷ "+c.arms[0])
		}
	}
	figures.Head(&b, head)
	for _, l := range lines {
		first := r.values(c.arms[0], l.of)
		row := []string{l.title}
		for i, arm := range c.arms {
			row = append(row, figures.Spread(r.values(arm, l.of), ""))
			switch {
			case i > 0 && l.ratio:
				row = append(row, interval(figures.Ratios(r.values(arm, l.of), first)))
			case i > 0:
				row = append(row, "")
			}
		}
		figures.Row(&b, row)
	}
	b.WriteString("\nU by service, medians, peak / idle, MiB:\n\n")
	figures.Head(&b, append([]string{""}, c.arms...))
	for _, service := range r.services() {
		row := []string{service}
		for _, arm := range c.arms {
			row = append(row, fmt.Sprintf("%.1f / %.1f",
				figures.Median(r.values(arm, func(f figuresOfRun) float64 { return f.servicePeak[service] })),
				figures.Median(r.values(arm, func(f figuresOfRun) float64 { return f.serviceIdle[service] }))))
		}
		figures.Row(&b, row)
	}
	return b.String()
}

// values are the rounds' values of an arm.
func (r report) values(arm string, of func(figuresOfRun) float64) []float64 {
	var values []float64
	for _, round := range r.rounds {
		values = append(values, of(round[arm]))
	}
	return values
}

// services are the names of the services that were sampled.
func (r report) services() []string {
	if len(r.rounds) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(r.rounds[0][r.config.arms[0]].servicePeak))
}

// interval shows the median of the rounds' ratios with its bounds.
func interval(ratios []float64) string {
	if len(ratios) == 0 {
		return "–"
	}
	low, high := figures.Bootstrap(ratios)
	return fmt.Sprintf("%.3f (%.3f–%.3f)", figures.Median(ratios), low, high)
}
