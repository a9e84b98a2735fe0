package projects

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// mostSaid is how many findings are printed; JSON has them all.
const mostSaid = 20

// Print writes a line for each project, and what is wrong with it.
func (r Report) Print(out *ui.Out) {
	header, row := statusHeader, Project.statusRow
	if r.resources {
		header, row = resourcesHeader, Project.resourcesRow
	}
	rows := make([][]string, 0, len(r.Projects))
	for _, p := range r.Projects {
		rows = append(rows, row(p))
	}
	if len(rows) == 0 {
		out.Info("no containers, and no volumes or networks of a Compose project, on this engine")
	} else {
		ui.Table(out.Writer(), header, rows)
	}
	r.printSums(out)
	said := 0
	for _, p := range r.Projects {
		for _, f := range p.Findings {
			if said++; said > mostSaid {
				continue
			}
			say := out.Warn
			if f.Severity == finding.Info {
				say = out.Info
			}
			say("%s: %s", p.title(), f.Evidence)
			if f.Remedy != "" {
				out.Info("  next: %s", f.Remedy)
			}
		}
	}
	if said > mostSaid {
		out.Info("and %d more: -json has them all", said-mostSaid)
	}
}

func (r Report) printSums(out *ui.Out) {
	var containers, running int
	var memory int64
	for _, p := range r.Projects {
		containers, running = containers+p.Containers, running+p.Running
		memory += max(0, p.MemoryUsed)
	}
	text := fmt.Sprintf("%d of %d containers run", running, containers)
	if memory > 0 {
		text += fmt.Sprintf(", in %s of %s", ui.Bytes(memory), ui.Bytes(r.Memory))
	}
	if r.Space != nil {
		text += fmt.Sprintf("; %s of %s free in %s", ui.Bytes(r.Space.Free), ui.Bytes(r.Space.Total), r.Root)
	}
	ui.Fprintf(out.Writer(), "%s\n", text)
}

var (
	statusHeader    = []string{"PROJECT", "SERVICES", "MEMORY", "DISK", "PORTS", "FOLDER"}
	resourcesHeader = []string{"PROJECT", "CPU", "MEMORY", "LIMIT", "IMAGES", "VOLUMES", "LAYERS", "LOGS"}
)

func (p Project) title() string { return cmp.Or(p.Name, "(no project)") }

// coloured is the project's name by its state, for a terminal.
func (p Project) coloured(text string) string {
	switch {
	case !p.Fine:
		return ui.Red(text)
	case p.State == StateRunning && p.FineServices == p.Services:
		return ui.Green(text)
	}
	return text
}

func (p Project) statusRow() []string {
	disk := "-"
	if bytes, whole := p.Disk(); whole {
		disk = ui.Bytes(bytes)
	} else if bytes > 0 {
		disk = "> " + ui.Bytes(bytes)
	}
	folders := make([]string, 0, len(p.Folders))
	for _, f := range p.Folders {
		text := f.Path
		if f.Gone {
			text += " (gone)"
		}
		folders = append(folders, text)
	}
	return []string{
		p.title(), p.coloured(p.services()), p.memory(), disk, cmp.Or(shortPorts(p.Ports), "-"),
		cmp.Or(strings.Join(folders, ", "), "-"),
	}
}

// services is how many are as they should be, or that none runs.
func (p Project) services() string {
	switch p.State {
	case StateLeft:
		return cmp.Or(count(p.Volumes, "volume"), count(p.Networks, "network"))
	case StateStopped:
		return fmt.Sprintf("%d stopped", p.Services)
	case StateFailed:
		return fmt.Sprintf("%d down", p.Services)
	}
	return fmt.Sprintf("%d of %d", p.FineServices, p.Services)
}

func count(n int, what string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (p Project) memory() string {
	if p.Running == 0 {
		return "-"
	}
	return size(p.MemoryUsed)
}

// size is a size that may not be known.
func size(n int64) string {
	if n < 0 {
		return "?"
	}
	return ui.Bytes(n)
}

func (p Project) resourcesRow() []string {
	cpu, limit := "-", "-"
	if p.Running > 0 {
		cpu = fmt.Sprintf("%.1f %%", p.CPUPercent)
	}
	if p.MemoryLimit > 0 {
		limit = ui.Bytes(p.MemoryLimit)
	}
	return []string{
		p.coloured(p.title()), cpu, p.memory(), limit, size(p.ImageBytes), size(p.VolumeBytes),
		size(p.ContainerBytes), size(p.LogBytes),
	}
}

// shortPorts are the host's ports alone, each once, in order. One that is reached from other machines has a star.
func shortPorts(published []string) string {
	open := map[int]bool{}
	for _, text := range published {
		host, _, _ := strings.Cut(text, "->")
		at := strings.LastIndexByte(host, ':')
		port, err := strconv.Atoi(host[at+1:])
		if err != nil {
			continue
		}
		loopback := strings.HasPrefix(host, "127.") || strings.HasPrefix(host, "[::1]")
		open[port] = open[port] || !loopback
	}
	var out []string
	for _, port := range sortedKeys(open) {
		text := strconv.Itoa(port)
		if open[port] {
			text = "*" + text
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func sortedKeys(of map[int]bool) []int {
	out := make([]int, 0, len(of))
	for key := range of {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// PrintLine writes the report as lines that are appended to a log: one a project.
func (r Report) PrintLine(out *ui.Out) {
	stamp := r.Time.Format(time.TimeOnly)
	for _, p := range r.Projects {
		ui.Fprintf(out.Writer(), "%s %s %s running=%d/%d cpu=%.1f%% memory=%s restarts=%d oom=%d\n", stamp, p.title(),
			p.State, p.Running, p.Containers, p.CPUPercent, p.memory(), p.Restarts, p.OOMKills)
		for _, f := range p.Findings {
			ui.Fprintf(out.Writer(), "%s ! %s: %s\n", stamp, p.title(), f.Evidence)
		}
	}
}

// Next is the command that helps where the report is not fine.
func (r Report) Next() string {
	for _, p := range r.Projects {
		for _, f := range p.Findings {
			if !p.Fine && f.Severity != finding.Info {
				return f.Remedy
			}
		}
	}
	return ""
}
