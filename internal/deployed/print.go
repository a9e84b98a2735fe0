package deployed

import (
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Print writes a line for each service, task and node that there is something to say of, and what is wrong.
func (r Report) Print(out *ui.Out, now time.Time) {
	out.Title("%s", r.said)
	var rows [][]string
	for _, s := range r.Services {
		rows = append(rows, []string{
			s.Service, s.coloured(), fmt.Sprintf("%d/%d", s.Running, s.Wanted), s.image(), strings.Join(s.Ports, " "),
		})
	}
	ui.Table(out.Writer(), []string{"SERVICE", "STATE", "TASKS", "IMAGE", "PORTS"}, rows)
	rows = nil
	for _, t := range r.Tasks {
		rows = append(rows, []string{t.Name, t.Node, t.coloured(), monitor.Age(now.Sub(t.Since)), t.says(now)})
	}
	if len(rows) > 0 {
		ui.Fprintf(out.Writer(), "\n")
		ui.Table(out.Writer(), []string{"TASK", "NODE", "STATE", "FOR", "WHY"}, rows)
	}
	r.printWrong(out)
}

func (r Report) printWrong(out *ui.Out) {
	for _, s := range r.Services {
		if s.Update != "" && s.Condition != "updating" && s.Condition != "update paused" {
			out.Warn("%s: its last update is %s", s.Service, s.Update)
		}
		if !s.Fine {
			out.Warn("%s %s", s.Service, s.Why)
			out.Info("  next: %s", s.Next)
		}
	}
	for _, n := range r.Nodes {
		text := n.State
		if n.State == string(swarm.NodeStateReady) {
			text = map[string]string{"drain": "drained", "pause": "paused"}[n.Availability]
		}
		switch {
		case text == "":
		case len(n.Pinned) > 0:
			out.Warn("node %s is %s: %s can run nowhere else", n.Name, text, strings.Join(n.Pinned, ", "))
		default:
			out.Warn("node %s is %s: nothing of the stack needs it", n.Name, text)
		}
	}
	if len(r.Missing) > 0 {
		out.Warn("not on the Swarm, though the Compose files have them: %s", strings.Join(r.Missing, ", "))
		out.Info("  next: go tool mage deploy")
	}
	if len(r.Orphans) > 0 {
		out.Warn("on the Swarm, though the Compose files no longer have them: %s", strings.Join(r.Orphans, ", "))
		out.Info("  next: go tool mage deploy -remove-orphans")
	}
}

// Err is an error where the stack is not as it should be.
func (r Report) Err() error {
	if r.Fine {
		return nil
	}
	return fault.New(fault.Failed, r.Next(), "not every service of stack %s is as it should be", r.Stack)
}

func (s Service) image() string {
	if s.Digest == "" {
		return s.Image
	}
	return s.Image + "@" + s.Digest
}

func (s Service) coloured() string {
	switch {
	case !s.Fine:
		return ui.Red(s.Condition)
	case s.Condition == "running":
		return ui.Green(s.Condition)
	case s.Condition == "starting" || s.Condition == "updating":
		return ui.Yellow(s.Condition)
	}
	return s.Condition
}

func (t Task) coloured() string {
	text := string(t.State)
	if t.Health != "" && t.Health != text {
		text = t.Health
	}
	switch t.State { //nolint:exhaustive // all others are on their way
	case swarm.TaskStateRunning:
		return ui.Green(text)
	case swarm.TaskStateComplete:
		return "done"
	case swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateOrphaned:
		return ui.Red(text)
	}
	return ui.Yellow(text)
}

// says is why a task is as it is, or why the one before it ended.
func (t Task) says(now time.Time) string {
	if t.Why != "" || t.Before == "" {
		return t.Why
	}
	return fmt.Sprintf("before: %s, %s ago", t.Before, monitor.Age(now.Sub(t.Ended)))
}
