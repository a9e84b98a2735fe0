package monitor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// Print writes the services, the disk and the findings for a person to read.
func (s Snapshot) Print(out *ui.Out) {
	out.Title("%s, %s", s.Project, s.Time.Format("2006-01-02 15:04:05"))
	header := []string{
		"SERVICE", "STATE", "CPU", "OF LIMIT", "MEMORY", "LIMIT", "", "CHECK", "ANSWER", "RESTARTS", "OOM", "UP",
	}
	narrow := ui.Columns(out.Writer()) > 0 && ui.Columns(out.Writer()) < wholeTable
	if narrow {
		header = shortRow(header)
	}
	rows := make([][]string, 0, len(s.Services))
	for _, r := range s.Services {
		row := r.row(s.Time)
		if narrow {
			row = shortRow(row)
			row[3] = r.limitCell(row[3], true)
		}
		rows = append(rows, row)
	}
	ui.Table(out.Writer(), header, rows)
	ui.Fprintf(out.Writer(), "\n")
	s.Disk.print(out)
	ui.Fprintf(out.Writer(), "\n")
	if len(s.Findings) == 0 {
		out.Done("nothing is wrong")
	}
	for _, f := range s.Findings {
		out.Warn("%s", f.Evidence)
		out.Info("  next: %s", f.Remedy)
	}
}

// wholeTable is how many columns the table has with names as long as those of most stacks.
const wholeTable = 104

// shortRow is a row, or the header, without how much a limit is: the share of it stays.
func shortRow(row []string) []string {
	short := slices.Delete(slices.Clone(row), 5, 6)
	if short[8] == "RESTARTS" {
		short[8] = "RST"
	}
	return short
}

// row is one line of the table. Numbers that mean nothing for a container that does not run are left out.
func (r Replica) row(now time.Time) []string {
	name := r.Service
	if r.Orphan {
		name += " (orphan)"
	}
	row := []string{
		name, r.stateCell(), "-", "-", "-", "-", "", "-", "-", fmt.Sprint(r.Restarts), fmt.Sprint(r.OOMKills), "-",
	}
	if r.Container == "" { // it has none
		row[9], row[10] = "-", "-"
	}
	if r.MemoryLimit > 0 {
		row[5] = ui.Bytes(r.MemoryLimit)
	}
	if !r.Running() {
		return row
	}
	row[2] = fmt.Sprintf("%.1f %%", r.CPUPercent)
	row[3] = r.limitCell("-", false)
	row[4] = ui.Bytes(r.MemoryUsed)
	row[6] = high(r.MemoryPercent >= memoryHigh, fmt.Sprintf("%.0f %%", r.MemoryPercent))
	if r.ResponseMS > 0 {
		row[7] = fmt.Sprintf("%.0f ms", r.ResponseMS)
	}
	row[8] = r.answerCell()
	row[11] = Age(now.Sub(r.Started))
	return row
}

// limitCell is the share of the CPU limit, and of how much where it is not to be short; none where there is no limit.
func (r Replica) limitCell(none string, short bool) string {
	if r.CPULimit == 0 || !r.Running() {
		return none
	}
	text := fmt.Sprintf("%.0f %%", r.CPULimitPercent)
	if !short {
		text += " of " + cores(r.CPULimit)
	}
	return high(r.CPULimitPercent >= cpuHigh, text)
}

func (r Replica) stateCell() string {
	text := r.StateText()
	switch r.Judgement() {
	case Bad:
		return ui.Red(text)
	case Good:
		return ui.Green(text)
	case Wait:
		return ui.Yellow(text)
	case Neither:
	}
	return text
}

func high(is bool, text string) string {
	if is {
		return ui.Red(text)
	}
	return text
}

func (d Disk) print(out *ui.Out) {
	line := func(kind string, u DiskUse) []string {
		return []string{kind, fmt.Sprint(u.Total), fmt.Sprint(u.Active), ui.Bytes(u.Size), ui.Bytes(u.Reclaimable)}
	}
	ui.Table(out.Writer(), []string{"DISK", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"}, [][]string{
		line("images", d.Images), line("containers", d.Containers), line("volumes", d.Volumes),
		line("build cache", d.BuildCache),
	})
	if d.Space != nil {
		ui.Fprintf(out.Writer(), "%s of %s free in %s (%.0f %%)\n", ui.Bytes(d.Space.Free), ui.Bytes(d.Space.Total),
			d.Root, d.Space.FreePercent())
	}
}

// line is a replica in one line, for output that is appended to a log.
func (r Replica) line() string {
	text := fmt.Sprintf("%s %s", r.Service, r.State)
	if r.Health != "" {
		text += " " + r.Health
	}
	if r.Running() {
		text += fmt.Sprintf(" cpu=%.1f%% memory=%s (%.0f%%)", r.CPUPercent, ui.Bytes(r.MemoryUsed), r.MemoryPercent)
	}
	return text + fmt.Sprintf(" restarts=%d oom=%d", r.Restarts, r.OOMKills)
}

// Watch appends what each snapshot says as lines, until ctx ends, which is no error. An engine that goes away is one.
func Watch(ctx context.Context, o *Observer, out *ui.Out) error {
	snapshots, stop := o.Follow()
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case s := <-snapshots:
			show(s, out)
		}
	}
}

func show(s Snapshot, out *ui.Out) {
	stamp := s.Time.Format("15:04:05")
	for _, r := range s.Services {
		ui.Fprintf(out.Writer(), "%s %s\n", stamp, r.line())
	}
	for _, f := range s.Findings {
		ui.Fprintf(out.Writer(), "%s ! %s\n", stamp, f.Evidence)
	}
}
