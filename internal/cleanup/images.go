package cleanup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/image"

	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/container"
)

// releasesKept is how many tagged images of a service stay beside the one that the Compose file names, to go back to.
const releasesKept = 3

// decideImages decides which images go: those of this project or, in scope host, those without a name, and those that
// were named by hand.
func (d *decision) decideImages(named []string) error {
	wanted, err := d.readImages(named)
	if err != nil {
		return err
	}
	users := d.imageUsers()
	releases := map[string]Item{}
	for _, img := range d.seen.images {
		tags := realTags(img)
		ours := d.ours(img.Labels)
		item := Item{
			Kind: Image, ID: img.ID, Name: imageName(img, tags), Bytes: unique(img),
			Owner: img.Labels[container.ProjectLabel], Tags: tags,
		}
		if request, ok := wanted[img.ID]; ok {
			if err := d.removeNamed(item, request, users[img.ID]); err != nil {
				return err
			}
			continue
		}
		if !ours && (d.plan.Scope != Host || len(tags) > 0) {
			continue
		}
		v := d.judge(img, tags, users[img.ID])
		item.Why, item.Unknown = v.why, v.unknown
		switch {
		case v.goes && len(tags) > 0:
			releases[img.ID] = item
		case v.goes:
			d.remove(item)
		default:
			d.keep(item)
		}
	}
	d.decideReleases(releases)
	return nil
}

// imageUsers gives, for the ID of each image in use, a container that stays and uses it.
func (d *decision) imageUsers() map[string]string {
	going, users := d.removedContainers(), map[string]string{}
	for _, c := range d.seen.containers {
		if !going[c.ID] {
			users[c.ImageID] = containerName(c)
		}
	}
	return users
}

// verdict is what one image, looked at by itself, deserves.
type verdict struct {
	why     string
	goes    bool
	unknown bool // no build of ours is known to have made it
}

// judge says whether an image that nobody has named by hand could go: only an image that a build of this checkout
// made, that nobody else gave a name, and that nothing needs. user is a container that uses the image; "" for none.
func (d *decision) judge(img image.Summary, tags []string, user string) verdict {
	records := d.recordsOf(img.ID)
	child := d.childOf(img.ID)
	switch {
	case user != "":
		return verdict{why: fmt.Sprintf("container %s uses it", user)}
	case d.isNamed(img, tags):
		return verdict{why: "the Compose file names it"}
	case child != "":
		return verdict{why: fmt.Sprintf("image %s was made from it", child)}
	case len(tags) == 0 && pulledByDigest(img):
		return verdict{why: "pulled by digest"}
	case len(records) == 0 && len(tags) == 0:
		return verdict{why: "untagged, and not known to be built here; goes only when named", unknown: true}
	case len(records) == 0:
		return verdict{why: "not known to be built here; goes only when named", unknown: true}
	}
	var given []string
	for _, r := range records {
		if r.Dir != d.seen.folder && (d.plan.Scope == Project || len(tags) > 0) {
			return verdict{why: "of the checkout in " + r.Dir + "; goes only when named", unknown: true}
		}
		given = append(given, r.Names...)
	}
	for _, t := range tags {
		if !slices.Contains(given, normalise(t)) {
			return verdict{why: "named " + t + " by hand; goes only when named", unknown: true}
		}
	}
	if len(tags) == 0 {
		return verdict{why: "untagged: a newer build took its name", goes: true}
	}
	return verdict{why: "an old tag of an image that the Compose file names otherwise", goes: true}
}

// decideReleases keeps those of the tagged images that could go which are among the last built of their service.
func (d *decision) decideReleases(could map[string]Item) {
	last := d.lastReleases()
	for id, item := range could {
		if !last[id] {
			d.remove(item)
			continue
		}
		item.Why = fmt.Sprintf("one of the last %d tagged builds of its service, to go back to", releasesKept)
		d.keep(item)
	}
}

// lastReleases gives, by ID, the last built images of each service that have a name which a build here gave them,
// beside the one that the Compose file names.
func (d *decision) lastReleases() map[string]bool {
	last, count := map[string]bool{}, map[string]int{}
	for _, r := range d.seen.records {
		at := slices.IndexFunc(d.seen.images, func(img image.Summary) bool { return img.ID == r.ID })
		if at < 0 || r.Dir != d.seen.folder {
			continue
		}
		tags := realTags(d.seen.images[at])
		given := slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(r.Names, normalise(t)) })
		if !given || d.isNamed(d.seen.images[at], tags) {
			continue
		}
		if count[r.Service]++; count[r.Service] <= releasesKept {
			last[r.ID] = true
		}
	}
	return last
}

func (d *decision) recordsOf(id string) []builds.Record {
	var its []builds.Record
	for _, r := range d.seen.records {
		if r.ID == id {
			its = append(its, r)
		}
	}
	return its
}

// isNamed says whether the Compose file names the image, by a tag or by a digest.
func (d *decision) isNamed(img image.Summary, tags []string) bool {
	return slices.ContainsFunc(slices.Concat(tags, img.RepoDigests),
		func(name string) bool { return d.names.images[normalise(name)] })
}

// childOf gives an image that was made from the image id, by docker commit or by a build without BuildKit; "" where
// there is none. The engine keeps the parent of such an image.
func (d *decision) childOf(id string) string {
	for _, img := range d.seen.every {
		if img.ParentID == id {
			return cmp.Or(strings.Join(realTags(img), ", "), short(img.ID))
		}
	}
	return ""
}

// recordsWithoutImage gives the images of which there is a record, but which the engine no longer has.
func (d *decision) recordsWithoutImage() []string {
	var ids []string
	for _, r := range d.seen.records {
		there := func(img image.Summary) bool { return img.ID == r.ID }
		if d.seen.now.Sub(r.Built) > aboutToLoad && !slices.ContainsFunc(d.seen.every, there) &&
			!slices.ContainsFunc(d.seen.images, there) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// realTags gives the image's tags without "<none>:<none>", which engines before 25 list for an untagged image.
func realTags(img image.Summary) []string {
	return slices.DeleteFunc(slices.Clone(img.RepoTags), func(t string) bool { return t == "<none>:<none>" })
}

// pulledByDigest says whether an image without a tag has a name all the same: a base locked by its digest.
func pulledByDigest(img image.Summary) bool {
	return slices.ContainsFunc(img.RepoDigests, func(d string) bool { return !strings.HasPrefix(d, "<none>") })
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
