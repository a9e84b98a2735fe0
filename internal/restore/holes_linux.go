package restore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// leastWithHoles is the size of a file from which holes are looked for, in bytes.
	leastWithHoles = 1 << 20
	// holeBytes is the least hole that is made.
	holeBytes = 64 << 10
)

// digHoles makes holes of the zeros in large files below a directory: restic writes them out before version 0.15, and
// a file of a terabyte with little in it would fill the disk. What is read of the files stays the same, and so do
// their times.
func digHoles(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("making holes: %w", err)
	}
	defer root.Close()
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() < leastWithHoles {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			err = digIn(root, name, info)
		}
		if err != nil {
			return fmt.Errorf("making holes in %q: %w", path, err)
		}
		return nil
	})
}

// digIn makes holes of a file's zeros.
func digIn(root *os.Root, name string, info fs.FileInfo) error {
	file, err := root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	zeros, block := make([]byte, holeBytes), make([]byte, holeBytes)
	dug := false
	for at := int64(0); ; at += holeBytes {
		n, err := file.ReadAt(block, at)
		if n == holeBytes && bytes.Equal(block, zeros) {
			const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
			if err := unix.Fallocate(int(file.Fd()), mode, at, holeBytes); err != nil {
				if errors.Is(err, unix.EOPNOTSUPP) {
					return nil // this file system has no holes
				}
				return err
			}
			dug = true
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if s, ok := info.Sys().(*syscall.Stat_t); dug && ok {
		return root.Chtimes(name, time.Unix(s.Atim.Unix()), time.Unix(s.Mtim.Unix()))
	}
	return nil
}
