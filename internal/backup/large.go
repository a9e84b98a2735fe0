package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/25eloquence/compose-mage/internal/blockcopy"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

const (
	// leastLarge is how large a file is, in bytes, that takes long to read while services stand still: restic reads a
	// file that has changed from its beginning to its end, at about 100 MB/s.
	leastLarge = 8 << 20
	// mostLarge is how many such files are copied, the largest first.
	mostLarge = 256
)

// largeFile is one in a volume.
type largeFile struct{ key, path string }

// largeFiles are those of the volumes that take long to read. What can't be looked at is left out: restic says so.
func largeFiles(volumes []Volume, least int64) map[largeFile]fs.FileInfo {
	out := map[largeFile]fs.FileInfo{}
	for _, v := range volumes {
		_ = filepath.WalkDir(v.Path, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil //nolint:nilerr // the others are looked at
			}
			info, err := e.Info()
			if err != nil || info.Size() < least {
				return nil //nolint:nilerr // gone meanwhile
			}
			if rel, err := filepath.Rel(v.Path, path); err == nil {
				out[largeFile{v.Key, rel}] = info
			}
			return nil
		})
	}
	return out
}

// changing are the files that have changed between two looks, or of which it is known that they do: the largest ones,
// at most so many.
func changing(before, now map[largeFile]fs.FileInfo, known map[largeFile]bool, most int) []largeFile {
	var out []largeFile
	for f, info := range now {
		old, seen := before[f]
		if known[f] || !seen || !os.SameFile(old, info) || old.Size() != info.Size() ||
			!old.ModTime().Equal(info.ModTime()) {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b largeFile) int {
		if n := now[b].Size() - now[a].Size(); n != 0 {
			return int(min(max(n, -1), 1))
		}
		return strings.Compare(a.key+"/"+a.path, b.key+"/"+b.path)
	})
	return out[:min(len(out), most)]
}

// copies are those of the files that take long to read and are written to. Restic reads them once the services go on.
type copies struct {
	set   *blockcopy.Set
	files []largeFile
	dir   string
}

// copyLarge copies the files that take long to read and have changed since the pass before. It gives nil where there
// are none, or no room for the copies.
func (r *run) copyLarge(ctx context.Context, s *stage) (*copies, error) {
	c := &copies{dir: filepath.Join(s.dir, snapshots.LargeDir)}
	if err := os.RemoveAll(c.dir); err != nil {
		return nil, fmt.Errorf("preparing the backup: %w", err)
	}
	now := largeFiles(r.plan.Volumes, leastLarge)
	files := changing(r.large, now, r.changed, mostLarge)
	if len(files) == 0 {
		return nil, nil
	}
	size := int64(0)
	for _, f := range files {
		size += now[f].Size()
		r.changed[f] = true
	}
	space, err := diskspace.Of(s.dir)
	if err != nil {
		return nil, fmt.Errorf("preparing the backup: %w", err)
	}
	if room := space.Free; size > room*9/10 {
		r.out.Warn("%s is too little room for a copy of the large files that are being written to (%s): services "+
			"stand still while these are read", ui.Bytes(room), ui.Bytes(size))
		return nil, nil
	}
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("preparing the backup: %w", err)
	}
	c.set = blockcopy.New(c.dir)
	what := fmt.Sprintf("copying %s of large files that are being written to", ui.Bytes(size))
	err = r.out.Step(ctx, what, func(ctx context.Context, _ func(string)) error { return r.fill(ctx, c, files) })
	if err != nil || len(c.files) == 0 {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// fill takes the files into the copies, and copies them a first time.
func (r *run) fill(ctx context.Context, c *copies, files []largeFile) error {
	for _, f := range files {
		at := slices.IndexFunc(r.plan.Volumes, func(v Volume) bool { return v.Key == f.key })
		err := c.set.Add(f.key, r.plan.Volumes[at].Path, f.path)
		switch {
		case errors.Is(err, blockcopy.ErrOther), errors.Is(err, fs.ErrNotExist):
			continue // restic reads it where it is
		case err != nil:
			return err
		}
		c.files = append(c.files, f)
	}
	return c.update(ctx)
}

// update brings the copies up to date.
func (c *copies) update(ctx context.Context) error {
	if c == nil {
		return nil
	}
	err := c.set.Update(ctx)
	if errors.Is(err, blockcopy.ErrOther) {
		return errors.Join(errTooLong, err) // another attempt finds it so from the beginning
	}
	return err
}

// without are the paths of a snapshot at which restic is not to read the files.
func (c *copies) without() (out []string) {
	for _, f := range c.files {
		out = append(out, filepath.Join(snapshots.VolumesDir, f.key, f.path))
	}
	return out
}

// close removes the copies.
func (c *copies) close() error {
	if c == nil {
		return nil
	}
	return errors.Join(c.set.Close(), os.RemoveAll(c.dir))
}

// addTo has the source read the copies in place of the files, and after all else.
func (c *copies) addTo(source *restic.Source) {
	source.Paths = append(source.Paths, snapshots.LargeDir)
	source.Without = c.without()
}
