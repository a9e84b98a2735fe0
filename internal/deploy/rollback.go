package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// backWithin bounds the way back of one service.
const backWithin = 5 * time.Minute

// back undoes a deploy that failed: every service that it touched becomes what it was, the last first. The first
// deploy of a stack has nothing to go back to: what is there stays, and the next deploy goes on from it. It gives the
// failure, and whether the way back was gone to its end.
func (r *run) back(ctx context.Context, failed error) (f *fault.Error, whole bool) {
	f = r.failure(ctx, failed)
	switch {
	case len(r.touched) == 0:
		f.Detail = append(f.Detail, "no service was touched")
		return f, true
	case r.first():
		f.Detail = append(f.Detail, "it is the first deploy of "+r.plan.Stack+
			": nothing was there to go back to, and what is healthy stays; the next deploy goes on from there")
		return f, true
	}
	touched := slices.Clone(r.touched)
	slices.Reverse(touched)
	r.Out.Failed("%v: going back", failed)
	var back, left []string
	for _, service := range touched {
		if err := r.backOne(ctx, service); err != nil {
			left = append(left, fmt.Sprintf("%s is not back: %v", service, err))
			continue
		}
		back = append(back, service)
		r.Out.Done("%s is what it was", service)
	}
	if len(back) > 0 {
		f.Detail = append(f.Detail, "back as before the deploy: "+strings.Join(back, ", "))
	}
	if len(left) > 0 {
		f.Detail, f.Next = append(f.Detail, left...), "go tool mage status"
	}
	return f, len(left) == 0
}

// first says whether the stack had no service before.
func (r *run) first() bool {
	for _, spec := range r.before {
		if spec != nil {
			return false
		}
	}
	return true
}

func (r *run) backOne(ctx context.Context, service string) error {
	ctx, cancel := context.WithTimeout(ctx, backWithin)
	defer cancel()
	before := r.before[service]
	have, _, err := r.observe(ctx, service)
	switch {
	case before == nil && err != nil:
		return nil //nolint:nilerr // it is not there, as before
	case before == nil:
		_, err := r.engine.ServiceRemove(ctx, have.ID, client.ServiceRemoveOptions{})
		return err
	case err != nil: // it was removed
		_, err := r.engine.ServiceCreate(ctx, client.ServiceCreateOptions{
			Spec: *before, EncodedRegistryAuth: r.Auth[service],
		})
		return errors.Join(err, r.runsAgain(ctx, service))
	}
	// Where the Swarm itself goes back, it is let.
	if u := have.UpdateStatus; u == nil || u.State == swarm.UpdateStateUpdating || u.State == swarm.UpdateStatePaused ||
		u.State == swarm.UpdateStateCompleted {
		if len(differences(have.Spec, *before, networkNames(r.plan.cluster.Networks))) > 0 {
			if err := r.put(ctx, service, have, *before, swarm.RegistryAuthFromPreviousSpec); err != nil {
				return err
			}
		}
	}
	if r.stoodBefore(service, *before) {
		return nil
	}
	return r.runsAgain(ctx, service)
}

// stoodBefore says whether tasks of the service with that spec did not run before the deploy either: they are not
// waited for on the way back.
func (r *run) stoodBefore(service string, before swarm.ServiceSpec) bool {
	c := r.plan.cluster
	have, there := c.Services[service]
	if !there || len(differences(have.Spec, before, networkNames(c.Networks))) > 0 {
		return false
	}
	state := cluster.Progress(have, c.Tasks, c.Nodes)
	return state.Running < state.Wanted
}

// runsAgain waits until all tasks of the service run.
func (r *run) runsAgain(ctx context.Context, service string) error {
	for {
		have, tasks, err := r.observe(ctx, service)
		if err != nil && !leaderless(err) {
			return err
		}
		state := cluster.Progress(have, tasks, r.nodesNow(ctx))
		if u := have.UpdateStatus; err == nil && state.Running >= state.Wanted && state.Old == 0 &&
			(u == nil || u.State != swarm.UpdateStateRollbackStarted) {
			return nil
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d tasks run", state.Running, state.Wanted)
		}
	}
}
