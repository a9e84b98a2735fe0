package monitor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/sampler"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Print writes the services, the disk, the rates and the findings for a person to read.
func (s Snapshot) Print(out *ui.Out) {
	s.PrintStates(out)
	s.PrintRates(out)
}

// PrintStates writes what one reading tells: states, memory and disk. PrintRates has the rest.
func (s Snapshot) PrintStates(out *ui.Out) {
	out.Title("%s, %s", s.Project, s.Time.Format("2006-01-02 15:04:05"))
	rows := make([][]string, 0, len(s.Services))
	for _, r := range s.Services {
		rows = append(rows, r.row(s.Time))
	}
	ui.Table(out.Writer(), []string{"SERVICE", "STATE", "MEMORY", "LIMIT", "", "CHECK", "RESTARTS", "OOM", "UP"}, rows)
	ui.Fprintf(out.Writer(), "\n")
	s.Disk.print(out, s.Time)
	ui.Fprintf(out.Writer(), "\n")
}

// PrintRates writes what two readings tell and how services answered, where the figures are from, and what is wrong.
func (s Snapshot) PrintRates(out *ui.Out) {
	var rows [][]string
	sources := map[string]bool{}
	header := []string{
		"SERVICE", "CPU", "OF LIMIT", "THROTTLED", "RECEIVED", "SENT", "READ", "WRITTEN", "WAITS", "ANSWER",
	}
	if slices.ContainsFunc(s.Services, func(r Replica) bool { return r.Log.Source != "" }) {
		header = append(header, "ERR/MIN")
	}
	for _, r := range s.Services {
		if r.Running() {
			rows = append(rows, r.rates()[:len(header)])
		}
		switch r.Source {
		case "":
		case sampler.SourceEngine:
			sources["the engine"] = true
		default:
			sources["this machine's cgroups ("+strings.TrimPrefix(r.Source, "cgroup ")+")"] = true
		}
	}
	if len(rows) > 0 {
		ui.Table(out.Writer(), header, rows)
	}
	if len(sources) > 0 {
		ui.Fprintf(out.Writer(), "figures from %s\n", strings.Join(slices.Sorted(maps.Keys(sources)), " and "))
	}
	if len(rows)+len(sources) > 0 {
		ui.Fprintf(out.Writer(), "\n")
	}
	if len(s.Findings) == 0 {
		out.Done("nothing is wrong")
	}
	for _, f := range s.Findings {
		out.Warn("%s", f.Evidence)
		out.Info("  next: %s", f.Remedy)
	}
}

func (r Replica) nameCell() string {
	if r.Orphan {
		return r.Service + " (orphan)"
	}
	return r.Service
}

// row is one line of the states. Numbers that mean nothing for a container that does not run are left out.
func (r Replica) row(now time.Time) []string {
	row := []string{
		r.nameCell(), r.stateCell(), "-", "-", "", "-", fmt.Sprint(r.Restarts), fmt.Sprint(r.OOMKills), "-",
	}
	if r.Container == "" { // it has none
		row[6], row[7] = "-", "-"
	}
	if r.MemoryLimit > 0 {
		row[3] = ui.Bytes(r.MemoryLimit)
	}
	if !r.Running() {
		return row
	}
	if r.Source != "" {
		row[2] = ui.Bytes(r.MemoryUsed)
		row[4] = high(r.MemoryPercent >= memoryHigh, fmt.Sprintf("%.0f %%", r.MemoryPercent))
	}
	if r.ResponseMS > 0 {
		row[5] = fmt.Sprintf("%.0f ms", r.ResponseMS)
	}
	row[8] = Age(now.Sub(r.Started))
	return row
}

// rates is one line of the rates, of a container that runs.
func (r Replica) rates() []string {
	row := []string{r.nameCell(), "-", "-", "-", "-", "-", "-", "-", "-", r.answerCell(), r.errorsCell()}
	if r.Rates.Seconds == 0 {
		return row
	}
	row[1] = fmt.Sprintf("%.1f %%", r.CPUPercent)
	if r.CPULimit > 0 {
		row[2] = high(r.CPULimitPercent >= cpuHigh, fmt.Sprintf("%.0f %% of %s", r.CPULimitPercent, cores(r.CPULimit)))
		row[3] = high(r.ThrottledPercent >= throttledHigh, fmt.Sprintf("%.0f %%", r.ThrottledPercent))
	}
	for i, rate := range []float64{r.Rates.Received, r.Rates.Sent, r.Rates.BlockRead, r.Rates.BlockWritten} {
		row[4+i] = ui.Bytes(int64(rate)) + "/s"
	}
	if p := r.Counters.Pressure; p != nil {
		row[8] = waits(*p)
	}
	return row
}

// waits is the resource that processes waited for most in the last ten seconds.
func waits(p sampler.Pressures) string {
	most, text := 0.05, "-" // below that it would round to 0.0 %
	for _, of := range []struct {
		name string
		sampler.Pressure
	}{{"CPU", p.CPU}, {"memory", p.Memory}, {"disk", p.IO}} {
		if of.Waiting10 >= most {
			most, text = of.Waiting10, fmt.Sprintf("%.1f %% for %s", of.Waiting10, of.name)
		}
	}
	return text
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

func (d Disk) print(out *ui.Out, now time.Time) {
	line := func(kind string, u DiskUse) []string {
		return []string{kind, fmt.Sprint(u.Total), fmt.Sprint(u.Active), ui.Bytes(u.Size), ui.Bytes(u.Reclaimable)}
	}
	if d.At.IsZero() {
		ui.Fprintf(out.Writer(), "the engine has not yet said what it stores\n")
	} else {
		ui.Table(out.Writer(), []string{"DISK", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"}, [][]string{
			line("images", d.Images), line("containers", d.Containers), line("volumes", d.Volumes),
			line("build cache", d.BuildCache),
		})
	}
	if old := now.Sub(d.At); !d.At.IsZero() && old >= time.Minute {
		ui.Fprintf(out.Writer(), "as of %s ago\n", Age(old))
	}
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
	if r.Running() && r.Rates.Seconds > 0 {
		text += fmt.Sprintf(" cpu=%.1f%%", r.CPUPercent)
	}
	if r.Running() && r.Source != "" {
		text += fmt.Sprintf(" memory=%s (%.0f%%)", ui.Bytes(r.MemoryUsed), r.MemoryPercent)
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
