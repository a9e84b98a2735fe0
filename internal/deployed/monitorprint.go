package deployed

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/wait"
)

func joined(names []string) string { return strings.Join(names, ", ") }

// Print writes the tasks, the nodes, what could not be asked, and what is wrong.
func (s Snapshot) Print(out *ui.Out) {
	out.Title("%s, %s", s.said, s.Time.Format("15:04:05"))
	var rows [][]string
	for _, t := range s.Tasks {
		row := []string{
			t.Name, t.whoseNode(), t.coloured(), "-", "-", "-", fmt.Sprint(t.Restarts),
			monitor.Age(s.Time.Sub(t.Since)),
		}
		if t.Measured {
			row[3], row[4] = fmt.Sprintf("%.1f %%", t.CPUPercent), ui.Bytes(t.Memory)
		}
		if t.Limit > 0 {
			row[5] = ui.Bytes(t.Limit)
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		ui.Table(out.Writer(), []string{"TASK", "NODE", "STATE", "CPU", "MEMORY", "LIMIT", "FAILED 1H", "FOR"}, rows)
		ui.Fprintf(out.Writer(), "\n")
	}
	rows = nil
	for _, n := range s.Nodes {
		rows = append(rows, []string{
			n.Name, n.coloured(), fmt.Sprint(n.Tasks), fmt.Sprintf("%.4g of %.4g", n.ReservedCPUs, n.CPUs),
			fmt.Sprintf("%s of %s", ui.Bytes(n.ReservedMemory), ui.Bytes(n.Memory)),
		})
	}
	ui.Table(out.Writer(), []string{"NODE", "STATE", "TASKS", "CPUS RESERVED", "MEMORY RESERVED"}, rows)
	names, why := s.unasked()
	for i, reason := range why {
		out.Info("not measured on %s: %s", joined(names[i]), reason)
	}
	if s.Fine() {
		out.Done("nothing is wrong")
	}
	for _, f := range s.Findings {
		out.Warn("%s", f)
	}
}

// unasked gives why nodes were not asked, each reason once with its nodes.
func (s Snapshot) unasked() (names [][]string, why []string) {
	for _, n := range s.Nodes {
		i := slices.Index(why, n.Unasked)
		switch {
		case n.Unasked == "":
		case i < 0:
			names, why = append(names, []string{n.Name}), append(why, n.Unasked)
		default:
			names[i] = append(names[i], n.Name)
		}
	}
	return names, why
}

func (n NodeRoom) coloured() string {
	if n.State != string(swarm.NodeStateReady) {
		return ui.Red(n.State)
	}
	if n.Availability != string(swarm.NodeAvailabilityActive) {
		return ui.Yellow(n.Availability)
	}
	return ui.Green(n.State)
}

// lines writes the snapshot as lines that are appended to those of others.
func (s Snapshot) lines(out *ui.Out) {
	stamp := s.Time.Format("15:04:05")
	for _, t := range s.Tasks {
		text := t.whose() + " " + string(t.State)
		if t.Health != "" {
			text += " " + t.Health
		}
		if t.Measured {
			text += fmt.Sprintf(" cpu=%.1f%% memory=%s", t.CPUPercent, ui.Bytes(t.Memory))
		}
		ui.Fprintf(out.Writer(), "%s %s failed_1h=%d\n", stamp, text, t.Restarts)
	}
	names, why := s.unasked()
	for i, reason := range why {
		ui.Fprintf(out.Writer(), "%s not measured on %s: %s\n", stamp, joined(names[i]), reason)
	}
	for _, f := range s.Findings {
		ui.Fprintf(out.Writer(), "%s ! %s\n", stamp, f)
	}
}

// Watch appends what each snapshot says as lines, until ctx is cancelled, which is no error.
func Watch(
	ctx context.Context, every time.Duration, out *ui.Out, take func(context.Context) (Snapshot, error),
) error {
	for {
		s, err := take(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was cancelled meanwhile
		}
		if err != nil {
			return err
		}
		s.lines(out)
		if wait.For(ctx, every) != nil {
			return nil
		}
	}
}
