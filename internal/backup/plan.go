package backup

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// DefaultFreeze is the longest that services stand still, unless the Compose file says otherwise: less than what asks
// them waits for an answer.
const DefaultFreeze = 3 * time.Second

// Seen is what a plan is made of.
type Seen struct {
	Project    *types.Project
	Volumes    []volume.Volume
	Containers []Container // those that mount a volume, of whichever project
	// Readable says why the files of a volume can't be read by this process; "" where they can.
	Readable func(volume.Volume) string
}

// Plan is what a backup saves, and how it sees to it that all of that is of one moment.
type Plan struct {
	Project    string   `json:"project"`
	Repository string   `json:"repository"` // without a password
	Volumes    []Volume `json:"volumes"`    // by key
	Users      []User   `json:"users"`      // in the order in which those are stopped that are
	Dumps      []User   `json:"dumps"`      // those whose command's output is saved
	Left       []Left   `json:"left_out"`
	// Helper is why the volumes are read by a container; "" where this process reads them.
	Helper  string        `json:"helper,omitempty"`
	Freeze  time.Duration `json:"-"` // the longest
	Seconds float64       `json:"longest_freeze_seconds"`
}

// Volume is one that is saved.
type Volume = snapshots.Volume

// User is a container that writes to such.
type User = snapshots.User

// Container is one that mounts a volume.
type Container = volumes.Container

// Left is what is not saved.
type Left struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Decide makes the plan. caches are volumes that are saved though they are no data, by key or full name.
func Decide(seen Seen, caches []string) (Plan, error) {
	d := decision{Seen: seen, caches: map[string]bool{}}
	d.plan = Plan{
		Project: seen.Project.Name, Freeze: DefaultFreeze, Volumes: []Volume{}, Users: []User{}, Dumps: []User{},
		Left: []Left{},
	}
	if f := extension.BackupsOf(seen.Project).Freeze; f > 0 {
		d.plan.Freeze = f
	}
	d.plan.Seconds = d.plan.Freeze.Seconds()
	if err := d.readCaches(caches); err != nil {
		return d.plan, err
	}
	for _, key := range slices.Sorted(maps.Keys(seen.Project.Volumes)) {
		d.decideVolume(key, seen.Project.Volumes[key])
	}
	d.decideUsers()
	if err := d.decideDumps(); err != nil {
		return d.plan, err
	}
	d.nameHostDirectories()
	if len(d.plan.Volumes)+len(d.plan.Dumps) == 0 {
		return d.plan, fault.New(fault.Config, "go tool mage backup -caches=VOLUME for one that is a cache",
			"project %q has no volume with data: there is nothing to save", d.plan.Project).
			WithDetail(d.leftLines()...)
	}
	return d.plan, nil
}

type decision struct {
	Seen
	caches map[string]bool // by key
	plan   Plan
}

func (d *decision) leave(name, format string, args ...any) {
	d.plan.Left = append(d.plan.Left, Left{name, fmt.Sprintf(format, args...)})
}

func (d *decision) leftLines() []string {
	var out []string
	for _, l := range d.plan.Left {
		out = append(out, l.Name+": "+l.Why)
	}
	return out
}

func (d *decision) readCaches(named []string) error {
	var known []string
	for key, v := range d.Project.Volumes {
		known = append(known, key)
		if slices.Contains(named, v.Name) || slices.Contains(named, key) {
			d.caches[key] = true
		}
	}
	for _, name := range named {
		if _, ok := d.Project.Volumes[name]; !ok && !slices.ContainsFunc(slices.Collect(maps.Values(d.Project.Volumes)),
			func(v types.VolumeConfig) bool { return v.Name == name }) {
			return fault.New(fault.Usage, "go tool mage backup -dry-run, which lists the volumes",
				"project %q has no volume %q%s", d.Project.Name, name, fault.DidYouMean(name, known))
		}
	}
	return nil
}

// decideVolume takes a volume of the Compose file into the plan, or says why it stays out.
func (d *decision) decideVolume(key string, config types.VolumeConfig) {
	i := slices.IndexFunc(d.Volumes, func(v volume.Volume) bool { return v.Name == config.Name })
	if i < 0 {
		d.leave(key, "has not been made yet")
		return
	}
	v := d.Volumes[i]
	holds := "data"
	if v.Labels[extension.HoldsLabel] == "cache" || config.Labels[extension.HoldsLabel] == "cache" {
		holds = "cache"
	}
	switch saved, said := extension.VolumeSaved(config); {
	case d.caches[key], said && saved:
	case said:
		d.leave(key, "its Compose file says so: %s: {backup: false}", extension.Key)
		return
	case holds == "cache":
		d.leave(key, "a cache that the services fill again; -caches=%s saves it too", key)
		return
	}
	if by := d.dumpedBy(config.Name); by != "" {
		d.leave(key, "%q gives a dump of what is in it", by)
		return
	}
	if why := d.Readable(v); why != "" {
		d.plan.Helper = why
	}
	d.plan.Volumes = append(d.plan.Volumes, Volume{
		Key: key, Name: v.Name, Driver: v.Driver, Options: v.Options, Labels: v.Labels, Holds: holds,
		Path: v.Mountpoint,
	})
}

// dumpedBy is the service that gives a dump of all that is in a volume, which is so where each service that may write
// to the volume is saved by a dump; "" where there is none.
func (d *decision) dumpedBy(name string) string {
	found := ""
	for _, service := range d.Project.ServiceNames() {
		s := d.Project.Services[service]
		for _, m := range s.Volumes {
			if m.Type != types.VolumeTypeVolume || d.Project.Volumes[m.Source].Name != name || m.ReadOnly {
				continue
			}
			if extension.BackupOf(s).By != extension.BackupDump {
				return ""
			}
			found = service
		}
	}
	return found
}

// decideUsers finds who writes to the volumes, and what is done about each.
func (d *decision) decideUsers() {
	for _, c := range d.Containers {
		if !writes(c, d.plan.Volumes) || c.State == nil || !c.State.Running || c.State.Paused {
			continue
		}
		u := User{ID: c.ID, Container: strings.TrimPrefix(c.Name, "/"), By: extension.BackupFreeze}
		if name, ours := d.serviceOf(c); ours {
			u.Service = name
			follow(&u, extension.BackupOf(d.Project.Services[name]), c)
		}
		if u.By == extension.BackupDump { // a service on a volume that others write to as well
			u.By = extension.BackupFreeze
		}
		d.plan.Users = append(d.plan.Users, u)
	}
	order := DependantsFirst(d.Project)
	slices.SortStableFunc(d.plan.Users, func(a, b User) int {
		if n := slices.Index(order, a.Service) - slices.Index(order, b.Service); n != 0 {
			return n
		}
		return strings.Compare(a.Container, b.Container)
	})
}

// follow takes over what the Compose file says, and where it names no command what a recipe does.
func follow(u *User, b extension.Backup, c Container) {
	u.By, u.Before, u.After, u.Dump = b.By, b.Before, b.After, b.Dump
	u.Facts = b.Facts
	r, known := recipeOf(c)
	if !known {
		return
	}
	if u.Knows = r.name; len(b.Facts) == 0 {
		u.Facts = r.facts
	}
	if len(b.Before)+len(b.After) == 0 && len(r.before) > 0 && b.By != extension.BackupStop &&
		b.By != extension.BackupDump {
		u.Before, u.Recipe = r.before, r.name
	}
	if b.By == extension.BackupDump && len(b.Dump) == 0 {
		u.Dump, u.Recipe = r.dump, r.name
	}
}

// decideDumps finds the services whose command gives what is saved.
func (d *decision) decideDumps() error {
	for _, name := range d.Project.ServiceNames() {
		b := extension.BackupOf(d.Project.Services[name])
		if b.By != extension.BackupDump && len(b.Dump) == 0 {
			continue
		}
		i := slices.IndexFunc(d.Containers, func(c Container) bool {
			service, ours := d.serviceOf(c)
			return ours && service == name && c.State != nil && c.State.Running
		})
		if i < 0 && !d.hasContainer(name) {
			d.leave(name, "is to give a dump, and has no container")
			continue
		}
		if i < 0 {
			return fault.New(fault.Failed, "go tool mage start "+fault.Quote(name),
				"saving %q: it is to give a dump, and does not run", name)
		}
		u := User{
			ID: d.Containers[i].ID, Container: strings.TrimPrefix(d.Containers[i].Name, "/"), Service: name,
		}
		follow(&u, b, d.Containers[i])
		if len(u.Dump) == 0 {
			return fault.New(fault.Config, fault.Correct,
				"saving %q: it is to give a dump, and no recipe is known for it: %s.backup needs dump: [COMMAND]", name,
				extension.Key)
		}
		d.plan.Dumps = append(d.plan.Dumps, u)
	}
	return nil
}

// hasContainer says whether a service has a container that mounts a volume, in whatever state.
func (d *decision) hasContainer(name string) bool {
	return slices.ContainsFunc(d.Containers, func(c Container) bool {
		service, ours := d.serviceOf(c)
		return ours && service == name
	})
}

// serviceOf is the service of this project that a container is of.
func (d *decision) serviceOf(c Container) (string, bool) {
	if c.Config == nil || c.Config.Labels[container.ProjectLabel] != d.Project.Name {
		return "", false
	}
	name := c.Config.Labels[container.ServiceLabel]
	_, ok := d.Project.Services[name]
	return name, ok
}

// writes says whether the container may write to one of the volumes.
func writes(c Container, volumes []Volume) bool {
	return slices.ContainsFunc(c.Mounts, func(m moby.MountPoint) bool {
		return m.RW && slices.ContainsFunc(volumes, func(v Volume) bool { return v.Name == m.Name })
	})
}

// DependantsFirst are the project's services, each before those that it depends on.
func DependantsFirst(project *types.Project) []string {
	var out []string
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		s, ok := project.Services[name]
		if !ok || seen[name] {
			return
		}
		seen[name] = true
		for _, dependency := range slices.Sorted(maps.Keys(s.DependsOn)) {
			visit(dependency)
		}
		out = append(out, name)
	}
	for _, name := range project.ServiceNames() {
		visit(name)
	}
	slices.Reverse(out)
	return out
}

// nameHostDirectories names what of the services' data is in no volume.
func (d *decision) nameHostDirectories() {
	users := map[string][]string{}
	for _, name := range d.Project.ServiceNames() {
		for _, m := range d.Project.Services[name].Volumes {
			switch {
			case m.Type == types.VolumeTypeBind:
				users[m.Source] = append(users[m.Source], name)
			case m.Type == types.VolumeTypeVolume && m.Source == "":
				d.leave(name+":"+m.Target, "an anonymous volume: one with a name in the Compose file is saved")
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(users)) {
		d.leave(path, "of the host, and in no volume; %s uses it", strings.Join(users[path], " and "))
	}
}
