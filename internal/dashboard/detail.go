package dashboard

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const (
	pairWidth  = 38 // of a label and its value side by side with others, in cells
	labelWidth = 11
	widest     = 180 // of a chart, in cells
	tallest    = 8   // of a chart, in lines
	besideFrom = 100 // cells from which on a log stands beside the figures, not below them
	belowFrom  = 16  // lines from which on there is room for figures above a log
)

// pair is a figure with its label.
type pair struct {
	label string
	value piece
}

// detailLines are all that is known of the selected container.
func (m *model) detailLines(width, height int) []line {
	r, ok := m.replica()
	if !ok {
		service, _, _ := strings.Cut(m.chosen, " ")
		return []line{{from(service, strong), own(" has no such container any more", warn)}}
	}
	out := []line{{from(r.Service, strong), own("  ", ordinary), from(r.StateText(), judged(r))}}
	if r.Verdict.Why != "" {
		out = append(out, wrapped(own("  ", ordinary), r.Verdict.Why, quiet, width)...)
	}
	out = append(out, laidOut(m.pairs(r), width)...)
	of := slices.DeleteFunc(slices.Clone(m.snapshot.Findings),
		func(f finding.Finding) bool { return !slices.Contains(f.Subjects, r.Service) })
	if len(of) > 0 || m.lost != nil {
		out = append(out, m.findingLines(of, width)...)
	}
	for _, g := range r.Log.Groups {
		lead := own(fmt.Sprintf(" %5d × ", g.Count), warn)
		out = append(out, line{lead, from(g.Template, ordinary)})
	}
	return append(out, m.charts(r, width, height-len(out))...)
}

// pairs are the figures of a container.
func (m *model) pairs(r monitor.Replica) []pair {
	var out []pair
	add := func(when bool, label string, value piece) {
		if when {
			out = append(out, pair{label, value})
		}
	}
	text := func(format string, args ...any) piece { return own(fmt.Sprintf(format, args...), ordinary) }
	ran, c := r.Running(), r.Counters
	limit := "no limit"
	if r.CPULimit > 0 {
		limit = fmt.Sprintf("%.0f %% of %s", r.CPULimitPercent, cores(r.CPULimit))
	}
	add(ran, "CPU", text("%s, %s", percent(r.CPUPercent), limit))
	add(ran && r.CPULimit > 0, "held back", counted(true, percent(r.ThrottledPercent)+" of periods", r.HighCPU()))
	limit = "no limit"
	if r.MemoryLimit > 0 {
		limit = fmt.Sprintf("%.0f %% of %s", r.MemoryPercent, ui.Bytes(r.MemoryLimit))
	}
	add(ran, "memory", counted(true, ui.Bytes(r.MemoryUsed)+", "+limit, r.HighMemory()))
	add(c.MemoryUnreclaimable > 0, "kept", text("%s cannot be reclaimed", ui.Bytes(c.MemoryUnreclaimable)))
	add(c.MemoryMax > 0, "at most", text("%s with the file cache", ui.Bytes(c.MemoryMax)))
	add(ran && r.ResponseMS > 0, "check", text("%s", milliseconds(r.ResponseMS)))
	add(r.Answer.Error != "", "answer", from(r.Answer.Error, bad))
	add(r.Answer.Error == "" && !r.Answer.At.IsZero(), "answer",
		from(milliseconds(r.Answer.MS)+" "+r.Answer.Of, ordinary))
	add(!c.Read.IsZero(), "network", text("in %s, out %s", both(c.NetworkReceived, r.Rates.Received),
		both(c.NetworkSent, r.Rates.Sent)))
	add(!c.Read.IsZero(), "disk", text("read %s, written %s", both(c.BlockRead, r.Rates.BlockRead),
		both(c.BlockWritten, r.Rates.BlockWritten)))
	if p := c.Pressure; p != nil {
		add(true, "waits for", text("CPU %.0f %%, memory %.0f %%, I/O %.0f %%", p.CPU.Waiting10, p.Memory.Waiting10,
			p.IO.Waiting10))
	}
	add(c.Processes > 0, "processes", text("%d", c.Processes))
	add(r.Log.Total > 0, "log errors", counted(true, fmt.Sprintf("%d, %.1f a minute", r.Log.Total, r.Log.PerMinute),
		r.Log.PerMinute >= 1))
	add(r.Container != "", "restarts", counted(true, fmt.Sprint(r.Restarts), r.Restarts > 0))
	add(r.Container != "", "OOM kills", counted(true, fmt.Sprint(r.OOMKills), r.OOMKills > 0))
	add(ran, "up", text("%s, since %s", monitor.Age(m.snapshot.Time.Sub(r.Started)),
		r.Started.In(m.snapshot.Time.Location()).Format("01-02 15:04:05")))
	add(!ran && !r.Finished.IsZero(), "ended", text("%s ago, exit code %d",
		monitor.Age(m.snapshot.Time.Sub(r.Finished)), r.ExitCode))
	add(r.HealthOutput != "", "check said", from(r.HealthOutput, bad))
	add(r.Error != "", "error", from(r.Error, bad))
	add(r.Container != "", "container", from(r.Container, ordinary))
	add(r.ID != "", "id", from(r.ID[:min(12, len(r.ID))], ordinary))
	add(r.Source != "", "read from", from(r.Source, ordinary))
	return out
}

// cores is a CPU limit in words.
func cores(n float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.2f", n), ".00") + " cores"
}

// both is a total with its rate.
func both(total int64, perSecond float64) string {
	if perSecond < 1 {
		return ui.Bytes(total)
	}
	return fmt.Sprintf("%s (%s/s)", ui.Bytes(total), ui.Bytes(int64(perSecond)))
}

// laidOut puts pairs side by side, as many as fit; one that is too long for its place has a line, or more, for itself.
func laidOut(pairs []pair, width int) []line {
	across := max(1, width/pairWidth)
	each := width / across
	var out []line
	var row line
	flush := func() {
		if len(row) > 0 {
			out = append(out, row)
		}
		row = nil
	}
	var long []pair
	for _, p := range pairs {
		if ansi.StringWidth(p.value.text) > each-labelWidth-3 {
			long = append(long, p)
			continue
		}
		row = append(row, cell(own("  "+p.label, quiet), labelWidth+2, false), cell(p.value, each-labelWidth-2, false))
		if len(row) == 2*across {
			flush()
		}
	}
	flush()
	for _, p := range long {
		lead := cell(own("  "+p.label, quiet), labelWidth+2, false)
		out = append(out, wrapped(lead, p.value.text, p.value.look, width)...)
	}
	return out
}

// charts are the last hour of a container in what is left of the height, but at least two lines each.
func (m *model) charts(r monitor.Replica, width, height int) []line {
	p := m.past[key(r)]
	if p == nil {
		return nil
	}
	type chart struct {
		title string
		top   float64 // the value that fills it, where the figure has a limit
		write func(float64) string
		of    *series
	}
	all := []chart{
		{"CPU", 100 * r.CPULimit, percent, &p.figures[cpuFigure]},
		{"memory", float64(r.MemoryLimit), bytesOf, &p.figures[memoryFigure]},
		{"answer", 0, milliseconds, &p.figures[answerFigure]},
	}
	parts := min(width-2, widest)
	all = slices.DeleteFunc(all, func(c chart) bool {
		_, mean, _ := c.of.reach(m.snapshot.Time, 1)
		return math.IsNaN(mean)
	})
	if len(all) == 0 || parts < 1 {
		return nil
	}
	rows := min(tallest, max(1, (height-1)/len(all)-1))
	var out []line
	for _, c := range all {
		means, mean, peak := c.of.reach(m.snapshot.Time, parts)
		top := peak
		of := ""
		if c.top > 0 && peak >= c.top/4 { // so that the limit is seen in the drawing
			top, of = max(c.top, peak), ", the limit is the top"
		}
		out = append(out, line{
			own("  "+c.title, strong),
			own(fmt.Sprintf("  mean %s, peak %s%s", c.write(mean), c.write(peak), of), quiet),
		})
		for _, drawn := range ui.Bars(means, cmp.Or(top, 1), rows) {
			out = append(out, line{own("  ", ordinary), own(drawn, mark)})
		}
	}
	left, right := "  an hour ago", "now"
	return append(out, line{own(left+strings.Repeat(" ", max(1, parts+2-len(left)-len(right)))+right, quiet)})
}

func bytesOf(v float64) string { return ui.Bytes(int64(v)) }

// besideLog is the detail with the container's log: beside it, below it, or the log alone where neither has room.
func (m *model) besideLog(p painter, height int) []string {
	if m.width >= besideFrom {
		left := m.width/2 - 1
		figures := p.paintAll(m.detailLines(left, height), left, height)
		log := p.paintAll(m.logLines(m.width-left-3, height), m.width-left-3, height)
		for i := range figures {
			figures[i] += p.paint(line{own(" │ ", quiet)}, 3, false) + log[i]
		}
		return figures
	}
	above := 0
	if height >= belowFrom {
		above = height / 2
	}
	out := p.paintAll(m.detailLines(m.width, above), m.width, above)
	return append(out, p.paintAll(m.logLines(m.width, height-above), m.width, height-above)...)
}

// logLines are the last lines of the log that fit, or those to which it was scrolled back.
func (m *model) logLines(width, height int) []line {
	r, _ := m.replica()
	head := line{own("── log of ", quiet), from(cmp.Or(r.Container, r.Service), strong)}
	if m.log.up > 0 {
		head = append(head, own(fmt.Sprintf("  %d lines further", m.log.up), warn))
	}
	lines := m.log.lines[:max(0, len(m.log.lines)-m.log.up)]
	var below []line
	if m.log.ended != "" && m.log.up == 0 {
		below = wrapped(own("── ", quiet), m.log.ended, warn, width)
	}
	space := max(0, height-1-len(below))
	var shown []line
	for _, text := range lines[max(0, len(lines)-space):] { // each has one line at least
		shown = append(shown, wrapped(own("", ordinary), text, ordinary, width)...)
	}
	out := append([]line{head}, shown[max(0, len(shown)-space):]...)
	return append(out, below...)
}
