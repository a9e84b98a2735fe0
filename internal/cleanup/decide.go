package cleanup

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// aboutToStart is for how long a container that was created but never started is left alone: somebody may be starting
// it.
const aboutToStart = 10 * time.Minute

// aboutToLoad is how long the record of an image stays that the engine does not have: a build records its image
// before loading it.
const aboutToLoad = time.Hour

// model is what the Compose file names. Services of profiles that are not active count: they are no orphans.
type model struct {
	services map[string]bool
	images   map[string]bool // normalised references, with tag or digest
	networks map[string]bool // full names
}

func readModel(project *types.Project) model {
	m := model{services: map[string]bool{}, images: map[string]bool{}, networks: map[string]bool{}}
	for _, services := range []types.Services{project.Services, project.DisabledServices} {
		for name, s := range services {
			m.services[name] = true
			names := []string{api.GetImageNameOrDefault(s, project.Name)}
			if s.Build != nil {
				names = append(names, s.Build.Tags...)
			}
			for _, name := range names {
				if full := normalise(name); full != "" {
					m.images[full] = true
				}
			}
		}
	}
	for key, n := range project.Networks {
		m.networks[n.Name] = true
		m.networks[project.Name+"_"+key] = true
	}
	return m
}

// normalise gives a reference in full: docker.io/library/redis:latest, or with its digest, beside which a tag means
// nothing. "" is none.
func normalise(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ""
	}
	if digested, ok := named.(reference.Digested); ok {
		if canonical, err := reference.WithDigest(reference.TrimNamed(named), digested.Digest()); err == nil {
			return canonical.String()
		}
	}
	return reference.TagNameOnly(named).String()
}

type decision struct {
	seen  observed
	names model
	plan  Plan
}

func (d *decision) remove(i Item) { d.plan.Remove = append(d.plan.Remove, i) }
func (d *decision) keep(i Item)   { d.plan.Keep = append(d.plan.Keep, i) }

// ours says whether labels mark a thing as this project's.
func (d *decision) ours(labels map[string]string) bool {
	return labels[container.ProjectLabel] == d.plan.Project
}

func (d *decision) decideContainers() {
	for _, c := range d.seen.containers {
		ours := d.ours(c.Labels)
		if !ours && d.plan.Scope != Host {
			continue
		}
		item := Item{
			Kind: Container, ID: c.ID, Name: containerName(c), Bytes: c.SizeRw, Owner: c.Labels[container.ProjectLabel],
		}
		why, stays := d.containerStays(c)
		item.Why = why
		switch {
		case !stays:
			d.removeUnlessOnlyLink(item, c)
		case ours || !active(c.State):
			d.keep(item)
		}
	}
}

// containerStays says whether a container stays whatever volumes it has, and why it stays or goes.
func (d *decision) containerStays(c moby.Summary) (why string, stays bool) {
	ours, state := d.ours(c.Labels), string(c.State)
	orphan := ours && !d.names.services[c.Labels[container.ServiceLabel]]
	oneOff := strings.EqualFold(c.Labels[container.OneOffLabel], "true")
	switch {
	case active(c.State) && orphan && !oneOff:
		return state + ", though the Compose file no longer has this service", true
	case active(c.State):
		return state, true
	case c.State == moby.StateCreated && d.seen.now.Sub(time.Unix(c.Created, 0)) < aboutToStart:
		return "created a moment ago, may be about to start", true
	case d.plan.Scope == Project && !ours:
		return "", true
	case d.plan.Scope == Project && d.seen.others[c.ID] != "":
		return fmt.Sprintf("%s; of the checkout in %s", state, d.seen.others[c.ID]), true
	case d.plan.Scope == Project && !d.byCompose(c):
		return state + "; not known to be made by Compose", true
	case oneOff:
		return "one-off run, " + state, false
	case orphan:
		return state + ", and the Compose file no longer has this service", false
	case d.plan.Scope == Host:
		return state, false
	}
	return state + "; a start uses it again", true
}

// byCompose says whether Compose made the container. A container that was made by hand has the labels of its image,
// and an image that was committed from a container has all labels of that container.
func (d *decision) byCompose(c moby.Summary) bool {
	at := slices.IndexFunc(d.seen.every, func(img image.Summary) bool { return img.ID == c.ImageID })
	if at < 0 {
		return false
	}
	for _, label := range []string{container.ConfigHashLabel, container.HookLabel} {
		if v := c.Labels[label]; v != "" && v != d.seen.every[at].Labels[label] {
			return true
		}
	}
	return false
}

// active says whether a container is at work, and so never goes.
func active(s moby.ContainerState) bool {
	return s != moby.StateExited && s != moby.StateCreated && s != moby.StateDead
}

func containerName(c moby.Summary) string {
	if len(c.Names) == 0 {
		return short(c.ID)
	}
	return strings.TrimPrefix(c.Names[0], "/")
}

// short is an ID as the docker command shows it.
func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}

// removedContainers says which containers the plan removes, by ID.
func (d *decision) removedContainers() map[string]bool {
	ids := map[string]bool{}
	for _, i := range d.plan.Remove {
		if i.Kind == Container {
			ids[i.ID] = true
		}
	}
	return ids
}

func (d *decision) decideNetworks() {
	going := d.removedContainers()
	for _, n := range d.seen.networks {
		ours := d.ours(n.Labels)
		if !ours && d.plan.Scope != Host {
			continue
		}
		item := Item{Kind: Network, ID: n.ID, Name: n.Name, Owner: n.Labels[container.ProjectLabel]}
		by := ""
		for _, c := range d.seen.containers {
			if !going[c.ID] && onNetwork(c, n.ID, n.Name) {
				by = containerName(c)
			}
		}
		switch {
		case by != "":
			item.Why = fmt.Sprintf("container %s is on it", by)
		case ours && d.names.networks[n.Name] && d.plan.Scope == Project:
			item.Why = "the Compose file names it"
		default:
			item.Why = "no container is on it"
			d.remove(item)
			continue
		}
		if ours {
			d.keep(item)
		}
	}
}

func (d *decision) decideCaches() {
	for _, c := range []struct {
		kind Kind
		size int64
	}{{EngineCache, d.seen.engineCache}, {BuilderCache, d.seen.builderCache}} {
		if c.size < 0 || (c.kind == EngineCache && c.size == 0) {
			continue
		}
		item := Item{Kind: c.kind, Name: "build cache", Bytes: max(0, c.size-d.plan.budget)}
		if d.plan.Scope == Project { // no record of a cache says whose it is
			where := map[Kind]string{EngineCache: "engine", BuilderCache: "builder"}[c.kind]
			item.Bytes, item.Why = c.size, "every project on this "+where+
				" builds with it; cleanup -scope=host prunes it"
			d.keep(item)
			continue
		}
		if item.Bytes == 0 {
			item.Bytes, item.Why = c.size, "within the budget of "+ui.Bytes(d.plan.budget)
			d.keep(item)
			continue
		}
		item.Why = fmt.Sprintf("%s in all, the budget is %s; the least useful goes", ui.Bytes(c.size),
			ui.Bytes(d.plan.budget))
		d.remove(item)
	}
}

// builtIn says whether the engine or Swarm made the network, so that nobody may remove it.
func builtIn(n network.Summary) bool {
	return n.Name == "bridge" || n.Name == "host" || n.Name == "none" || n.Ingress || n.ConfigOnly || n.Scope == "swarm"
}

// onNetwork says whether a container, running or not, is attached to a network.
func onNetwork(c moby.Summary, id, name string) bool {
	if c.NetworkSettings == nil {
		return false
	}
	for attached, endpoint := range c.NetworkSettings.Networks {
		if attached == name || (endpoint != nil && endpoint.NetworkID == id) {
			return true
		}
	}
	return false
}
