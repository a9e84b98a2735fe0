package rollout

import (
	"context"
	"fmt"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/freezer"
	statedir "github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// PutRight puts right what a restart -rolling left that was killed or interrupted, for a command that does nothing
// with the project's containers itself. It leaves alone what another run is at work on, and what is another
// checkout's.
func PutRight(ctx context.Context, e *engine.Engine, project *types.Project, out *ui.Out) error {
	all, err := container.All(ctx, e, project.Name)
	if err != nil || !slices.ContainsFunc(all, Replacement) || len(container.CheckoutsAmong(all, project)) > 0 {
		return err
	}
	release := statedir.TryLockProject(project.Name)
	if release == nil {
		return nil
	}
	defer release()
	return Finish(ctx, e, project, out)
}

// Finish puts right what a killed restart -rolling left, before something else is done with the project's containers.
func Finish(ctx context.Context, e *engine.Engine, project *types.Project, out *ui.Out) error {
	list, err := e.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", container.ProjectLabel+"="+project.Name, replacesLabel),
	})
	if err != nil {
		return fmt.Errorf("listing the containers of %q: %w", project.Name, err)
	}
	if len(list.Items) == 0 {
		return nil
	}
	labelled, err := container.Labelled(project.WithoutUnresolvedOptionalDependencies())
	if err != nil {
		return err
	}
	return (&Rollout{Engine: e, Project: labelled, Out: out}).FinishEarlier(ctx)
}

// Replacement says whether the container was made to replace another without down-time.
func Replacement(c moby.Summary) bool { return c.Labels[replacesLabel] != "" }

// FinishEarlier puts right what a run that was killed left: a replacement that had not taken over is removed, and
// one that had gets the old container's place.
func (r *Rollout) FinishEarlier(ctx context.Context) error {
	if err := freezer.ThawLeft(ctx, r.Engine); err != nil {
		return err
	}
	found, err := container.Inspect(ctx, r.Engine, r.Project.Name)
	if err != nil {
		return err
	}
	for service, replicas := range found {
		if _, ours := r.Project.Services[service]; !ours {
			continue
		}
		for _, left := range leftOf(replicas) {
			if left.old == nil {
				err = r.finishAlone(ctx, service, left.fresh)
			} else {
				err = r.finishPair(ctx, service, *left.old, left.fresh)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// left is a replacement that an earlier run made, and the container that it replaces; nil where that is gone.
type left struct {
	fresh container.Replica
	old   *container.Replica
}

// leftOf gives the replacements among a service's containers. One that is itself replaced by another whose old
// container is still there goes as the old one of that pair.
func leftOf(replicas []container.Replica) []left {
	byID, replaced := map[string]container.Replica{}, map[string]bool{}
	for _, c := range replicas {
		byID[c.ID] = c
		replaced[c.Config.Labels[replacesLabel]] = true
	}
	var all []left
	for _, fresh := range replicas {
		id := fresh.Config.Labels[replacesLabel]
		if old, there := byID[id]; there {
			all = append(all, left{fresh, &old})
		} else if id != "" && !replaced[fresh.ID] {
			all = append(all, left{fresh, nil})
		}
	}
	return all
}

// finishAlone is for a replacement whose old container is gone: it has its names, or gets them.
func (r *Rollout) finishAlone(ctx context.Context, service string, fresh container.Replica) error {
	if err := r.wake(ctx, fresh); err != nil {
		return err
	}
	if r.announced(service, fresh) {
		return nil
	}
	// The old one was removed by others. What is not known by its name is of no use.
	r.Out.Info("%s: removing what an earlier run left", fresh.Name())
	return r.discard(ctx, fresh.ID)
}

func (r *Rollout) finishPair(ctx context.Context, service string, old, fresh container.Replica) error {
	whole, cancel := outliving(ctx, endWithin)
	defer cancel()
	for _, c := range []container.Replica{old, fresh} {
		if err := r.wake(whole, c); err != nil {
			return err
		}
	}
	if goesOn(r.announced(service, fresh), fresh, old) {
		r.Out.Info("%s: ending the replacement that an earlier run began", old.Name())
		if err := r.rename(whole, service, old.Number(), old.ID, fresh.ID); err != nil {
			return err
		}
		if !old.State.Running {
			return r.discard(whole, old.ID)
		}
		_, err := r.complete(ctx, whole, service, old, fresh.ID)
		return err
	}
	r.Out.Info("%s: removing the replacement that an earlier run began", old.Name())
	if err := r.rename(whole, service, old.Number(), fresh.ID, old.ID); err != nil {
		return err
	}
	if err := r.discard(whole, fresh.ID); err != nil {
		return err
	}
	if !r.announced(service, old) { // whether or not it runs: it would start without its names
		return r.announce(ctx, whole, service, old.Number(), old.ID)
	}
	return nil
}

// goesOn says whether a replacement that an earlier run began is ended, else it is undone: announced that the new
// container has the service's names.
func goesOn(announced bool, fresh, old container.Replica) bool {
	return announced && (fresh.State.Running || !old.State.Running)
}

// announced says whether the container is in all of the service's networks under its name.
func (r *Rollout) announced(service string, c container.Replica) bool {
	for key := range r.Project.Services[service].Networks {
		endpoint := c.NetworkSettings.Networks[r.Project.Networks[key].Name]
		if endpoint == nil || !slices.Contains(endpoint.Aliases, service) {
			return false
		}
	}
	return true
}

// wake ends the engine's pause of a container, which an earlier run may have left.
func (r *Rollout) wake(ctx context.Context, c container.Replica) error {
	if !c.State.Paused {
		return nil
	}
	_, err := r.Engine.ContainerUnpause(ctx, c.ID, client.ContainerUnpauseOptions{})
	return err
}
