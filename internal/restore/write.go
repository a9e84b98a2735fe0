package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/backup"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/volumehelper"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// Into is a volume that the files of one in a snapshot, by its key, are written into.
type Into struct {
	Key    string
	Volume volume.Volume
}

// Writing is where volumes of a snapshot are written.
type Writing struct {
	Engine   *engine.Engine
	Owner    string // the project whose lock is held
	Dir      string // of this machine, where what is needed meanwhile is kept
	Snapshot string
}

// elsewhere says whether this process can't reach one of the volumes' files, so that a container has to.
func elsewhere(e *engine.Engine, all ...volume.Volume) bool {
	for _, v := range all {
		if volumes.Unreadable(e, v) != "" {
			return true
		}
	}
	return false
}

// Write has restic write volumes of a snapshot into new ones, all at once, and compare. It gives what these have then.
func Write(ctx context.Context, t snapshots.Target, w Writing, into []Into) (map[string]snapshots.Size, error) {
	for _, i := range into {
		if elsewhere(w.Engine, i.Volume) {
			return writeElsewhere(ctx, t, w, into)
		}
	}
	stage := filepath.Join(w.Dir, "restore")
	if err := os.RemoveAll(stage); err != nil {
		return nil, fmt.Errorf("preparing the restore: %w", err)
	}
	defer os.RemoveAll(stage)
	var paths []string
	var mounts []restic.Mount
	for _, i := range into {
		for _, dir := range snapshots.DirsOf(i.Key) {
			at := filepath.Join(stage, dir)
			if err := state.MakeDir(at); err != nil {
				return nil, err
			}
			paths = append(paths, "/"+dir)
			mounts = append(mounts, restic.Mount{From: i.Volume.Mountpoint, To: at})
		}
	}
	if err := t.Repository.Restore(ctx, w.Snapshot, stage, paths, mounts); err != nil {
		return nil, err
	}
	sizes := map[string]snapshots.Size{}
	for _, i := range into {
		if !t.Repository.Sparse() {
			if err := digHoles(i.Volume.Mountpoint); err != nil {
				return nil, err
			}
		}
		sizes[i.Key] = backup.SizeOf(i.Volume.Mountpoint)
	}
	return sizes, nil
}

// writeElsewhere has a container write the volumes.
func writeElsewhere(ctx context.Context, t snapshots.Target, w Writing, into []Into) (sizes map[string]snapshots.Size,
	err error,
) {
	mounts := map[string]string{}
	var paths []string
	var shown []restic.Mount
	for _, i := range into {
		for _, dir := range snapshots.DirsOf(i.Key) {
			mounts[dir] = i.Volume.Name
			paths = append(paths, "/"+dir)
			shown = append(shown, restic.Mount{From: i.Volume.Name, To: path.Join(volumehelper.Stage, dir)})
		}
	}
	h, err := volumehelper.Start(ctx, volumehelper.Options{
		Engine: w.Engine, Owner: w.Owner, Mounts: mounts, Writes: true,
		Network: restic.NeedsNetwork(t.Repository.Location),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	t.Repository.Elsewhere = h
	if h.Left {
		if err := t.Repository.UnlockElsewhere(ctx); err != nil {
			return nil, err
		}
	}
	if err := t.Repository.Restore(ctx, w.Snapshot, volumehelper.Stage, paths, shown); err != nil {
		return nil, err
	}
	sizes = map[string]snapshots.Size{}
	for _, i := range into {
		at := path.Join(snapshots.VolumesDir, i.Key)
		if err := h.DigHoles(ctx, at); err != nil {
			return nil, err
		}
		if sizes[i.Key], err = h.SizeOf(ctx, at); err != nil {
			return nil, err
		}
	}
	return sizes, nil
}

// notEmpty says which of the volumes, by key, have something in them.
func (r *restore) notEmpty(ctx context.Context, all map[string]volume.Volume) (full map[string]bool, err error) {
	full = map[string]bool{}
	mounts := map[string]string{}
	for key, v := range all {
		if elsewhere(r.Engine, v) {
			mounts[path.Join(snapshots.VolumesDir, key)] = v.Name
			continue
		}
		entries, err := os.ReadDir(v.Mountpoint)
		if err != nil {
			return nil, fmt.Errorf("looking into the volume %q: %w", v.Name, err)
		}
		full[key] = len(entries) > 0
	}
	if len(mounts) == 0 {
		return full, nil
	}
	h, err := volumehelper.Start(ctx, volumehelper.Options{
		Engine: r.Engine, Owner: r.Project, Mounts: mounts,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	for at := range mounts {
		empty, err := h.Empty(ctx, at)
		if err != nil {
			return nil, fmt.Errorf("looking into the volume %q: %w", mounts[at], err)
		}
		full[path.Base(at)] = !empty
	}
	return full, nil
}

// exchangeElsewhere has a container exchange the directories of two volumes.
func (r *restore) exchangeElsewhere(ctx context.Context, a, b string) error {
	h, err := volumehelper.Start(ctx, volumehelper.Options{
		Engine: r.Engine, Owner: r.Project, Writes: true, Root: path.Dir(path.Dir(b)),
	})
	if err != nil {
		return err
	}
	return errors.Join(h.Exchange(ctx, a, b), h.Close())
}
