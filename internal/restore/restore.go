// Package restore owns bringing a snapshot back: its volumes are written into new ones, compared, and get their names
// in one step. Nothing that is there is overwritten.
package restore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// The labels of a volume that a restore made.
const (
	copyLabel   = "com.25eloquence.restored"       // the full name of the volume whose data it has
	beforeLabel = "com.25eloquence.before-restore" // the full name of the volume that had its data before
	fromLabel   = "com.25eloquence.restored-from"  // the snapshot
)

// Options are what a restore goes by.
type Options struct {
	Engine  *engine.Engine
	Out     *ui.Out
	Target  snapshots.Target
	Project string
	At      string   // which snapshot, as choose has it
	Volumes []string // only these, by key or full name; empty is all
	// Swap puts the data in the place of what the volumes have now, which stays in another volume.
	Swap  bool
	Order []string // services, those first that depend on others: in this order they are stopped for a swap
	// Root is the directory below which the project's files are put where they are missing; "" for none.
	Root string
}

// Restored is what a restore came to.
type Restored struct {
	Snapshot string           `json:"snapshot"`
	Time     time.Time        `json:"time"`
	Volumes  []RestoredVolume `json:"volumes"`
	Files    []string         `json:"files"` // of the project that were missing, and were written
	Dumps    []string         `json:"dumps"` // files that a service has to read
	Seconds  float64          `json:"seconds"`
}

// RestoredVolume is one volume's.
type RestoredVolume struct {
	Key    string `json:"key"`
	Name   string `json:"name"`             // the volume that has the data now
	Copy   bool   `json:"copy"`             // it is another than the project's own, which is as it was
	Before string `json:"before,omitempty"` // the volume that has what was there before
}

// restore is one at work.
type restore struct {
	Options
	dir      string
	snapshot snapshots.Snapshot
	manifest snapshots.Manifest
	stamp    string // of this restore, in the names of volumes
	items    []*item
}

// item is a volume that is being restored.
type item struct {
	snapshots.Volume
	exists bool   // a volume of its own name is there, and has something in it
	into   string // the volume that restic writes into
	path   string // of its files
}

// Run writes the snapshot's volumes into new ones, compares what was written with the snapshot, and gives a volume
// that is not there, or is empty, its own name. Nothing that is there is overwritten: with Swap the new and the old
// data change places in one step, once the new was written and compared.
func Run(ctx context.Context, o Options) (Restored, error) {
	began := time.Now()
	r := &restore{Options: o, stamp: began.Format("20060102-150405")}
	var err error
	if r.dir, err = snapshots.Dir(o.Project); err != nil {
		return Restored{}, err
	}
	if err := r.open(ctx); err != nil {
		return Restored{}, err
	}
	out := Restored{Snapshot: r.snapshot.ID, Time: r.snapshot.Time, Files: []string{}, Dumps: []string{}}
	if err := r.look(ctx); err != nil {
		return out, err
	}
	if err := r.fill(ctx); err != nil {
		return out, errors.Join(err, r.discard(ctx))
	}
	if out.Volumes, err = r.place(ctx); err != nil {
		return out, err
	}
	if r.Root != "" {
		if out.Files, err = r.files(ctx); err != nil {
			return out, err
		}
	}
	out.Dumps, err = r.dumps(ctx)
	out.Seconds = time.Since(began).Seconds()
	return out, err
}

// open chooses the snapshot and reads its manifest.
func (r *restore) open(ctx context.Context) error {
	var err error
	if r.snapshot, r.manifest, err = Choose(ctx, r.Target, r.Project, r.At); err != nil {
		return err
	}
	r.Out.Title("restore of %s as of %s, snapshot %s", r.Project, r.snapshot.Time.Local().Format(time.DateTime),
		r.snapshot.ID)
	chosen, err := volumesNamed(r.manifest, r.Volumes)
	for _, v := range chosen {
		r.items = append(r.items, &item{Volume: v})
	}
	return err
}

// Choose gives one of the project's snapshots, and what that says of itself.
func Choose(ctx context.Context, t snapshots.Target, project, at string) (
	s snapshots.Snapshot, m snapshots.Manifest, err error,
) {
	all, err := t.List(ctx, project)
	if err == nil {
		s, err = snapshots.Choose(all, at, time.Local)
	}
	if err == nil {
		m, err = ManifestOf(ctx, t, project, s)
	}
	return s, m, err
}

// ManifestOf gives what a snapshot says of itself. That it is of another project is an error.
func ManifestOf(ctx context.Context, t snapshots.Target, project string, s snapshots.Snapshot) (
	snapshots.Manifest, error,
) {
	text, err := t.Repository.Read(ctx, s.ID, "/"+snapshots.ManifestName)
	if err != nil {
		return snapshots.Manifest{}, err
	}
	m, err := snapshots.ParseManifest(text)
	if err == nil && m.Project != project {
		err = fault.New(fault.Failed, "go tool mage backup -list", "snapshot %s is of project %q, not of %q", s.ID,
			m.Project, project)
	}
	return m, err
}

// volumesNamed gives the volumes of the manifest that are named by key or full name; all where none is.
func volumesNamed(m snapshots.Manifest, named []string) ([]snapshots.Volume, error) {
	if len(named) == 0 {
		return m.Volumes, nil
	}
	var out []snapshots.Volume
	for _, name := range named {
		i := slices.IndexFunc(m.Volumes, func(v snapshots.Volume) bool { return v.Key == name || v.Name == name })
		if i < 0 {
			var known []string
			for _, v := range m.Volumes {
				known = append(known, v.Key)
			}
			return nil, fault.New(fault.Usage, "go tool mage backup -list",
				"the snapshot has no volume %q%s; it has %s", name, fault.DidYouMean(name, known),
				strings.Join(known, ", "))
		}
		out = append(out, m.Volumes[i])
	}
	return out, nil
}

// look finds out which of the volumes are there, and refuses what can't be done before anything is made.
func (r *restore) look(ctx context.Context) error {
	found := map[string]volumeName{} // by key
	for _, i := range r.items {
		i.into = i.Name + "-restored-" + r.stamp
		if r.Swap {
			i.into = i.Name + "-before-" + r.stamp // which it is when the two have changed places
		}
		one, err := r.Engine.VolumeInspect(ctx, i.Name, client.VolumeInspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
			continue
		case err != nil:
			return fmt.Errorf("looking at the volume %q: %w", i.Name, err)
		}
		found[i.Key] = one.Volume
	}
	full, err := r.notEmpty(ctx, found)
	if err != nil {
		return err
	}
	for _, i := range r.items {
		one, there := found[i.Key]
		if i.exists = full[i.Key]; i.exists && r.Swap && volumes.MountsDevice(one.Options) {
			return fault.New(fault.Config, "the same command without -swap, and copy the data by hand",
				"restoring the volume %q: its options say where its files are, and they can't change places", i.Key)
		}
		if there && !i.exists {
			users, err := volumes.Users(ctx, r.Engine, []volumeName{one})
			if err != nil {
				return err
			}
			i.exists = len(volumes.Running(users)) > 0
		}
	}
	return nil
}

// fill makes the new volumes, and has restic write into all of them at once and compare.
func (r *restore) fill(ctx context.Context) error {
	if len(r.items) == 0 {
		return nil
	}
	var into []Into
	for _, i := range r.items {
		made, err := r.Engine.VolumeCreate(ctx, client.VolumeCreateOptions{
			Name: i.into, Labels: r.copyLabels(i.Volume),
		})
		if err != nil {
			return fmt.Errorf("making the volume %q: %w", i.into, err)
		}
		i.path = made.Volume.Mountpoint
		into = append(into, Into{i.Key, made.Volume})
	}
	return r.Out.Step(ctx, "writing "+r.keys()+", and comparing", func(ctx context.Context, _ func(string)) error {
		_, err := Write(ctx, r.Target, Writing{
			Engine: r.Engine, Owner: r.Project, Dir: r.dir, Snapshot: r.snapshot.ID,
		}, into)
		return err
	})
}

func (r *restore) keys() string {
	var keys []string
	for _, i := range r.items {
		keys = append(keys, i.Key)
	}
	return strings.Join(keys, ", ")
}

// copyLabels are of a volume beside the one with the name itself: without those by which Compose would take it for
// that one.
func (r *restore) copyLabels(v snapshots.Volume) map[string]string {
	labels := maps.Clone(v.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.DeleteFunc(labels, func(name, _ string) bool { return strings.HasPrefix(name, container.LabelPrefix) })
	if r.Swap {
		labels[beforeLabel] = v.Name // which is so once the two have changed places
		return labels
	}
	labels[copyLabel], labels[fromLabel] = v.Name, r.snapshot.ID
	return labels
}

// discard removes the new volumes of a restore that failed.
func (r *restore) discard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var all []error
	for _, i := range r.items {
		if i.path == "" {
			continue
		}
		if _, err := r.Engine.VolumeRemove(ctx, i.into, client.VolumeRemoveOptions{}); err != nil &&
			!cerrdefs.IsNotFound(err) {
			all = append(all, fmt.Errorf("removing the unfinished volume %q: %w", i.into, err))
		}
	}
	return errors.Join(all...)
}
