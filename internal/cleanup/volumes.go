package cleanup

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// holdsData is said of a volume that nobody can fill again.
const holdsData = "data"

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
		item := Item{Kind: Volume, ID: v.Name, Name: v.Name, Owner: d.plan.Project, createdAt: v.CreatedAt}
		if v.UsageData != nil && v.UsageData.Size > 0 {
			item.Bytes = v.UsageData.Size
		}
		holds := holdsData
		if v.Labels[extension.HoldsLabel] == "cache" {
			holds = "a cache that the services fill again"
		}
		if names[v.Name] {
			item.Why = "named by you; it holds " + holds + d.snapshotOf(v.Name, holds)
			d.remove(item)
			continue
		}
		item.Why = fmt.Sprintf("holds %s; goes only when named", holds)
		d.keep(item)
	}
	return nil
}

// snapshotOf says of a volume with data that goes whether it was ever saved.
func (d *decision) snapshotOf(name, holds string) string {
	if holds != holdsData || d.seen.saved == nil {
		return ""
	}
	at, ok := d.seen.saved(name)
	if !ok {
		return ", and NO BACKUP OF IT is known here"
	}
	return ", last saved " + at.Local().Format("2006-01-02 15:04")
}

// findVolume gives the full name of the project's volume that is meant by name: a key of the Compose file or a full
// name. Where several could be meant, none is chosen.
func (d *decision) findVolume(name string) (string, error) {
	called := map[string]map[string]bool{} // by key and by full name
	foreign := false
	for _, v := range d.seen.volumes {
		if !d.ours(v.Labels) {
			foreign = foreign || v.Name == name
			continue
		}
		for _, word := range []string{v.Name, v.Labels[container.VolumeLabel]} {
			if called[word] == nil {
				called[word] = map[string]bool{}
			}
			called[word][v.Name] = true
		}
	}
	delete(called, "")
	found := slices.Sorted(maps.Keys(called[name]))
	switch {
	case len(found) > 1:
		return "", fault.New(fault.Usage, "docker volume inspect "+fault.Quote(found...),
			"%q may be any of the volumes %s: nothing was removed",
			name, strings.Join(found, " and "))
	case len(found) == 0 && foreign:
		return "", fault.New(fault.Usage, "docker volume inspect "+fault.Quote(name),
			"volume %q is not of project %q: it stays", name, d.plan.Project)
	case len(found) == 0:
		return "", fault.New(fault.Usage, "docker volume ls --filter label="+
			fault.Quote(container.ProjectLabel+"="+d.plan.Project), "project %q has no volume %q%s",
			d.plan.Project, name, fault.DidYouMean(name, slices.Sorted(maps.Keys(called))))
	}
	going := d.removedContainers()
	for _, c := range d.seen.containers {
		for _, m := range c.Mounts {
			if m.Name == found[0] && !going[c.ID] {
				return "", fault.New(fault.Usage, "docker rm "+fault.Quote(containerName(c))+
					", once it is stopped and you need it no more",
					"volume %q is in use by container %q (%s)", found[0], containerName(c), c.State)
			}
		}
	}
	return found[0], nil
}
