package record

import (
	"fmt"
	"math"
	"time"

	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// names are what the figures are called in the table.
var names = map[string]string{
	history.CPUPercent: "cpu", history.MemoryWorkingSet: "memory", history.HealthCheckMS: "check",
	history.ResponseMS: "answer", history.LogErrors: "errors/min",
}

// Print writes a line for each figure of each service, and what happened.
func (p Past) Print(out *ui.Out) {
	out.Title("%s, %s to %s", p.Project, p.From.Local().Format(time.DateTime), p.To.Local().Format(time.DateTime))
	var rows [][]string
	for _, s := range p.Services {
		name := s.Service
		for _, f := range s.Figures {
			rows = append(rows, []string{
				name, names[f.Metric], ui.Sparkline(p.means(f), f.Max), format(f.Metric, f.Min),
				format(f.Metric, f.Median), format(f.Metric, f.P95), format(f.Metric, f.Max),
			})
			name = ""
		}
	}
	ui.Table(out.Writer(), []string{"SERVICE", "FIGURE", "", "MIN", "MEDIAN", "P95", "MAX"}, rows)
	ui.Fprintf(out.Writer(), "\n")
	for _, e := range p.Events {
		out.Warn("%s", e)
	}
	if len(p.Events) == 0 {
		out.Done("nothing went wrong while somebody watched")
	}
	recorded, all := time.Duration(p.Recorded*float64(time.Second)), p.To.Sub(p.From)
	out.Info("recorded: %s of %s; monitor -serve and -watch record while they run", recorded.Round(time.Second),
		all.Round(time.Second))
}

// means are those of a figure in equal parts of the time, NaN where nothing is known.
func (p Past) means(f Figure) []float64 {
	out := make([]float64, parts)
	for i := range out {
		out[i] = math.NaN()
	}
	step := max(time.Second, p.To.Sub(p.From)/parts)
	for _, point := range f.Points {
		if i := int(point.Time.Sub(p.From) / step); i >= 0 && i < parts {
			out[i] = point.Mean
		}
	}
	return out
}

func format(metric string, v float64) string {
	switch metric {
	case history.CPUPercent:
		return fmt.Sprintf("%.1f %%", v)
	case history.MemoryWorkingSet:
		return ui.Bytes(int64(v))
	case history.HealthCheckMS, history.ResponseMS:
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// String gives the event in one line.
func (e Event) String() string {
	at := e.Time.Local().Format(time.DateTime)
	switch e.Kind {
	case Restarted:
		return fmt.Sprintf("%s %s was restarted%s", at, e.Service, often(e.Count))
	case Killed:
		return fmt.Sprintf("%s a process of %s was killed for want of memory%s", at, e.Service, often(e.Count))
	}
	return fmt.Sprintf("%s %s was not as it should be, for %s", at, e.Service, e.Until.Sub(e.Time).Round(time.Second))
}

func often(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(", %d times", n)
}
