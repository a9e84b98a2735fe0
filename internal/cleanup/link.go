package cleanup

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// labelAnonymous is what engines since 23 put on a volume that nobody named.
const labelAnonymous = "com.docker.volume.anonymous"

// generatedName is the name that the engine gives such a volume.
var generatedName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// removeUnlessOnlyLink removes the container, unless the container is the only link to a volume with data: nobody
// finds an anonymous volume again once no container has it.
func (d *decision) removeUnlessOnlyLink(i Item, c moby.Summary) {
	i.anonymousVolumes = slices.ContainsFunc(c.Mounts, func(m moby.MountPoint) bool {
		return m.Type == mount.TypeVolume && anonymous(m.Name, d.volume(m.Name))
	})
	links := d.soleLinks(c)
	if len(links) == 0 {
		d.remove(i)
		return
	}
	i.Why += fmt.Sprintf("; it is the only link to %s; docker rm -v %s removes both", strings.Join(links, " and "),
		i.Name)
	d.keep(i)
}

// soleLinks names the anonymous volumes with data that no other container has, with their sizes.
func (d *decision) soleLinks(c moby.Summary) []string {
	var links []string
	for _, m := range c.Mounts {
		v := d.volume(m.Name)
		if m.Type != mount.TypeVolume || !anonymous(m.Name, v) || d.hasAnother(m.Name, c.ID) {
			continue
		}
		switch size := sizeOf(v); {
		case size > 0:
			links = append(links, fmt.Sprintf("volume %s (%s)", m.Name, ui.Bytes(size)))
		case size < 0:
			links = append(links, fmt.Sprintf("volume %s (size not known)", m.Name))
		}
	}
	return links
}

func (d *decision) volume(name string) *volume.Volume {
	for i, v := range d.seen.volumes {
		if v.Name == name {
			return &d.seen.volumes[i]
		}
	}
	return nil
}

// anonymous says whether nobody has named the volume; v is nil where the engine lists none of that name.
func anonymous(name string, v *volume.Volume) bool {
	if v != nil {
		if _, said := v.Labels[labelAnonymous]; said {
			return true
		}
	}
	return generatedName.MatchString(name)
}

// sizeOf is the size of the volume in bytes; less than 0 where the engine can't tell.
func sizeOf(v *volume.Volume) int64 {
	if v == nil || v.UsageData == nil {
		return -1
	}
	return v.UsageData.Size
}

// hasAnother says whether a container that stays has the volume too. Two that go would each count on the other, and
// one that its end removes (docker run --rm) takes its volumes with it: only the services' own count.
func (d *decision) hasAnother(volume, than string) bool {
	for _, c := range d.seen.containers {
		oneOff := strings.EqualFold(c.Labels[container.OneOffLabel], "true")
		if c.ID == than || !d.ours(c.Labels) || oneOff || !d.byCompose(c) {
			continue
		}
		if _, stays := d.containerStays(c); !stays {
			continue
		}
		for _, m := range c.Mounts {
			if m.Name == volume {
				return true
			}
		}
	}
	return false
}
