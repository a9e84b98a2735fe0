package buildcontext

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/continuity/sysx"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// Fresh is how long after it was taken a survey may stand in for a walk of its directory: no longer than BuildKit's
// own walk of a large context takes, during which it does not see a change either.
const Fresh = 2 * time.Second

// Surveyed is the directory dir as BuildKit reads it. survey gives the survey of a walk that has ended; nil where
// there is none. Where the survey is fresh, and has nothing but plain files, directories and links, the directory is
// not walked again: to read 60,000 files then takes half as long. Owners are left out, as BuildKit's client leaves
// them out.
func Surveyed(dir string, survey func() *Survey) (fsutil.FS, error) {
	disk, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, fmt.Errorf("opening build context %q: %w", dir, err)
	}
	return surveyed{FS: disk, dir: dir, survey: survey}, nil
}

type surveyed struct {
	fsutil.FS
	dir    string
	survey func() *Survey
}

// Walk implements fsutil.FS.
func (s surveyed) Walk(ctx context.Context, target string, visit fs.WalkDirFunc) error {
	found := s.survey()
	if filepath.Join(separator, target) != separator || found == nil || found.special ||
		time.Since(found.taken) > Fresh {
		return s.FS.Walk(ctx, target, visit)
	}
	skipped := "" // the directory that is not entered, with a slash
	for _, f := range found.Walked {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if skipped != "" && strings.HasPrefix(f.Path, skipped) {
			continue
		}
		st, err := f.stat(s.dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) { // gone since
			continue
		}
		if err == nil {
			err = visit(st.Path, &fsutil.DirEntryInfo{Stat: st}, nil)
		}
		switch {
		case errors.Is(err, filepath.SkipAll):
			return nil
		case errors.Is(err, filepath.SkipDir) && f.Mode.IsDir():
			skipped = f.Path + "/"
		case errors.Is(err, filepath.SkipDir):
			if skipped = path.Dir(f.Path) + "/"; skipped == "./" {
				return nil
			}
		case err != nil:
			return err
		}
	}
	return nil
}

// stat is the file as fsutil sends it.
func (f File) stat(dir string) (*types.Stat, error) {
	name := filepath.FromSlash(f.Path)
	st := &types.Stat{Path: name, Mode: uint32(f.Mode), Size: f.Size, ModTime: f.ModTime, Linkname: f.Link}
	if f.Mode&fs.ModeSymlink != 0 {
		st.Size = int64(len(f.Link))
	}
	file := filepath.Join(dir, name)
	keys, err := sysx.LListxattr(file)
	if err != nil && !errors.Is(err, syscall.ENOTSUP) {
		return nil, fmt.Errorf("reading the extended attributes of %q: %w", file, err)
	}
	for _, key := range keys {
		if strings.HasPrefix(key, "com.apple.") { // which fsutil does not send
			continue
		}
		if value, err := sysx.LGetxattr(file, key); err == nil {
			if st.Xattrs == nil {
				st.Xattrs = map[string][]byte{}
			}
			st.Xattrs[key] = value
		}
	}
	return st, nil
}
