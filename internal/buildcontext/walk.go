package buildcontext

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// File is one file, directory or link that a build would send.
type File struct {
	Path    string // relative to the context, with slashes
	Size    int64  // bytes of a regular file; 0 for a second name of the same file, which is sent as a link
	Mode    fs.FileMode
	ModTime int64  // nanoseconds since 1970
	Link    string // what a symbolic link says

	hardLink bool // a second name of the same file
}

// Walk calls visit for all that a build with this context and these patterns would send, in the order in which it would
// be sent, parents first. It follows no links. What can't be read is an error that names the path and what to do.
func Walk(ctx context.Context, dir string, patterns []string, visit func(File) error) error {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("opening build context: %w", err)
	}
	f, err := newFilter(patterns)
	if err != nil {
		return fmt.Errorf("opening build context %q: %w", dir, err)
	}
	w := walk{dir: dir, root: root, filter: f, visit: visit, seen: map[fileID]bool{}}
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if path == root {
			if err != nil {
				return w.unreadable(".", err)
			}
			return nil
		}
		err = w.step(path, strings.TrimPrefix(path[len(root):], separator), entry, err)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) { // gone since it was listed
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil // SkipDir would leave out its directory's other files
		}
		return err
	})
}

type walk struct {
	dir, root string
	filter    *filter
	visit     func(File) error
	seen      map[fileID]bool
}

// step takes one path of the walk. failed is why a directory can't be listed; nil where it can.
func (w *walk) step(path, rel string, entry fs.DirEntry, failed error) error {
	out, dir, err := w.filter.excluded(rel)
	if err != nil {
		return fmt.Errorf("reading build context %q: matching %q: %w", w.dir, rel, err)
	}
	if out && entry.IsDir() && !w.filter.enters(rel) {
		return filepath.SkipDir
	}
	if failed != nil {
		if out && errors.Is(failed, fs.ErrPermission) {
			return nil
		}
		return w.unreadable(rel, failed)
	}
	var f File
	if entry.IsDir() || !out {
		if f, err = w.file(path, rel, entry); err != nil {
			return w.unreadable(rel, err)
		}
	}
	if !out {
		// A directory that the patterns leave out is sent after all where something in it is.
		for i := range w.filter.parents {
			if p := &w.filter.parents[i]; !p.passed {
				p.passed = true
				if err := w.visit(p.file); err != nil {
					return err
				}
			}
		}
		if err := w.visit(f); err != nil {
			return err
		}
	}
	if entry.IsDir() {
		dir.file, dir.passed = f, !out
		w.filter.parents = append(w.filter.parents, dir)
	}
	return nil
}

// file asks the disk for the size, mode, time and link of a file.
func (w *walk) file(path, rel string, entry fs.DirEntry) (File, error) {
	info, err := entry.Info()
	if err != nil {
		return File{}, err
	}
	f := File{Path: filepath.ToSlash(rel), Mode: info.Mode(), ModTime: info.ModTime().UnixNano()}
	switch {
	case f.Mode.IsRegular():
		f.Size = info.Size()
		if id, several := identity(info); several {
			if w.seen[id] {
				f.Size, f.hardLink = 0, true
			}
			w.seen[id] = true
		}
		if f.Mode.Perm()&0o444 != 0o444 {
			err = readable(path)
		}
	case f.Mode&fs.ModeSymlink != 0:
		f.Link, err = os.Readlink(path)
	}
	return f, err
}

func (w *walk) unreadable(rel string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("reading build context %q: %w", w.dir, err)
	}
	return fmt.Errorf("reading build context %q: permission denied on %q; add it to %s, or fix its permissions",
		w.dir, filepath.ToSlash(rel), DefaultIgnoreFile)
}
