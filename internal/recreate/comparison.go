package recreate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/composelib"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// Change is why a service is not as it should be, and whether it gets new containers, or only a start of those that
// do not run.
type Change struct {
	Why             string
	Recreate, Start bool
}

// Comparison compares a project's containers with what they should be. Whether the model or the image of a container
// differs is docker compose's own verdict; what Compose does not see is added to it. start and restart both use it.
type Comparison struct {
	Engine  *engine.Engine
	Project *types.Project
	Records Records
}

// Changes is what of a project's containers, networks and volumes is not as it should be.
type Changes struct {
	Services map[string]Change // by service; those that are as they should be are left out
	// BeyondCompose are the services whose containers Compose would keep, and that are made anew all the same, and
	// why.
	BeyondCompose map[string]string
	Networks      map[string]bool // keys of the networks that are made anew
	Images        map[string]bool // services of which nothing but the image changed
	DryRun        DryRun
}

// Changes compares the project's containers, which are found, with what they should be.
func (c Comparison) Changes(ctx context.Context, found map[string][]container.Replica) (Changes, error) {
	var (
		beyond   map[string]string
		networks map[string]bool
		dry      DryRun
	)
	g, within := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		beyond, networks, err = c.beyondCompose(within, summaries(found))
		return err
	})
	g.Go(func() (err error) {
		dry, err = c.dryRun(within, found)
		return err
	})
	if err := g.Wait(); err != nil {
		return Changes{}, err
	}
	anew, diverged := maps.Clone(beyond), slices.Sorted(maps.Keys(dry.Recreated))
	images := map[string]bool{}
	for _, name := range diverged {
		if anew[name] == "" {
			anew[name], images[name] = c.why(ctx, name, found[name], diverged)
		}
	}
	spread(c.Project, anew, found)
	return Changes{
		Services:      changed(c.Project, anew, found, c.Engine.Now()),
		BeyondCompose: beyond, Networks: networks, Images: images, DryRun: dry,
	}, nil
}

// changed says of each service that is not as it should be why, and what that takes. anew are those that are made
// anew, and why; now is the time by the engine's clock.
func changed(
	project *types.Project,
	anew map[string]string,
	found map[string][]container.Replica,
	now time.Time,
) map[string]Change {
	out := map[string]Change{}
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		if s.Provider != nil {
			continue
		}
		if why := anew[name]; why != "" {
			out[name] = Change{Why: why, Recreate: true}
		} else if other := stateChange(s, found[name], now); other.Why != "" {
			out[name] = other
		}
	}
	return out
}

// spread adds the services whose containers use the namespaces or volumes of one that is made anew: those end with it.
func spread(project *types.Project, anew map[string]string, found map[string][]container.Replica) {
	for grown := true; grown; {
		grown = false
		for _, name := range project.ServiceNames() {
			if anew[name] != "" || len(found[name]) == 0 {
				continue
			}
			for _, other := range slices.Sorted(maps.Keys(anew)) {
				if shares := composelib.Shares(project.Services[name], other); shares != "" {
					anew[name], grown = fmt.Sprintf("it shares the %s of %s", shares, other), true
				}
			}
		}
	}
}

// beyondCompose says which services have containers that docker compose up would keep, or would not make well, and
// why they are made anew: other content is copied into them, they hold files that are gone or replaced, or a network
// of theirs is made anew. (Compose attaches the old container to the new network without its service's name, so that
// nobody finds it.) It gives those networks' keys too. It looks into no container that mounts no file of this machine
// and has nothing copied into it.
func (c Comparison) beyondCompose(
	ctx context.Context, found map[string][]moby.Summary,
) (reasons map[string]string, networks map[string]bool, err error) {
	g, within := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		reasons, err = c.outdated(within, found)
		return err
	})
	g.Go(func() (err error) {
		networks, err = c.divergedNetworks(within)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	moreReasons(c.Project, reasons, networks, found)
	return reasons, networks, nil
}

// moreReasons adds to the reasons for which Compose's containers are made anew, by service: another checkout's,
// which docker compose does not compare, and those in a network that is made anew.
func moreReasons(
	project *types.Project,
	reasons map[string]string,
	networks map[string]bool,
	found map[string][]moby.Summary,
) {
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		for _, r := range found[name] {
			if container.OfAnother(r.Labels, project) && reasons[name] == "" {
				reasons[name] = "another checkout made it, " + r.Labels[container.WorkingDirLabel]
			}
		}
		for _, key := range s.NetworksByPriority() {
			if networks[key] && len(found[name]) > 0 && reasons[name] == "" {
				reasons[name] = fmt.Sprintf("the settings of its network %s changed", key)
			}
		}
	}
}

// stateChange judges a service whose containers are made from the right model; now is the time by the engine's clock.
func stateChange(s types.ServiceConfig, replicas []container.Replica, now time.Time) Change {
	v := container.Judge(s, replicas, now)
	switch v.Condition {
	case container.Paused, container.Unhealthy, container.Looping: // it runs, in a way
		return Change{Why: v.Says()}
	}
	if !v.Fine {
		return Change{Why: v.Says(), Start: true}
	}
	return Change{}
}

// why says why Compose makes a service's containers anew, and whether that is the image alone; diverged are all
// services that it does so with.
func (c Comparison) why(
	ctx context.Context, service string, found []container.Replica, diverged []string,
) (why string, image bool) {
	s, replicas := c.Project.Services[service], summaries(map[string][]container.Replica{service: found})[service]
	keys, recorded := c.changedKeys(s, replicas)
	for i := 0; !recorded && len(keys) == 0 && i < len(found); i++ {
		keys = inspectedKeys(s, found[i])
	}
	now, err := c.Engine.ImageInspect(ctx, api.GetImageNameOrDefault(s, c.Project.Name))
	is := imageState{id: now.ID, missing: cerrdefs.IsNotFound(err)}
	if err != nil {
		is.id = ""
	}
	return cause(c.Project, s, keys, recorded, is, replicas, diverged)
}

// imageState is what the engine has of a service's image.
type imageState struct {
	id      string // "" where the engine could not be asked, or has none
	missing bool
}

// cause says why Compose makes the service's containers anew, as far as that can be told, and whether that is the image
// alone. keys are those of its
// model that differ, recorded says that its model is on record; diverged are all services that Compose makes anew.
func cause(
	project *types.Project,
	s types.ServiceConfig,
	keys []string,
	recorded bool,
	image imageState,
	replicas []moby.Summary,
	diverged []string,
) (why string, imageAlone bool) {
	some := func(is func(r moby.Summary) bool) bool { return slices.ContainsFunc(replicas, is) }
	switch {
	case len(keys) > 0:
		return "its configuration changed: " + strings.Join(keys, ", "), false
	case image.missing:
		return "its image is not there", false
	}
	for _, r := range replicas {
		if image.id != "" && r.ImageID != image.id {
			return fmt.Sprintf("its image changed: %s %s -> %s", api.GetImageNameOrDefault(s, project.Name),
				readable("image", r.ImageID), readable("image", image.id)), true
		}
	}
	for _, other := range diverged {
		if shares := composelib.Shares(s, other); shares != "" {
			return fmt.Sprintf("it shares the %s of %s", shares, other), false
		}
	}
	for _, key := range s.NetworksByPriority() {
		name := project.Networks[key].Name
		if some(func(r moby.Summary) bool { return !attached(r, name) }) {
			return fmt.Sprintf("it is not attached to its network %s", key), false
		}
	}
	for _, v := range s.Volumes {
		volume, ok := project.Volumes[v.Source]
		if ok && some(func(r moby.Summary) bool { return !mounts(r, volume.Name) }) {
			return fmt.Sprintf("it does not mount the volume %s", volume.Name), false
		}
	}
	if recorded {
		// as after a change of its version
		return "docker compose's record of its configuration or image changed", false
	}
	return "its configuration changed; in which keys is not known: nothing was kept of what it was made from", false
}

// changedKeys names the keys in which the service's model is not what its containers were made from, and says whether
// that is on record of any.
func (c Comparison) changedKeys(s types.ServiceConfig, replicas []moby.Summary) ([]string, bool) {
	recorded := false
	for _, r := range replicas {
		record, ok := c.Records.Of(r.ID)
		if !ok || record.Version != keysVersion || len(record.Keys) == 0 {
			continue
		}
		recorded = true
		now, err := KeysOf(s, r.ID)
		if err != nil {
			return nil, false // then there are no names to give
		}
		if keys := Differences(record.Keys, now); len(keys) > 0 {
			return keys, true
		}
	}
	return nil, recorded
}

// attached says whether the container has an endpoint in the network. One that never ran has none yet, and none that
// it should have.
func attached(r moby.Summary, network string) bool {
	return r.NetworkSettings == nil || r.NetworkSettings.Networks[network] != nil
}

func mounts(r moby.Summary, volume string) bool {
	return slices.ContainsFunc(r.Mounts, func(m moby.MountPoint) bool { return m.Name == volume })
}

// summaries gives what List would have given of the containers.
func summaries(found map[string][]container.Replica) map[string][]moby.Summary {
	out := map[string][]moby.Summary{}
	for service, replicas := range found {
		for _, r := range replicas {
			s := moby.Summary{
				ID: r.ID, Names: []string{r.InspectResponse.Name}, ImageID: r.Image, Mounts: r.Mounts,
				State:  r.State.Status,
				Labels: r.Config.Labels,
			}
			if r.NetworkSettings != nil {
				s.NetworkSettings = &moby.NetworkSettingsSummary{Networks: maps.Clone(r.NetworkSettings.Networks)}
			}
			out[service] = append(out[service], s)
		}
	}
	return out
}
