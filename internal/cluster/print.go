package cluster

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Print writes a table of the nodes with their room, one of what they are and have, and what is wrong.
func (r Report) Print(out *ui.Out) {
	var rooms, contents [][]string
	for _, n := range r.Nodes {
		rooms = append(rooms, []string{
			n.Name, n.Role, n.state(), of(number(n.CPUs-n.ReservedCPUs), number(n.CPUs)),
			of(ui.Bytes(max(0, n.Memory-n.ReservedMemory)), ui.Bytes(n.Memory)), n.tasks(),
		})
		for _, line := range n.lines() {
			contents = append(contents, append([]string{n.Name}, line...))
		}
	}
	ui.Table(out.Writer(), []string{"NODE", "ROLE", "STATE", "FREE CPUS", "FREE MEMORY", "TASKS"}, rooms)
	ui.Fprintf(out.Writer(), "\n")
	ui.Table(out.Writer(), []string{"NODE", "HAS", ""}, contents)
	for _, f := range r.Findings {
		say := out.Warn
		if f.Severity == finding.Info {
			say = out.Info
		}
		say("%s", f.Evidence)
		if f.Remedy != "" {
			out.Info("  next: %s", f.Remedy)
		}
	}
}

func of(free, total string) string { return free + " of " + total }

func number(n float64) string { return strconv.FormatFloat(max(0, n), 'g', 4, 64) }

// state is one word, in the colour of how good it is.
func (n NodeReport) state() string {
	switch {
	case n.State != "ready":
		return ui.Red(n.State)
	case n.Availability == "active":
		return ui.Green("ready")
	case n.Availability == "drain":
		return ui.Yellow("drained")
	}
	return ui.Yellow("paused")
}

// tasks counts those of all stacks.
func (n NodeReport) tasks() string {
	var all StackReport
	for _, s := range n.Stacks {
		all.Running, all.Coming, all.Failed = all.Running+s.Running, all.Coming+s.Coming, all.Failed+s.Failed
	}
	return all.counts()
}

func (s StackReport) counts() string {
	var out []string
	for _, part := range []struct {
		n     int
		words string
	}{{s.Running, "running"}, {s.Coming, "starting"}, {s.Failed, "failed"}} {
		if part.n > 0 {
			out = append(out, strconv.Itoa(part.n)+" "+part.words)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// lines are what the node is and has: of what, and what.
func (n NodeReport) lines() [][]string {
	engine := n.Engine + ", " + n.Platform
	if n.Address != "" {
		engine += ", at " + n.Address
	}
	out := [][]string{{"engine", engine}}
	for _, g := range n.Resources {
		out = append(out, []string{g.Kind, of(strconv.FormatInt(max(0, g.Total-g.Reserved), 10),
			strconv.FormatInt(g.Total, 10)) + " free"})
	}
	for _, labels := range []struct {
		name string
		all  map[string]string
	}{{"labels", n.Labels}, {"engine's labels", n.EngineLabels}} {
		var pairs []string
		for _, key := range slices.Sorted(maps.Keys(labels.all)) {
			pairs = append(pairs, key+"="+labels.all[key])
		}
		if len(pairs) > 0 {
			out = append(out, []string{labels.name, strings.Join(pairs, " ")})
		}
	}
	if len(n.Volumes) > 0 {
		out = append(out, []string{"volumes", strings.Join(n.Volumes, " ")})
	}
	for _, s := range n.Stacks {
		name := "stack " + s.Stack
		if s.Stack == "" {
			name = "no stack"
		}
		out = append(out, []string{name, s.counts()})
	}
	return out
}
