package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/readiness"
)

// failures joins what went wrong, in the plan's order; what was not started because of another service is named by that one.
func (s *starter) failures(ctx context.Context) error {
	var failed []error
	said := map[string]bool{}
	for _, step := range s.plan.Steps {
		err := s.errs[step.Service]
		if err == nil || errors.Is(err, errDependency) {
			continue
		}
		var create *diagnosis.CreateError
		if errors.As(err, &create) {
			if said[err.Error()] {
				continue // one cause, such as a network that can't be made, for many
			}
			said[err.Error()] = true
		}
		f := s.failure(ctx, step, err)
		if f.Code == fault.Engine {
			return f // it is away for all the others too
		}
		failed = append(failed, f)
	}
	return errors.Join(failed...)
}

// failure puts a service's failure on one screen: cause, who waits for it, its last log lines, the next command.
func (s *starter) failure(ctx context.Context, step Step, err error) *fault.Error {
	f := diagnosis.Start(ctx, s.engine, s.project, step.Service, err)
	var waiting []string
	for _, name := range s.plan.waitingFor(step.Service) {
		if errors.Is(s.errs[name], errDependency) {
			waiting = append(waiting, name)
		}
	}
	if len(waiting) > 0 {
		done := "started"
		if s.renew != nil {
			done = "restarted"
		}
		f.Detail = append(f.Detail, fmt.Sprintf("not %s, as they wait for it: %s", done, strings.Join(waiting, ", ")))
	}
	if !readiness.IsNotReady(err) {
		return f
	}
	for _, c := range s.worst(ctx, step.Service) {
		if lines := diagnosis.LastLines(ctx, s.engine, c.ID); len(lines) > 0 {
			name := step.Service
			if step.Replicas > 1 {
				name = strings.TrimPrefix(c.Names[0], "/")
			}
			f.Detail = append(f.Detail, fmt.Sprintf("last lines of %s:", name))
			for _, l := range lines {
				f.Detail = append(f.Detail, "  "+l)
			}
		}
	}
	return f
}

// worst gives the service's container that is the likely culprit: one that does not run, else one that is not healthy.
func (s *starter) worst(ctx context.Context, service string) []moby.Summary {
	found, err := container.List(ctx, s.engine, s.project.Name, service)
	all := found[service]
	if err != nil || len(all) == 0 {
		return nil
	}
	culprit := all[0]
	for _, c := range all {
		if strings.Contains(c.Status, "unhealthy") || strings.Contains(c.Status, "starting") {
			culprit = c
		}
	}
	for _, c := range all {
		if c.State != moby.StateRunning {
			culprit = c
		}
	}
	return []moby.Summary{culprit}
}

// lastLook judges every service once more, when all are ready, by the rule that status goes by: an error for each that is not fine.
func (s *starter) lastLook(ctx context.Context) error {
	now, err := container.Inspect(ctx, s.engine, s.project.Name)
	if err != nil {
		return err
	}
	for _, step := range s.plan.Steps {
		if s.errs[step.Service] != nil {
			continue
		}
		v := container.Judge(s.project.Services[step.Service], now[step.Service], s.engine.Now())
		if v.Condition == container.Looping { // it ended since it was ready: does it come back?
			if err := s.comesBack(ctx, step, now[step.Service]); err != nil {
				s.errs[step.Service] = err
			}
			continue
		}
		if !v.Fine {
			s.errs[step.Service] = &readiness.NotReady{Why: v.Why, Next: v.Next}
		}
	}
	return nil
}

// comesBack waits until what the policy restarts of the service has stayed up, or won't.
func (s *starter) comesBack(ctx context.Context, step Step, replicas []container.Replica) error {
	for _, c := range replicas {
		if err := s.waiter(moby.Summary{ID: c.ID, ImageID: c.Image}, step).WaitStable(ctx); err != nil {
			return err
		}
	}
	return nil
}
