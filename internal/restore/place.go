package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/confined"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// place gives the data its place: under the volume's own name where nothing is there, or where Swap says so; else the
// new volume is left beside the old one.
func (r *restore) place(ctx context.Context) (out []RestoredVolume, err error) {
	var swapped []*item
	for _, i := range r.items {
		if i.exists && r.Swap {
			swapped = append(swapped, i)
		}
	}
	start, err := r.stopUsers(ctx, swapped)
	if err != nil {
		return nil, errors.Join(err, r.discard(ctx))
	}
	defer func() { err = errors.Join(err, start()) }()
	for _, i := range r.items {
		one := RestoredVolume{Key: i.Key, Name: i.Name}
		switch {
		case i.exists && !r.Swap:
			one.Name, one.Copy = i.into, true
			r.Out.Done("%s is in the volume %s; %s is as it was", i.Key, i.into, i.Name)
		case i.exists:
			if err := r.exchange(ctx, i); err != nil {
				return out, err
			}
			one.Before = i.into
			r.Out.Done("%s is in %s; what was there before is in %s", i.Key, i.Name, i.into)
		case volumes.MountsDevice(i.Options):
			one.Name, one.Copy = i.into, true
			r.Out.Warn("%s is in the volume %s: the options of %s say where its files are, and only you can put them "+
				"there", i.Key, i.into, i.Name)
		default:
			if err := r.takeName(ctx, i); err != nil {
				return out, err
			}
			r.Out.Done("%s is in the volume %s", i.Key, i.Name)
		}
		out = append(out, one)
	}
	return out, nil
}

// takeName makes the volume under its own name, with its labels and options, and puts the data there in one step.
func (r *restore) takeName(ctx context.Context, i *item) error {
	labels := maps.Clone(i.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[container.ProjectLabel], labels[container.VolumeLabel] = r.Project, i.Key
	_, err := r.Engine.VolumeCreate(ctx, client.VolumeCreateOptions{
		Name: i.Name, Driver: i.Driver, DriverOpts: i.Options, Labels: labels,
	})
	if err != nil {
		return fmt.Errorf("making the volume %q: %w", i.Name, err)
	}
	if err := r.exchange(ctx, i); err != nil {
		return err
	}
	if _, err := r.Engine.VolumeRemove(ctx, i.into, client.VolumeRemoveOptions{}); err != nil {
		return fmt.Errorf("removing the volume %q, which is empty now: %w", i.into, err)
	}
	return nil
}

// exchange has the volume and the restored one change their files, in one step.
func (r *restore) exchange(ctx context.Context, i *item) error {
	found, err := r.Engine.VolumeInspect(ctx, i.Name, client.VolumeInspectOptions{})
	switch {
	case err != nil:
	case elsewhere(r.Engine, found.Volume):
		err = r.exchangeElsewhere(ctx, i.path, found.Volume.Mountpoint)
	default:
		err = exchange(i.path, found.Volume.Mountpoint)
	}
	if err != nil {
		return fault.New(fault.Failed, "docker volume inspect "+fault.Quote(i.Name)+" "+fault.Quote(i.into),
			"putting the restored data into the volume %q; it is in %q: %w", i.Name, i.into, err)
	}
	return nil
}

// volumeName is the engine's volume.
type volumeName = volume.Volume

// stopUsers stops the containers that use the volumes, those first that depend on others, and gives the way to start
// them again.
func (r *restore) stopUsers(ctx context.Context, items []*item) (start func() error, err error) {
	var of []volumeName
	for _, i := range items {
		of = append(of, volumeName{Name: i.Name})
	}
	users, err := volumes.Users(ctx, r.Engine, of)
	if err != nil {
		return nil, err
	}
	users = volumes.Running(users)
	slices.SortStableFunc(users, func(a, b volumes.Container) int {
		return slices.Index(r.Order, r.serviceOf(a)) - slices.Index(r.Order, r.serviceOf(b))
	})
	var all []volumes.Stop
	for _, c := range users {
		all = append(all, volumes.Stop{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/")})
		r.Out.Info("%s is stopped meanwhile", all[len(all)-1].Name)
	}
	return volumes.StopAll(ctx, r.Engine, r.Project, all)
}

// serviceOf is the service of the project that a container is of; "" for another's.
func (r *restore) serviceOf(c volumes.Container) string {
	if c.Config == nil || c.Config.Labels[container.ProjectLabel] != r.Project {
		return ""
	}
	return c.Config.Labels[container.ServiceLabel]
}

// files writes those of the project's files that are missing, and gives their paths. One that is there stays as it is,
// and is named where the snapshot has another.
func (r *restore) files(ctx context.Context) ([]string, error) {
	made := []string{}
	stage := filepath.Join(r.dir, "restore")
	defer os.RemoveAll(stage)
	err := errors.Join(os.RemoveAll(stage), state.MakeDir(stage))
	if err == nil {
		err = r.Target.Repository.Restore(ctx, r.snapshot.ID, stage, []string{"/" + snapshots.FilesDir}, nil)
	}
	if err != nil {
		return made, fmt.Errorf("restoring the project's files: %w", err)
	}
	for _, f := range r.manifest.Files {
		if filepath.IsAbs(f.Path) {
			if _, err := os.Stat(f.Path); snapshots.NotThere(err) {
				r.Out.Warn("%s is missing, and lies outside of the project: the snapshot has it as %s", f.Path,
					f.Stored)
			}
			continue
		}
		wrote, err := r.file(f, filepath.Join(stage, f.Stored))
		if err != nil {
			return made, fmt.Errorf("restoring the file %q: %w", f.Path, err)
		}
		if wrote {
			made = append(made, f.Path)
			r.Out.Done("%s was missing, and is back", f.Path)
		}
	}
	return made, nil
}

// file writes a file of the project, from its copy, unless something is there.
func (r *restore) file(f snapshots.File, from string) (wrote bool, err error) {
	data, err := bounded.ReadFile(from)
	if err != nil {
		return false, err
	}
	if _, err := os.Lstat(filepath.Join(r.Root, f.Path)); !snapshots.NotThere(err) {
		if now, err := bounded.ReadFile(filepath.Join(r.Root, f.Path)); err != nil || string(now) != string(data) {
			r.Out.Warn("%s is another than in the snapshot, and stays; restic dump %s %s gives the other", f.Path,
				r.snapshot.ID, fault.Quote("/"+filepath.ToSlash(f.Stored)))
		}
		return false, nil
	}
	wrote, err = confined.Create(r.Root, f.Path, data, ownerToGive(f))
	if err == nil && wrote {
		err = setMode(r.Root, f)
	}
	return wrote, err
}

// ownerToGive is the user whom a file is given to; -1 where this user can't give files away, or need not.
func ownerToGive(f snapshots.File) int {
	if os.Geteuid() != 0 || f.UID <= 0 {
		return -1
	}
	return f.UID
}

func setMode(root string, f snapshots.File) error {
	r, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.Chmod(f.Path, fs.FileMode(f.Mode).Perm())
}

// dumps writes the services' dumps beside the state of the project, and says how each is read.
func (r *restore) dumps(ctx context.Context) ([]string, error) {
	made := []string{}
	for _, d := range r.manifest.Dumps {
		path := filepath.Join(r.dir, "dumps-"+r.snapshot.ID, d.Service, filepath.Base(d.Path))
		if err := state.MakeDir(filepath.Dir(path)); err != nil {
			return made, err
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return made, fmt.Errorf("restoring the dump of %q: %w", d.Service, err)
		}
		err = r.Target.Repository.Dump(ctx, r.snapshot.ID, "/"+filepath.ToSlash(d.Path), file)
		if err := errors.Join(err, file.Close()); err != nil {
			return made, err
		}
		made = append(made, path)
		r.Out.Done("the dump of %s is %s", d.Service, path)
		if load := loads[d.Recipe]; load != "" {
			r.Out.Info("  next, while %s runs: docker compose exec -T %s %s <%s", d.Service, fault.Quote(d.Service),
				load, fault.Quote(path))
		}
		if d.Recipe == "redis" {
			r.Out.Info("  next: go tool mage stop %s, and put it as dump.rdb where that has its data",
				fault.Quote(d.Service))
		}
	}
	return made, nil
}

// loads are the commands that read a dump in a service's container, by recipe. They find the password where the
// recipe's dump does.
var loads = map[string]string{
	"postgres": `sh -c 'export PGPASSWORD="${PGPASSWORD:-${POSTGRES_PASSWORD:-$(cat "$POSTGRES_PASSWORD_FILE" ` +
		`2>/dev/null)}}"; exec psql -qU "${PGUSER:-${POSTGRES_USER:-postgres}}" -d postgres'`,
	"mysql": `sh -c 'p=$MARIADB_ROOT_PASSWORD; f=$MARIADB_ROOT_PASSWORD_FILE; ` +
		`export MYSQL_PWD="${p:-${MYSQL_ROOT_PASSWORD:-$(cat "${f:-$MYSQL_ROOT_PASSWORD_FILE}" 2>/dev/null)}}"; ` +
		`m=mariadb; command -v $m >/dev/null || m=mysql; exec $m -uroot'`,
}

// LoadCommand is the command that reads a recipe's dump, its standard input, in the service's container; nil where
// there is none.
func LoadCommand(recipe string) []string {
	if load := loads[recipe]; load != "" {
		return []string{"sh", "-c", load}
	}
	return nil
}

// Extract writes paths of a snapshot's volumes, each as VOLUME:PATH, below a directory.
func Extract(ctx context.Context, o Options, named []string, dir string) ([]string, error) {
	r := &restore{Options: o}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	var paths, out []string
	for _, name := range named {
		key, path, _ := strings.Cut(name, ":")
		chosen, err := volumesNamed(r.manifest, []string{key})
		if err != nil {
			return nil, err
		}
		local := filepath.FromSlash(strings.TrimPrefix(path, "/"))
		if local == "" || !filepath.IsLocal(local) {
			return nil, fault.New(fault.Usage, "go tool mage restore -file=data:dump.rdb",
				"-file=%s: a volume and a path in it are needed, with a colon between", name)
		}
		for _, in := range snapshots.DirsOf(chosen[0].Key) {
			paths = append(paths, "/"+in+"/"+filepath.ToSlash(local))
		}
		out = append(out, filepath.Join(dir, snapshots.VolumesDir, chosen[0].Key, local))
	}
	err := o.Out.Step(ctx, "writing "+strings.Join(named, ", "), func(ctx context.Context, _ func(string)) error {
		err := o.Target.Repository.Restore(ctx, r.snapshot.ID, dir, paths, nil)
		return errors.Join(err, merge(filepath.Join(dir, snapshots.LargeDir), filepath.Join(dir, snapshots.VolumesDir)))
	})
	if err != nil {
		return nil, err
	}
	for i, path := range out {
		if _, err := os.Lstat(path); err != nil {
			return nil, fault.New(fault.Usage, "go tool mage backup -list", "snapshot %s has no %q", r.snapshot.ID,
				named[i])
		}
		o.Out.Done("%s is %s", named[i], path)
	}
	return out, nil
}

// merge moves the files below a directory, which may be missing, to the same paths below another, and removes it.
func merge(from, to string) error {
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err == nil {
			err = os.MkdirAll(filepath.Join(to, filepath.Dir(rel)), 0o700)
		}
		if err != nil {
			return err
		}
		return os.Rename(path, filepath.Join(to, rel))
	})
	if snapshots.NotThere(err) {
		return nil
	}
	return errors.Join(err, os.RemoveAll(from))
}
