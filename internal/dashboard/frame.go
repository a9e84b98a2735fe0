package dashboard

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// The least size that the view is made for. What is smaller shows the upper left part of it.
const (
	leastWidth  = 40
	leastHeight = 10
)

// frame draws the whole screen: as many lines as it is high, each exactly as wide as it.
func (m *model) frame() string {
	if m.width <= 0 || m.height <= 0 {
		return ""
	}
	p := painter{m.colour}
	lines := make([]string, 0, m.height)
	lines = append(lines, p.paint(m.title(), m.width, false))
	lines = append(lines, m.middle(p)...)
	said := p.paintAll(m.restartLines(), m.width, m.restartHeight())
	lines = append(lines, said...)
	lines = append(lines, p.paint(m.footer(), m.width, false))
	return strings.Join(lines[:min(len(lines), m.height)], "\n")
}

// body is how many lines there are between the title and what a restart says, or the footer.
func (m *model) body() int { return max(0, m.height-2-m.restartHeight()) }

func (m *model) middle(p painter) []string {
	height := m.body()
	switch {
	case m.screen == table:
		return m.overview(p, height)
	case m.screen == detail && m.log.id != "":
		return m.besideLog(p, height)
	}
	lines := m.scrolled()
	return p.paintAll(lines[min(m.offset, max(0, len(lines)-height)):], m.width, height)
}

// scrolled are all lines of a screen that can be scrolled.
func (m *model) scrolled() []line {
	switch m.screen {
	case detail:
		return m.detailLines(m.width, m.body())
	case findings:
		return m.findingLines(m.snapshot.Findings, m.width)
	case help:
		return helpLines(m.width)
	case table:
	}
	return nil
}

// title is the first line: whose containers, when, and how many findings.
func (m *model) title() line {
	out := line{from(m.project, strong)}
	if !m.looked {
		return append(out, own("  looking…", quiet))
	}
	at := m.snapshot.Time.Format("15:04:05")
	if m.lost != nil {
		return append(out, own("  as of "+at, warn), own(", engine lost", bad))
	}
	out = append(out, own("  "+at, ordinary))
	if n := len(m.snapshot.Findings); n > 0 {
		out = append(out, own("  "+plural(n, "finding"), warn))
	}
	if rows := len(m.rows()); m.filter != "" || m.width >= 60 {
		text := "  " + plural(len(m.snapshot.Services), "container")
		if m.filter != "" {
			text = fmt.Sprintf("  %d of %d", rows, len(m.snapshot.Services))
		}
		out = append(out, own(text, quiet))
	}
	if m.width >= 60 {
		out = append(out, own("  every "+m.every.String(), quiet))
		if m.sort != 0 || m.reverse {
			out = append(out, own("  by "+sorts[m.sort].name, quiet))
		}
	}
	return out
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// overview is the table of services, with the findings and the disk below.
func (m *model) overview(p painter, height int) []string {
	rows := m.rows()
	below := m.findingLines(m.snapshot.Findings, m.width)
	var disk []line
	if m.looked && height >= 12 {
		disk = m.diskLines()
	}
	space := height - 1 - len(disk) // for rows and findings
	forRows, forFindings := split(space, len(rows), len(below))
	lines := make([]string, 0, height)
	lines = append(lines, m.tableLines(p, rows, forRows)...)
	if spare := space - forRows - forFindings; spare > 0 {
		lines = append(lines, p.paintAll(nil, m.width, 1)...)
		forFindings = space - forRows - 1
	}
	if len(below) > forFindings && forFindings > 0 {
		more := fmt.Sprintf("   %d more lines: f", len(below)-forFindings+1)
		below = append(below[:forFindings-1], line{own(more, quiet)})
	}
	lines = append(lines, p.paintAll(below, m.width, forFindings)...)
	return append(lines, p.paintAll(disk, m.width, len(disk))...)
}

// split shares lines among rows and findings: each gets what it needs where that is there, else findings get a
// third, and whatever rows don't need.
func split(space, rows, below int) (forRows, forBelow int) {
	space = max(0, space)
	if rows+below <= space {
		return rows, below
	}
	forBelow = min(below, max(space/3, space-rows))
	return space - forBelow, forBelow
}

// tableLines are the header and so many rows, those round the selected one.
func (m *model) tableLines(p painter, rows []monitor.Replica, height int) []string {
	shown := m.fitting(m.snapshot.Services, m.width)
	head := line{own("  ", ordinary)}
	for _, c := range shown {
		title := c.title
		if title == sorts[m.sort].title && m.width >= 60 && m.sort != 0 {
			title = ansi.Truncate(title, c.width-1, "") + "▼"
			if m.reverse {
				title = strings.TrimSuffix(title, "▼") + "▲"
			}
		}
		head = append(head, cell(own(title, strong), c.width, !c.left), own(" ", ordinary))
	}
	out := []string{p.paint(head, m.width, false)}
	first := m.firstRow(rows, height)
	for i := first; i < min(len(rows), first+height); i++ {
		chosen := key(rows[i]) == m.chosen
		row := line{own("  ", ordinary)}
		if chosen {
			row[0].text = "› "
		}
		for _, c := range shown {
			piece := c.show(m, rows[i])
			if m.lost != nil {
				piece.look = quiet
			}
			row = append(row, cell(piece, c.width, !c.left), own(" ", ordinary))
		}
		out = append(out, p.paint(row, m.width, chosen))
	}
	return out
}

// firstRow is the row at the top of a table of that height: the selected one is in sight.
func (m *model) firstRow(rows []monitor.Replica, height int) int {
	if len(rows) <= height || height <= 0 {
		return 0
	}
	at := 0
	for i, r := range rows {
		if key(r) == m.chosen {
			at = i
		}
	}
	return min(max(0, at-height/2), len(rows)-height)
}

// findingLines are the findings, each with its remedy, and before them that the engine is away.
func (m *model) findingLines(all []finding.Finding, width int) []line {
	var out []line
	if m.lost != nil {
		out = wrapped(own(" ✗ ", bad), fmt.Sprintf("the engine is away since %s, and is asked again: %v",
			m.lost.at.Format("15:04:05"), m.lost.err), ordinary, width)
	}
	if !m.looked {
		return out
	}
	for _, f := range all {
		sign, l := " ! ", warn
		if f.Severity == finding.Failure {
			sign, l = " ✗ ", bad
		}
		out = append(out, wrapped(own(sign, l), f.Evidence, ordinary, width)...)
		if f.Remedy != "" {
			out = append(out, wrapped(own("     next: ", quiet), f.Remedy, mark, width)...)
		}
	}
	if len(out) == 0 {
		out = []line{{own(" ✓ ", good), own("nothing is wrong", ordinary)}}
	}
	return out
}

// diskLines say in one line what the engine stores, and how much is free.
func (m *model) diskLines() []line {
	d := m.snapshot.Disk
	out := line{own("disk ", strong)}
	if d.Space != nil {
		l := ordinary
		if d.Space.FreePercent() < 10 {
			l = bad
		}
		out = append(out, own(fmt.Sprintf("%s of %s free (%.0f %%)", ui.Bytes(d.Space.Free), ui.Bytes(d.Space.Total),
			d.Space.FreePercent()), l), own(", ", ordinary))
	}
	switch age := m.snapshot.Time.Sub(d.At); {
	case d.At.IsZero():
		return []line{append(out, own("what the engine stores is not known yet", quiet))}
	case age >= time.Minute:
		out = append(out, own("as of "+monitor.Age(age)+" ago: ", quiet))
	}
	out = append(out, own(fmt.Sprintf("%s reclaimable; images %s, build cache %s, containers %s, volumes %s",
		ui.Bytes(d.Reclaimable()), ui.Bytes(d.Images.Size), ui.Bytes(d.BuildCache.Size), ui.Bytes(d.Containers.Size),
		ui.Bytes(d.Volumes.Size)), ordinary))
	return []line{out}
}

// restartHeight is how many lines the restart's pane has.
func (m *model) restartHeight() int {
	if m.restart.service == "" {
		return 0
	}
	return min(len(m.restartLines()), max(1, m.height/3))
}

// restartLines are what is said of the restart that runs or has run: how it is, and the last lines that it printed.
func (m *model) restartLines() []line {
	r := m.restart
	if r.service == "" {
		return nil
	}
	most := max(1, m.height/3) - 1
	var out []line
	switch {
	case r.running && r.ending:
		out = append(out, line{own("── giving up the restart of ", warn), from(r.service, strong)})
	case r.running:
		out = append(out, line{own("── restarting ", warn), from(r.service, strong)})
	case r.err != nil:
		out = append(out, line{
			own("── the restart of ", bad), from(r.service, strong), own(" failed; Esc closes", bad),
		})
	default:
		out = append(out, line{own("── ", good), from(r.service, strong), own(" is restarted; Esc closes", good)})
	}
	said := r.lines
	if r.err != nil {
		for text := range strings.SplitSeq(r.err.Error(), "\n") {
			said = append(said[:len(said):len(said)], text)
		}
	}
	for _, text := range said[max(0, len(said)-most):] {
		out = append(out, line{own("   ", ordinary), from(text, ordinary)})
	}
	return out
}

// footer shows the keys that mean something now, as many as fit.
func (m *model) footer() line {
	switch {
	case m.restart.asked != "" && m.restart.running:
		return line{own(" the restart of ", warn), from(m.restart.asked, strong), own(" runs: give it up? y/n", warn)}
	case m.restart.asked != "":
		return line{own(" restart ", warn), from(m.restart.asked, strong), own("? y/n", warn)}
	case m.typing:
		return line{own(" /", mark), from(m.filter, strong), own("▏", mark), own("  Enter keeps, Esc clears", quiet)}
	case !m.keys:
		return line{own(" Ctrl-C ends", quiet)}
	}
	out, left := line{own(" ", ordinary)}, m.width-1
	for _, h := range m.hints() {
		need := ansi.StringWidth(h.key) + 1 + ansi.StringWidth(h.does) + 2
		if need-2 > left {
			break
		}
		out = append(out, own(h.key, strong), own(" "+h.does+"  ", quiet))
		left -= need
	}
	return out
}

// hint is a key with what it does.
type hint struct{ key, does string }

// hints are the keys of the screen, the most needed first.
func (m *model) hints() []hint {
	var out []hint
	add := func(when bool, key, does string) {
		if when {
			out = append(out, hint{key, does})
		}
	}
	add(m.screen == table && m.filter == "", "q", "quit")
	add(m.screen != table || m.filter != "", "Esc", "back")
	add(true, "?", "help")
	add(m.screen == table, "Enter", "detail")
	add(m.screen == table, "l", "log")
	add(m.screen == detail, "l", "log on/off")
	add(m.screen == table || m.screen == detail, "r", "restart")
	add(m.screen == detail, "Tab", "next")
	add(m.screen == table, "s", "sort")
	add(m.screen == table, "/", "filter")
	add(m.screen == table && len(m.snapshot.Findings) > 0, "f", "findings")
	add(true, "↑↓", "move")
	return out
}
