package cleanup

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/network"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// The labels by which Compose marks what is a project's. The image build sets the first on the images it makes.
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
	labelOneOff  = "com.docker.compose.oneoff"
	labelVolume  = "com.docker.compose.volume"
	labelHolds   = "com.25eloquence.volume" // data or cache
)

// aboutToStart is for how long a container that was created but never started is left alone: somebody may be starting it.
const aboutToStart = 10 * time.Minute

// model is what the Compose file names. Services of profiles that are not active count: they are no orphans.
type model struct {
	services map[string]bool
	images   map[string]bool // normalised references, tag included
	repos    map[string]bool // the same without tags
	networks map[string]bool // full names
}

func readModel(project *types.Project) model {
	m := model{services: map[string]bool{}, images: map[string]bool{}, repos: map[string]bool{}, networks: map[string]bool{}}
	for _, services := range []types.Services{project.Services, project.DisabledServices} {
		for name, s := range services {
			m.services[name] = true
			if full, repo := normalise(api.GetImageNameOrDefault(s, project.Name)); full != "" {
				m.images[full], m.repos[repo] = true, true
			}
		}
	}
	for key, n := range project.Networks {
		m.networks[n.Name] = true
		m.networks[project.Name+"_"+key] = true
	}
	return m
}

// normalise gives a reference in full (docker.io/library/redis:latest), and its repository without the tag.
func normalise(ref string) (full, repo string) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", ""
	}
	return reference.TagNameOnly(named).String(), named.Name()
}

type decision struct {
	seen  observed
	names model
	plan  Plan
}

func (d *decision) remove(i Item) { d.plan.Remove = append(d.plan.Remove, i) }
func (d *decision) keep(i Item)   { d.plan.Keep = append(d.plan.Keep, i) }

// ours says whether labels mark a thing as this project's.
func (d *decision) ours(labels map[string]string) bool { return labels[labelProject] == d.plan.Project }

func (d *decision) decideContainers() {
	for _, c := range d.seen.containers {
		ours := d.ours(c.Labels)
		if !ours && d.plan.Scope != Host {
			continue
		}
		item := Item{Kind: Container, ID: c.ID, Name: containerName(c), Bytes: c.SizeRw, Owner: c.Labels[labelProject]}
		orphan := ours && !d.names.services[c.Labels[labelService]]
		oneOff := strings.EqualFold(c.Labels[labelOneOff], "true")
		fresh := c.State == container.StateCreated && d.seen.now.Sub(time.Unix(c.Created, 0)) < aboutToStart
		switch {
		case active(c.State):
			item.Why = string(c.State)
			if orphan && !oneOff {
				item.Why += ", though the Compose file no longer has this service"
			}
			if ours {
				d.keep(item)
			}
		case fresh:
			item.Why = "created a moment ago, may be about to start"
			d.keep(item)
		case oneOff:
			item.Why = "one-off run, " + string(c.State)
			d.removeUnlessOnlyLink(item, c)
		case orphan:
			item.Why = fmt.Sprintf("%s, and the Compose file no longer has this service", c.State)
			d.removeUnlessOnlyLink(item, c)
		case d.plan.Scope == Host:
			item.Why = string(c.State)
			d.removeUnlessOnlyLink(item, c)
		default:
			item.Why = fmt.Sprintf("%s; a start uses it again", c.State)
			d.keep(item)
		}
	}
}

// active says whether a container is at work, and so never goes.
func active(s container.ContainerState) bool {
	return s != container.StateExited && s != container.StateCreated && s != container.StateDead
}

func containerName(c container.Summary) string {
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

// going says which containers the plan removes, by ID.
func (d *decision) going() map[string]bool {
	ids := map[string]bool{}
	for _, i := range d.plan.Remove {
		if i.Kind == Container {
			ids[i.ID] = true
		}
	}
	return ids
}

func (d *decision) decideImages() {
	going := d.going()
	user := map[string]string{} // image ID -> a container that stays and uses it
	for _, c := range d.seen.containers {
		if !going[c.ID] {
			user[c.ImageID] = containerName(c)
		}
	}
	for _, img := range d.seen.images {
		tags := realTags(img)
		ours := d.ours(img.Labels)
		if !ours && (d.plan.Scope != Host || len(tags) > 0) {
			continue
		}
		item := Item{Kind: Image, ID: img.ID, Name: imageName(img, tags), Bytes: unique(img), Owner: img.Labels[labelProject], Tags: tags}
		goes := false
		if by := user[img.ID]; by != "" {
			item.Why = fmt.Sprintf("container %s uses it", by)
		} else {
			item.Why, goes = d.unusedImage(img, tags, ours)
		}
		if goes {
			d.remove(item)
		} else if ours {
			d.keep(item)
		}
	}
}

// unusedImage says whether an image that no container uses goes, and why.
func (d *decision) unusedImage(img image.Summary, tags []string, ours bool) (why string, goes bool) {
	if len(tags) == 0 {
		switch {
		case ours:
			return "untagged: a newer build took its name", true
		case pulledByDigest(img):
			return "pulled by digest", false
		}
		return "untagged, and no container uses it", true
	}
	for _, t := range tags {
		if full, _ := normalise(t); d.names.images[full] {
			return "the Compose file names it", false
		}
	}
	for _, t := range tags {
		if _, repo := normalise(t); !d.names.repos[repo] {
			// Tagged by hand, or another project's image that was built on one of ours and inherited its labels.
			return "has a name that is not from the Compose file", false
		}
	}
	return "an old tag of an image that the Compose file names otherwise", true
}

// realTags leaves out what engines before 25 show of an untagged image.
func realTags(img image.Summary) []string {
	return slices.DeleteFunc(slices.Clone(img.RepoTags), func(t string) bool { return t == "<none>:<none>" })
}

func imageName(img image.Summary, tags []string) string {
	if len(tags) == 0 {
		return short(img.ID)
	}
	return strings.Join(tags, ", ")
}

// unique is the size of the layers that no other image has, or the whole where the engine did not say.
func unique(img image.Summary) int64 {
	if img.SharedSize < 0 {
		return img.Size
	}
	return img.Size - img.SharedSize
}

func (d *decision) decideNetworks() {
	going := d.going()
	for _, n := range d.seen.networks {
		ours := d.ours(n.Labels)
		if !ours && d.plan.Scope != Host {
			continue
		}
		item := Item{Kind: Network, ID: n.ID, Name: n.Name, Owner: n.Labels[labelProject]}
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

func (d *decision) decideVolumes(named []string) error {
	names := map[string]bool{}
	for _, name := range named {
		v, err := d.findVolume(name)
		if err != nil {
			return err
		}
		names[v] = true
	}
	for _, v := range d.seen.volumes {
		if !d.ours(v.Labels) {
			continue
		}
		item := Item{Kind: Volume, ID: v.Name, Name: v.Name, Owner: d.plan.Project}
		if v.UsageData != nil && v.UsageData.Size > 0 {
			item.Bytes = v.UsageData.Size
		}
		holds := "data"
		if v.Labels[labelHolds] == "cache" {
			holds = "a cache that the services fill again"
		}
		if names[v.Name] {
			item.Why = "named by you; it holds " + holds
			d.remove(item)
			continue
		}
		item.Why = fmt.Sprintf("holds %s; goes only when named", holds)
		d.keep(item)
	}
	return nil
}

// findVolume gives the full name of the project's volume that name, a key of the Compose file or a full name, means.
func (d *decision) findVolume(name string) (string, error) {
	keys := map[string]string{}
	for _, v := range d.seen.volumes {
		if d.ours(v.Labels) {
			keys[v.Name] = v.Name
			if key := v.Labels[labelVolume]; key != "" {
				keys[key] = v.Name
			}
			continue
		}
		if v.Name == name {
			return "", fault.New(fault.Usage, "docker volume inspect "+fault.Quote(name), "volume %q is not of project %q: it stays", name, d.plan.Project)
		}
	}
	full, ok := keys[name]
	if !ok {
		return "", fault.New(fault.Usage, "docker volume ls --filter label="+labelProject+"="+fault.Quote(d.plan.Project), "project %q has no volume %q%s",
			d.plan.Project, name, fault.DidYouMean(name, slices.Sorted(maps.Keys(keys))))
	}
	going := d.going()
	for _, c := range d.seen.containers {
		for _, m := range c.Mounts {
			if m.Name == full && !going[c.ID] {
				return "", fault.New(fault.Usage, "docker rm "+fault.Quote(containerName(c))+", once it is stopped and you need it no more",
					"volume %q is in use by container %q (%s)", full, containerName(c), c.State)
			}
		}
	}
	return full, nil
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
		if c.kind == EngineCache && d.plan.Scope == Project {
			// Its records don't say whose they are.
			item.Bytes, item.Why = c.size, "every project on this engine builds with it; cleanup -scope=host prunes it"
			d.keep(item)
			continue
		}
		if item.Bytes == 0 {
			item.Bytes, item.Why = c.size, "within the budget of "+ui.Bytes(d.plan.budget)
			d.keep(item)
			continue
		}
		item.Why = fmt.Sprintf("%s in all, the budget is %s; the least useful goes", ui.Bytes(c.size), ui.Bytes(d.plan.budget))
		d.remove(item)
	}
}

// builtIn says whether the engine or Swarm made the network, so that it is nobody's to remove.
func builtIn(n network.Summary) bool {
	return n.Name == "bridge" || n.Name == "host" || n.Name == "none" || n.Ingress || n.ConfigOnly || n.Scope == "swarm"
}

// onNetwork says whether a container, running or not, is attached to a network.
func onNetwork(c container.Summary, id, name string) bool {
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

// pulledByDigest says whether an image without a tag has a name all the same: a base locked by its digest.
func pulledByDigest(img image.Summary) bool {
	return slices.ContainsFunc(img.RepoDigests, func(d string) bool { return !strings.HasPrefix(d, "<none>") })
}
