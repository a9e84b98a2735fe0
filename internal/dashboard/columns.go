package dashboard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// column is one of the table. Columns have fixed widths, so that nothing moves when a number grows.
type column struct {
	title string
	width int // in cells; of the first column the least
	left  bool
	rank  int // the columns of the lowest ranks are shown where not all fit
	show  func(m *model, r monitor.Replica) piece
}

// lastRank is the highest rank.
const lastRank = 15

// basic is the highest rank that is shown however narrow the terminal is.
const basic = 2

// gaugeWidth is how many cells a bar has.
const gaugeWidth = 3

// nameWidth is how much of a service's name is shown before further columns are, in cells.
const nameWidth = 16

var columns = []column{
	{title: "SERVICE", width: 10, left: true, show: showName},
	{title: "STATE", width: 9, left: true, show: showState},
	{title: "CPU", width: 6, rank: 1, show: sampled(func(r monitor.Replica) piece {
		return own(percent(r.CPUPercent), ordinary)
	})},
	{title: "OF LIMIT", width: 9, left: true, rank: 4, show: sampled(func(r monitor.Replica) piece {
		return share(r.CPULimitPercent, r.CPULimit > 0, r.HighCPU())
	})},
	{title: "CORES", width: 5, rank: 15, show: func(_ *model, r monitor.Replica) piece {
		return counted(r.CPULimit > 0, strings.TrimSuffix(cores(r.CPULimit), " cores"), false)
	}},
	{title: "HELD", width: 5, rank: 14, show: running(func(r monitor.Replica) piece {
		return counted(r.CPULimit > 0, percent(r.ThrottledPercent), r.HighCPU())
	})},
	{title: "MEMORY", width: 8, rank: 2, show: running(func(r monitor.Replica) piece {
		return own(ui.Bytes(r.MemoryUsed), ordinary)
	})},
	{title: "OF LIMIT", width: 9, left: true, rank: 3, show: running(func(r monitor.Replica) piece {
		return share(r.MemoryPercent, r.MemoryLimit > 0, r.HighMemory())
	})},
	{title: "LIMIT", width: 7, rank: 13, show: func(_ *model, r monitor.Replica) piece {
		return counted(r.MemoryLimit > 0, ui.Bytes(r.MemoryLimit), false)
	}},
	{title: "CHECK", width: 7, rank: 8, show: running(func(r monitor.Replica) piece {
		return counted(r.ResponseMS > 0, milliseconds(r.ResponseMS), false)
	})},
	{title: "ANSWER", width: 7, rank: 7, show: running(showAnswer)},
	{title: "IN/S", width: 7, rank: 9, show: running(func(r monitor.Replica) piece {
		return counted(r.Rates.Seconds > 0, rate(r.Rates.Received), false)
	})},
	{title: "OUT/S", width: 7, rank: 9, show: running(func(r monitor.Replica) piece {
		return counted(r.Rates.Seconds > 0, rate(r.Rates.Sent), false)
	})},
	{title: "READ/S", width: 7, rank: 12, show: running(func(r monitor.Replica) piece {
		return counted(r.Rates.Seconds > 0, rate(r.Rates.BlockRead), false)
	})},
	{title: "WRITE/S", width: 7, rank: 12, show: running(func(r monitor.Replica) piece {
		return counted(r.Rates.Seconds > 0, rate(r.Rates.BlockWritten), false)
	})},
	{title: "ERR/M", width: 5, rank: 10, show: func(_ *model, r monitor.Replica) piece {
		return counted(r.Log.Total > 0, fmt.Sprintf("%.0f", r.Log.PerMinute), r.Log.PerMinute >= 1)
	}},
	{title: "RST", width: 3, rank: 5, show: func(_ *model, r monitor.Replica) piece {
		return counted(r.Container != "", fmt.Sprint(r.Restarts), r.Restarts > 0)
	}},
	{title: "OOM", width: 3, rank: 5, show: func(_ *model, r monitor.Replica) piece {
		return counted(r.Container != "", fmt.Sprint(r.OOMKills), r.OOMKills > 0)
	}},
	{title: "UP", width: 4, rank: 6, show: func(m *model, r monitor.Replica) piece {
		return counted(r.Running(), monitor.Age(m.snapshot.Time.Sub(r.Started)), false)
	}},
	{
		title: "CPU, LAST HOUR", width: sparkWidth, left: true, rank: 11,
		show: func(m *model, r monitor.Replica) piece { return m.spark(r, cpuFigure) },
	},
	{
		title: "MEMORY, LAST HOUR", width: sparkWidth, left: true, rank: 11,
		show: func(m *model, r monitor.Replica) piece { return m.spark(r, memoryFigure) },
	},
}

// running is show for figures that only a running container has.
func running(show func(monitor.Replica) piece) func(*model, monitor.Replica) piece {
	return func(_ *model, r monitor.Replica) piece {
		if !r.Running() {
			return own("-", quiet)
		}
		return show(r)
	}
}

// sampled is running for figures that take two samples: the first look has one.
func sampled(show func(monitor.Replica) piece) func(*model, monitor.Replica) piece {
	return running(func(r monitor.Replica) piece {
		if r.Rates.Seconds == 0 {
			return own("…", quiet)
		}
		return show(r)
	})
}

func showName(_ *model, r monitor.Replica) piece {
	name := r.Service
	if r.Orphan {
		name += " (orphan)"
	}
	return from(name, ordinary)
}

func showState(_ *model, r monitor.Replica) piece { return from(short(r), judged(r)) }

// short is the state in as few cells as its column has.
func short(r monitor.Replica) string {
	switch {
	case r.Verdict.Condition == container.Looping:
		return string(container.Looping)
	case r.State == "exited" && r.Verdict.Condition != container.Done:
		return fmt.Sprintf("exit %d", r.ExitCode)
	}
	return r.StateText()
}

func judged(r monitor.Replica) look {
	switch r.Judgement() {
	case monitor.Good:
		return good
	case monitor.Wait:
		return warn
	case monitor.Bad:
		return bad
	case monitor.Neither:
	}
	return ordinary
}

func showAnswer(r monitor.Replica) piece {
	switch {
	case r.Answer.Error != "":
		return own("none", bad)
	case r.Answer.At.IsZero():
		return own("-", quiet)
	}
	return own(milliseconds(r.Answer.MS), ordinary)
}

// sparkWidth is how many cells the last hour has in the table.
const sparkWidth = 20

// spark is the last hour of a figure in one line, of its own peak.
func (m *model) spark(r monitor.Replica, f figure) piece {
	p := m.past[key(r)]
	if p == nil {
		return own("", ordinary)
	}
	means, _, peak := p.figures[f].reach(m.snapshot.Time, sparkWidth)
	return own(ui.Sparkline(means, cmp.Or(peak, 1)), mark)
}

// counted is a number, or a dash where there is none.
func counted(there bool, text string, high bool) piece {
	switch {
	case !there:
		return own("-", quiet)
	case high:
		return own(text, bad)
	}
	return own(text, ordinary)
}

// share is a part of a limit as a bar with its percentage; without a limit it is of the machine, and quiet.
func share(of float64, limited, high bool) piece {
	text := cell(own(fmt.Sprintf("%.0f %%", of), ordinary), 5, true).text
	switch {
	case high:
		return own(gauge(of, gaugeWidth)+" "+text, bad)
	case !limited:
		return own(strings.Repeat(" ", gaugeWidth+1)+text, quiet)
	}
	return own(gauge(of, gaugeWidth)+" "+text, ordinary)
}

func percent(v float64) string {
	if v < 9.95 {
		return fmt.Sprintf("%.1f %%", v)
	}
	return fmt.Sprintf("%.0f %%", v)
}

func milliseconds(ms float64) string {
	switch {
	case ms < 9.95:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// rate is a number of bytes a second in at most seven cells.
func rate(bytes float64) string {
	unit := 0
	for ; bytes >= 1024 && unit < 3; unit++ {
		bytes /= 1024
	}
	name := [...]string{"B", "KiB", "MiB", "GiB"}[unit]
	if bytes < 9.95 && unit > 0 {
		return fmt.Sprintf("%.1f%s", bytes, name)
	}
	return fmt.Sprintf("%.0f%s", bytes, name)
}

// sorts are the orders of the table, each with the title of its column.
var sorts = []struct {
	name, title string
	less        func(a, b monitor.Replica) int
}{
	{"name", "SERVICE", func(a, b monitor.Replica) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Container, b.Container))
	}},
	{"CPU", "CPU", func(a, b monitor.Replica) int { return cmp.Compare(b.CPUPercent, a.CPUPercent) }},
	{"memory", "MEMORY", func(a, b monitor.Replica) int { return cmp.Compare(b.MemoryUsed, a.MemoryUsed) }},
	{"state", "STATE", func(a, b monitor.Replica) int { return cmp.Compare(b.Judgement(), a.Judgement()) }},
	{"answer", "ANSWER", func(a, b monitor.Replica) int { return cmp.Compare(b.Answer.MS, a.Answer.MS) }},
	{"network", "IN/S", func(a, b monitor.Replica) int {
		return cmp.Compare(b.Rates.Received+b.Rates.Sent, a.Rates.Received+a.Rates.Sent)
	}},
	{"restarts", "RST", func(a, b monitor.Replica) int {
		return cmp.Compare(b.Restarts+b.OOMKills, a.Restarts+a.OOMKills)
	}},
	{"youngest", "UP", func(a, b monitor.Replica) int { return b.Started.Compare(a.Started) }},
}

// rows are the containers that the table shows, in its order.
func (m *model) rows() []monitor.Replica {
	rows := make([]monitor.Replica, 0, len(m.snapshot.Services))
	for _, r := range m.snapshot.Services {
		if m.matches(r) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b monitor.Replica) int {
		if m.reverse {
			a, b = b, a
		}
		return cmp.Or(sorts[m.sort].less(a, b), sorts[0].less(a, b))
	})
	return rows
}

// fitting are the columns that a table of so many cells has, the first one widened to what is left.
func (m *model) fitting(rows []monitor.Replica, width int) []column {
	name, longest := columns[0].width, ansi.StringWidth(columns[0].title)
	for _, r := range rows {
		longest = max(longest, ansi.StringWidth(showName(m, r).text))
	}
	left := width - 1 // the mark of the selected row is two cells wide, and nothing follows the last column
	taken := make([]bool, len(columns))
	for rank := 0; ; rank++ {
		if rank == basic+1 {
			more := max(0, min(left, min(longest, nameWidth)-name))
			name, left = name+more, left-more
		}
		of, need := m.ofRank(rank, rows)
		if rank > lastRank || rank > basic && need > left {
			break // the order of importance has no gaps
		}
		for _, i := range of {
			if columns[i].width < left {
				taken[i], left = true, left-columns[i].width-1
			}
		}
	}
	var out []column
	for i, c := range columns {
		if taken[i] {
			out = append(out, c)
		}
	}
	if len(out) > 0 {
		out[0].width = name + max(0, min(left, longest-name))
	}
	return out
}

// ofRank are the columns of that rank in which something is known of some row, and how many cells they need.
func (m *model) ofRank(rank int, rows []monitor.Replica) (of []int, need int) {
	for i, c := range columns {
		if c.rank != rank {
			continue
		}
		known := rank <= basic || slices.ContainsFunc(rows, func(r monitor.Replica) bool {
			text := c.show(m, r).text
			return text != "-" && text != ""
		})
		if known {
			of, need = append(of, i), need+c.width+1
		}
	}
	return of, need
}
