package backup

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/volumehelper"
)

// startHelper starts the container that reads the volumes, where this process can't.
func (r *run) startHelper(ctx context.Context) (err error) {
	if r.plan.Helper == "" || len(r.plan.Volumes) == 0 {
		return nil
	}
	mounts := map[string]string{}
	for _, v := range r.plan.Volumes {
		mounts[path.Join(snapshots.VolumesDir, v.Key)] = v.Name
	}
	r.helper, err = volumehelper.Start(ctx, volumehelper.Options{
		Engine: r.engine, Owner: r.plan.Project, Mounts: mounts,
		Freezes: len(r.standing(extension.BackupFreeze)) > 0,
		Network: restic.NeedsNetwork(r.target.Repository.Location),
	})
	if err != nil {
		return err
	}
	r.target.Repository.Elsewhere = r.helper
	if r.helper.Left {
		err = r.target.Repository.UnlockElsewhere(ctx)
	}
	if err != nil {
		return errors.Join(err, r.helper.Close())
	}
	return nil
}

// sizeOf is what a volume has.
func (r *run) sizeOf(ctx context.Context, v Volume) (snapshots.Size, error) {
	if r.helper == nil {
		return SizeOf(v.Path), nil
	}
	size, err := r.helper.SizeOf(ctx, path.Join(snapshots.VolumesDir, v.Key))
	if err != nil {
		return size, fmt.Errorf("looking at the volume %q: %w", v.Key, err)
	}
	return size, nil
}

// sizes are those of the volumes now. One that is another than before has no hash: it is being written to.
func (r *run) sizes(ctx context.Context, before map[string]snapshots.Size) (map[string]snapshots.Size, error) {
	out := map[string]snapshots.Size{}
	for _, v := range r.plan.Volumes {
		size, err := r.sizeOf(ctx, v)
		if err != nil {
			return nil, err
		}
		if size.Tree != before[v.Key].Tree {
			size.Tree = ""
		}
		out[v.Key] = size
	}
	return out, nil
}

// put gives the container that reads the volumes what else the snapshot is to have.
func (r *run) put(ctx context.Context, s *stage) error {
	if r.helper == nil {
		return nil
	}
	return r.helper.Put(ctx, s.dir, snapshots.VolumesDir)
}

// prepareElsewhere has restic stand before a gate in the container that reads the volumes.
func (r *run) prepareElsewhere(ctx context.Context, s *stage, g *reading) error {
	if err := r.put(ctx, s); err != nil {
		return err
	}
	gate, list, err := r.helper.NewGate(ctx)
	if err != nil {
		return err
	}
	g.gate, g.source.List = gate, list
	return nil
}
