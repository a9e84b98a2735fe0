package cleanup

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/image"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// request is what somebody asks for of one image: that the image goes, or that it loses these names. An image goes
// with its last name.
type request struct {
	whole bool
	names []string
}

// idForm matches an ID as people write it: whole, or its beginning. Fewer digits would often match several images, or
// be a word.
var idForm = regexp.MustCompile(`^(sha256:)?[0-9a-f]{4,64}$`)

// readImages finds the images that were named by hand, by ID. A name means what it means to docker: web is web:latest.
func (d *decision) readImages(named []string) (map[string]request, error) {
	wanted := map[string]request{}
	for _, name := range named {
		byName, byID := d.findImages(name)
		if len(byName)+len(byID) == 0 {
			return nil, d.noImage(name)
		}
		if len(byName)+len(byID) > 1 {
			return nil, fault.New(fault.Usage, "docker images --no-trunc", "%q may be any of %s: nothing was removed",
				name,
				strings.Join(describeImages(append(byName, byID...)), " and "))
		}
		img := slices.Concat(byName, byID)[0]
		if !d.ours(img.Labels) && d.plan.Scope != Host {
			return nil, fault.New(fault.Usage, "docker image rm "+fault.Quote(name)+", if nobody needs it",
				"image %q is not of project %q: it stays", name, d.plan.Project)
		}
		if child := d.childOf(img.ID); child != "" && !d.listed(img) {
			return nil, hasChildError(name, child)
		}
		r := wanted[img.ID]
		if tag := nameMeant(img, name); slices.Contains(img.RepoTags, tag) {
			r.names = append(r.names, tag)
		} else { // by ID or digest
			r.whole = true
		}
		wanted[img.ID] = r
	}
	return wanted, nil
}

// findImages gives the images that have the name, and those whose ID begins so; an image that is both is among the
// first only.
func (d *decision) findImages(name string) (byName, byID []image.Summary) {
	id := ""
	if idForm.MatchString(name) {
		id = "sha256:" + strings.TrimPrefix(name, "sha256:")
	}
	for _, img := range slices.Concat(d.seen.images, slices.DeleteFunc(slices.Clone(d.seen.every), d.listed)) {
		switch {
		case nameMeant(img, name) != "":
			byName = append(byName, img)
		case id != "" && strings.HasPrefix(img.ID, id):
			byID = append(byID, img)
		}
	}
	return byName, byID
}

// listed says whether the engine lists the image, and does not hide it as the parent of another.
func (d *decision) listed(img image.Summary) bool {
	return slices.ContainsFunc(d.seen.images, func(other image.Summary) bool { return other.ID == img.ID })
}

// nameMeant gives the one of the image's names, as the engine has them, that name means; "" where none does.
func nameMeant(img image.Summary, name string) string {
	full := normalise(name)
	for _, its := range slices.Concat(realTags(img), img.RepoDigests) {
		if full != "" && normalise(its) == full {
			return its
		}
	}
	return ""
}

func describeImages(images []image.Summary) []string {
	var all []string
	for _, img := range images {
		text := short(img.ID)
		if tags := realTags(img); len(tags) > 0 {
			text += " (" + strings.Join(tags, ", ") + ")"
		}
		all = append(all, text)
	}
	return all
}

func (d *decision) noImage(name string) error {
	var known []string
	for _, img := range d.seen.images {
		if d.ours(img.Labels) {
			known = append(append(known, realTags(img)...), short(img.ID))
		}
	}
	return fault.New(fault.Usage, "docker images --filter label="+
		fault.Quote(container.ProjectLabel+"="+d.plan.Project), "there is no image %q%s", name,
		fault.DidYouMean(name, known))
}

// removeNamed carries out the request in the plan, or says why that can't be: an image goes when none of its names is
// left.
func (d *decision) removeNamed(item Item, r request, user string) error {
	left := slices.DeleteFunc(slices.Clone(item.Tags), func(t string) bool { return slices.Contains(r.names, t) })
	switch {
	case r.whole && len(left) > 1:
		return fault.New(fault.Usage, "go tool mage cleanup -images="+fault.Quote(strings.Join(item.Tags, ",")),
			"image %q has several names: %s", short(item.ID), strings.Join(item.Tags, ", "))
	case !r.whole && len(left) > 0:
		item.Name, item.Bytes, item.untag = strings.Join(r.names, ", "), 0, r.names
		item.Why = "named by you; the image stays as " + strings.Join(left, ", ")
		d.remove(item)
		return nil
	case user != "":
		return fault.New(fault.Usage, "docker rm "+fault.Quote(user)+", once it is stopped and you need it no more",
			"image %q is in use by container %q", item.Name, user)
	}
	if child := d.childOf(item.ID); child != "" {
		return hasChildError(item.Name, child)
	}
	item.Why = "named by you"
	if len(d.recordsOf(item.ID)) == 0 {
		item.Why = "named by you; not known to be built here"
	}
	for _, name := range item.Tags {
		if d.names.images[normalise(name)] {
			item.Why = fmt.Sprintf("named by you; the Compose file names it as %s", name)
		}
	}
	d.remove(item)
	return nil
}

func hasChildError(name, child string) error {
	return fault.New(fault.Usage, "docker images --all", "image %q can't go before image %s, which was made from it",
		name, child)
}
