package deployed

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/deploy"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// RestartPlan is what a restart does.
type RestartPlan struct {
	Stack string        `json:"stack"`
	Steps []RestartStep `json:"steps"` // in the order of depends_on
	Left  []string      `json:"left"`  // services that stay as they are

	said string
}

// RestartStep is what is done to one service.
type RestartStep struct {
	Service string `json:"service"`
	Action  string `json:"action"` // restart, or start: of one that was stopped
	Why     string `json:"why"`
	Tasks   int    `json:"tasks"`          // that it is to have; 0 where that follows from the nodes
	Away    string `json:"away,omitempty"` // why it answers nobody meanwhile; "" where it does throughout
}

// PlanRestart says which services are restarted: those that are named, or all; where nothing is said those that are not
// as they should be. What changed in the Compose files is for a deploy.
func (s Stack) PlanRestart(named []string, all bool) (RestartPlan, error) {
	p := RestartPlan{Stack: s.Stack, Steps: []RestartStep{}, Left: []string{}, said: s.Said()}
	picked, err := s.Pick(named)
	if err != nil {
		return p, err
	}
	for _, name := range s.inOrder(s.Names()) {
		is := s.judged(name, s.tasksOf(name))
		spec := s.Services[name].Spec
		mark, stopped := stoppedMark(spec)
		step := RestartStep{Service: name, Action: "restart", Tasks: copiesOf(spec), Away: deploy.Away(spec)}
		switch {
		case !slices.Contains(picked, name), len(named) == 0 && !all && is.Fine:
			p.Left = append(p.Left, name)
			continue
		case stopped:
			step.Action, step.Why, step.Away = "start", "it was stopped", ""
			step.Tasks, _ = strconv.Atoi(mark)
		case len(named) > 0:
			step.Why = "it is named"
		case all:
			step.Why = "all are restarted"
		default:
			step.Why = "it " + is.Why
		}
		p.Steps = append(p.Steps, step)
	}
	return p, nil
}

func copiesOf(spec swarm.ServiceSpec) int {
	if r := spec.Mode.Replicated; r != nil && r.Replicas != nil {
		return int(*r.Replicas)
	}
	return 0
}

// Print writes the plan.
func (p RestartPlan) Print(w io.Writer) {
	ui.Fprintf(w, "%s\n", p.said)
	for _, s := range p.Steps {
		tasks := ""
		if s.Tasks > 0 {
			tasks = fmt.Sprintf(" (%s)", counted(s.Tasks, "task"))
		}
		ui.Fprintf(w, "%s %s%s: %s\n", s.Action, s.Service, tasks, s.Why)
		if s.Away != "" {
			ui.Fprintf(w, "  away meanwhile: %s\n", s.Away)
		}
	}
	if len(p.Left) > 0 {
		ui.Fprintf(w, "stay as they are: %s\n", strings.Join(p.Left, ", "))
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Restart carries the plan out: each service's tasks are replaced as its update_config says, and the next service is
// touched when they run and are healthy.
func Restart(ctx context.Context, e *engine.Engine, s Stack, p RestartPlan, out *ui.Out) error {
	out.Title("restarting %s", p.said)
	if err := refuseDuringDeploy(s, "restarted"); err != nil {
		return err
	}
	if len(p.Steps) == 0 {
		out.Info("every service is as it should be: nothing to restart; -all restarts all")
		return nil
	}
	c := &change{engine: e, stack: s, out: out}
	for i, step := range p.Steps {
		if step.Away != "" {
			out.Info("%s is away meanwhile: %s", step.Service, step.Away)
		}
		err := c.put(ctx, step.Service, again)
		if err == nil {
			err = c.runs(ctx, step.Service)
		}
		if err != nil {
			sayLeft(out, p.Steps[i+1:])
			return err
		}
	}
	return nil
}

func sayLeft(out *ui.Out, steps []RestartStep) {
	var left []string
	for _, s := range steps {
		left = append(left, s.Service)
	}
	if len(left) > 0 {
		out.Warn("not touched: %s", strings.Join(left, ", "))
	}
}

// again makes a specification one of which new tasks are made; that of a service which was stopped is what it was.
func again(spec *swarm.ServiceSpec) {
	if !resume(spec) || cluster.IsJob(*spec) {
		spec.TaskTemplate.ForceUpdate++
	}
}
