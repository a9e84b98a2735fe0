// Package blockcopy owns copies of large files that are brought up to date in little time: it remembers what each block
// of a copy was made of, reads the file again, and writes the blocks that differ. Which files are copied, and when, is
// its callers'.
package blockcopy

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sync/errgroup"
)

const (
	// block is what is compared, in bytes.
	block = 16 << 10
	// part is what one worker reads at once, in bytes.
	part = 1 << 20
)

// ErrOther is of a file that can't be copied alone: it is no regular file any more, has other names, or is not below
// directories.
var ErrOther = errors.New("it is no file of one name any more")

// Set is copies of files of several directories below one directory.
type Set struct {
	to     string
	seed   maphash.Seed
	roots  map[string]*os.Root // by name, which the copies of its files are below
	copies []*file
	dirs   map[string]attributes // of the directories that the files are in, by the path of the copy
}

// file is one that is copied.
type file struct {
	root, path string // of the file, below the root
	copy       *os.File
	sums       []uint64 // of each block of the copy; 0 of one that was never written
	gone       bool
	attributes attributes
}

// New gives a set without files, whose copies will be below the directory to.
func New(to string) *Set {
	return &Set{to: to, seed: maphash.MakeSeed(), roots: map[string]*os.Root{}, dirs: map[string]attributes{}}
}

// Close closes all files. The copies stay.
func (s *Set) Close() error {
	var all []error
	for _, f := range s.copies {
		all = append(all, f.copy.Close())
	}
	for _, r := range s.roots {
		all = append(all, r.Close())
	}
	return errors.Join(all...)
}

// Add takes the file at a path below a directory into the set. Its copy is to be at the same path below name, and is
// empty until Update.
func (s *Set) Add(name, dir, path string) error {
	root, ok := s.roots[name]
	if !ok {
		var err error
		if root, err = os.OpenRoot(dir); err != nil {
			return fmt.Errorf("copying %q: %w", path, err)
		}
		s.roots[name] = root
	}
	source, _, err := open(root, path)
	if err != nil {
		return fmt.Errorf("copying %q: %w", path, err)
	}
	_ = source.Close()
	to := filepath.Join(s.to, name, path)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("copying %q: %w", path, err)
	}
	made, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copying %q: %w", path, err)
	}
	s.copies = append(s.copies, &file{root: name, path: path, copy: made})
	return nil
}

// open opens a regular file that has one name, and never waits for another process.
func open(root *os.Root, path string) (*os.File, fs.FileInfo, error) {
	for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
		switch info, err := root.Lstat(dir); {
		case err != nil:
			return nil, nil, err
		case !info.IsDir():
			return nil, nil, ErrOther
		}
	}
	switch info, err := root.Lstat(path); {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, nil, ErrOther
	}
	f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || names(info) != 1) {
		err = ErrOther
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Update brings all copies up to date, and notes the files' owners, modes, times and extended attributes. The copies
// are as the files were at one moment only where nobody writes to these meanwhile.
func (s *Set) Update(ctx context.Context) error {
	clear(s.dirs)
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(runtime.GOMAXPROCS(0))
	var opened []*os.File
	defer func() {
		for _, f := range opened {
			_ = f.Close()
		}
	}()
	failed := func() error {
		for _, f := range s.copies {
			source, err := s.begin(f)
			if err != nil {
				return fmt.Errorf("copying %q: %w", f.path, err)
			}
			if source == nil {
				continue
			}
			opened = append(opened, source)
			for at := int64(0); at < int64(len(f.sums))*block; at += part {
				workers.Go(func() error {
					if err := s.update(ctx, f, source, at); err != nil {
						return fmt.Errorf("copying %q: %w", f.path, err)
					}
					return nil
				})
			}
		}
		return nil
	}()
	return errors.Join(failed, workers.Wait())
}

// begin opens a file, notes what is known of it and of its directories, and makes room for its blocks. It gives nil
// where the file is gone.
func (s *Set) begin(f *file) (*os.File, error) {
	source, info, err := open(s.roots[f.root], f.path)
	if f.gone = errors.Is(err, fs.ErrNotExist); f.gone {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f.attributes, err = attributesOf(source, info)
	for dir := filepath.Dir(f.path); err == nil; dir = filepath.Dir(dir) {
		err = s.note(f.root, dir)
		if dir == "." {
			break
		}
	}
	if err == nil {
		err = f.copy.Truncate(info.Size())
	}
	if err != nil {
		_ = source.Close()
		return nil, err
	}
	blocks := int((info.Size() + block - 1) / block)
	f.sums = append(f.sums[:min(len(f.sums), blocks)], make([]uint64, max(0, blocks-len(f.sums)))...)
	return source, nil
}

// note keeps what is known of a directory.
func (s *Set) note(root, path string) error {
	dir, err := s.roots[root].Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err == nil {
		s.dirs[filepath.Join(s.to, root, path)], err = attributesOf(dir, info)
	}
	return err
}

// zero is a block of which nothing need be written where nothing ever was.
var zero [block]byte

// update brings a part of a copy up to date.
func (s *Set) update(ctx context.Context, f *file, source io.ReaderAt, at int64) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	buffer := make([]byte, min(part, int64(len(f.sums))*block-at))
	n, err := source.ReadAt(buffer, at)
	if err != nil && !errors.Is(err, io.EOF) { // a file that is written to may have become shorter
		return err
	}
	for buffer = buffer[:n]; len(buffer) > 0; at += block {
		data := buffer[:min(block, len(buffer))]
		buffer = buffer[len(data):]
		i := at / block
		sum, before := maphash.Bytes(s.seed, data), f.sums[i]
		if f.sums[i] = sum; sum == before || before == 0 && string(data) == string(zero[:len(data)]) {
			continue
		}
		if _, err := f.copy.WriteAt(data, at); err != nil {
			return err
		}
	}
	return nil
}

// Finish gives the copies, and the directories that they are in, what the last Update noted, and removes those whose
// files were gone then.
func (s *Set) Finish() error {
	for _, f := range s.copies {
		to := filepath.Join(s.to, f.root, f.path)
		var err error
		if f.gone {
			err = s.remove(to)
		} else {
			err = f.attributes.set(to)
		}
		if err != nil {
			return fmt.Errorf("copying %q: %w", f.path, err)
		}
	}
	for path, a := range s.dirs { // in any order: only what is made in a directory changes its times
		if err := a.set(path); err != nil {
			return fmt.Errorf("copying the directory of a large file: %w", err)
		}
	}
	return nil
}

// remove removes a copy, and the directories above it of which nothing was noted.
func (s *Set) remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	for dir := filepath.Dir(path); dir != s.to; dir = filepath.Dir(dir) {
		if _, noted := s.dirs[dir]; noted || os.Remove(dir) != nil {
			break // it has another copy, or is in the volume too
		}
	}
	return nil
}
