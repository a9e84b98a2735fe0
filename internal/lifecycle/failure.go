package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/diagnosis"
	"github.com/25eloquence/compose-mage/internal/evidence"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/plan"
	"github.com/25eloquence/compose-mage/internal/readiness"
)

// failures joins what went wrong, in the plan's order; what was not started because of another service is named by
// that one.
func (r *run) failures(ctx context.Context) error {
	var failed []error
	said := map[string]bool{}
	for _, name := range r.plan.Services() {
		err := r.services[name].err
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
		f := r.failure(ctx, name, err)
		if f.Code == fault.Engine {
			return f // it is away for all the others too
		}
		failed = append(failed, f)
	}
	if none := r.services[""]; len(failed) == 0 && none != nil &&
		none.err != nil { // a network or a volume that no service waited for
		return diagnosis.Start(ctx, r.engine, r.project, r.plan.Services()[0], none.err)
	}
	return errors.Join(failed...)
}

// failure puts a service's failure on one screen: cause, who waits for it, its last log lines, the next command.
func (r *run) failure(ctx context.Context, service string, err error) *fault.Error {
	step := r.plan.Step(service)
	f := diagnosis.Start(ctx, r.engine, r.project, service, err)
	var waiting []string
	for _, name := range r.plan.WaitingFor(service) {
		if errors.Is(r.services[name].err, errDependency) {
			waiting = append(waiting, name)
		}
	}
	if len(waiting) > 0 {
		done := "started"
		if r.plan.Restart {
			done = "restarted"
		}
		f.Detail = append(f.Detail, fmt.Sprintf("not %s, as they wait for it: %s", done, strings.Join(waiting, ", ")))
	}
	if !readiness.IsNotReady(err) {
		return f
	}
	for _, c := range r.worst(ctx, service) {
		if lines := diagnosis.LastLines(ctx, r.engine, c.ID); len(lines) > 0 {
			name := service
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

// explained is the error of a container that has ended with all that there is to tell of its end.
func (r *run) explained(ctx context.Context, service string, err error) error {
	var never *readiness.NotReady
	if !errors.As(err, &never) || !never.Ended || ctx.Err() != nil {
		return err
	}
	found, listErr := container.Inspect(ctx, r.engine, r.project.Name, service)
	if listErr != nil {
		return err // why it failed is known, and how is an addition
	}
	evidence.Explain(ctx, r.engine, evidence.At(r.engine), evidence.Each(found))
	for _, c := range found[service] {
		if o := container.Look(service, c, r.engine.Now()); !o.Fine && (o.End != nil || o.Last != nil) {
			return &readiness.NotReady{Why: o.Why, Next: o.Next, Ended: true}
		}
	}
	return err
}

// worst gives the service's container that is the likely culprit.
func (r *run) worst(ctx context.Context, service string) []moby.Summary {
	found, err := container.List(ctx, r.engine, r.project.Name, service)
	if err != nil || len(found[service]) == 0 {
		return nil
	}
	return []moby.Summary{culprit(found[service])}
}

// culprit gives one that does not run, else one that is not healthy, else the first.
func culprit(all []moby.Summary) moby.Summary {
	worst := all[0]
	for _, c := range all {
		if strings.Contains(c.Status, "unhealthy") || strings.Contains(c.Status, "starting") {
			worst = c
		}
	}
	for _, c := range all {
		if c.State != moby.StateRunning {
			worst = c
		}
	}
	return worst
}

// lastLook judges every service once more, when all are ready, by the rule that status goes by: an error for each
// that is not fine.
func (r *run) lastLook(ctx context.Context) error {
	now, err := container.Inspect(ctx, r.engine, r.project.Name)
	if err != nil {
		return err
	}
	evidence.Explain(ctx, r.engine, evidence.At(r.engine), evidence.Each(now))
	for _, step := range r.plan.Steps {
		if r.services[step.Service].err != nil {
			continue
		}
		v := container.Judge(r.project.Services[step.Service], now[step.Service], r.engine.Now())
		if v.Condition == container.Looping { // it ended since it was ready: does it come back?
			if err := r.comesBack(ctx, step, now[step.Service]); err != nil {
				r.services[step.Service].err = err
			}
			continue
		}
		if !v.Fine {
			r.services[step.Service].err = &readiness.NotReady{Why: v.Why, Next: v.Next}
		}
	}
	return nil
}

// comesBack waits until what the policy restarts of the service has stayed up, or won't.
func (r *run) comesBack(ctx context.Context, step plan.Step, replicas []container.Replica) error {
	for _, c := range replicas {
		if err := r.waiter(moby.Summary{ID: c.ID, ImageID: c.Image}, step).WaitStable(ctx); err != nil {
			return err
		}
	}
	return nil
}
