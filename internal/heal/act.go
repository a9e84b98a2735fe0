package heal

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/evidence"
	"github.com/25eloquence/compose-mage/internal/rollout"
	"github.com/25eloquence/compose-mage/internal/state"
)

const (
	// atOnce is how many services are restarted at a time.
	atOnce = 4
	// longest bounds the restart of a service, grace periods and hooks included.
	longest = 10 * time.Minute
)

// lock takes the project, unless another run is at work on it or loads images for it.
func (h *healer) lock() (func(), error) {
	release := state.TryLockProject(h.project.Name)
	if release == nil {
		return nil, errBusy
	}
	loads := state.NotLoading(h.project.Name)
	if loads == nil {
		release()
		return nil, errBusy
	}
	return func() {
		loads()
		release()
	}, nil
}

// act restarts services, and those that are owed a restart after others, where they need it still.
func (h *healer) act(ctx context.Context, due []step, owed []string) error {
	release, err := h.lock()
	if errors.Is(err, errBusy) {
		h.sawBusy(h.Engine.Now())
		h.sayOnce("busy", "another run is at work on %s: nothing is restarted meanwhile", h.project.Name)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() {
		release()
		h.own = time.Now()
	}()
	delete(h.said, "busy")
	if err := container.RefuseOthers(ctx, h.Engine, h.project, "restart"); err != nil {
		return err
	}
	if err := rollout.Finish(ctx, h.Engine, h.project, h.Out); err != nil {
		return err
	}
	found, err := container.Inspect(ctx, h.Engine, h.project.Name) // as it is, now that nobody else changes it
	if err != nil {
		return err
	}
	h.restartIll(ctx, due, found)
	h.restartOwed(ctx, owed, found)
	return nil
}

// restartIll restarts what is unhealthy still. The record is written before: who is killed has counted.
func (h *healer) restartIll(ctx context.Context, due []step, found map[string][]container.Replica) {
	var work errgroup.Group
	work.SetLimit(atOnce)
	failed := make([]error, len(due))
	for i, s := range due {
		if s.ill = ill(found[s.service], h.busy); len(s.ill) == 0 || ctx.Err() != nil {
			continue
		}
		evidence.Explain(ctx, h.Engine, evidence.At(h.Engine), pointers(s.ill))
		kept, now := h.record.Services[s.service], h.Engine.Now()
		kept.Restarts = append(h.Bound.Recent(kept.Restarts, now), now)
		kept.LeftAlone = false
		if len(dependents(h.project, s.service)) > 0 {
			kept.Owed = now
		}
		if ctx.Err() != nil || !h.keep(s.service, kept) {
			continue
		}
		h.say("%s is unhealthy: restarting it, %d of at most %d times within %s", s.service, len(kept.Restarts),
			h.Bound.Most, h.Bound.Words())
		h.detail(s)
		h.began[s.service] = now
		delete(h.said, s.service)
		work.Go(func() error {
			failed[i] = h.restart(ctx, s.service, s.ill)
			return nil
		})
	}
	_ = work.Wait()
	for _, err := range failed {
		if err != nil {
			h.say("! %v", err)
		}
	}
}

// restart restarts containers of a service to the end, also where ctx ends meanwhile: nothing is left half done.
func (h *healer) restart(ctx context.Context, service string, which []container.Replica) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
	defer cancel()
	shows := func(id string) bool {
		return slices.ContainsFunc(which, func(c container.Replica) bool { return c.ID == id })
	}
	return composelib.Restart(ctx, h.Engine, h.project, composelib.Restriction{Service: service, Shows: shows})
}

// owed are the services after whose restart others are to be restarted, now that they are healthy.
func (h *healer) owed(found map[string][]container.Replica) (out []string) {
	for name, s := range h.record.Services {
		if !s.Owed.IsZero() && well(found[name]) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// restartOwed restarts what depends on a service with restart: true, and runs since before the service was restarted.
func (h *healer) restartOwed(ctx context.Context, owed []string, found map[string][]container.Replica) {
	for _, name := range owed {
		kept := h.record.Services[name]
		for _, dependent := range dependents(h.project, name) {
			older := slices.DeleteFunc(slices.Clone(found[dependent]), func(c container.Replica) bool {
				return !c.Runs() || c.State.Restarting || !c.Started().Before(kept.Owed)
			})
			if len(older) == 0 || ctx.Err() != nil {
				continue
			}
			h.say("restarting %s too, which depends on %s with restart: true", dependent, name)
			if err := h.restart(ctx, dependent, older); err != nil {
				h.say("! %v", err)
			}
		}
		if ctx.Err() != nil {
			return // they are owed still
		}
		kept.Owed = time.Time{}
		h.keep(name, kept)
	}
}

// detail says what is known of the unhealthy containers.
func (h *healer) detail(s step) {
	for _, c := range s.ill {
		for i, text := range why(c) {
			if i == 0 {
				h.Out.Info("  %s", text)
			} else {
				h.Out.Info("    %s", text)
			}
		}
	}
}

func pointers(all []container.Replica) (out []*container.Replica) {
	for i := range all {
		out = append(out, &all[i])
	}
	return out
}
