package fix

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/regular"
)

// write gives a file its new content in one step: whoever reads it, and whoever comes after a kill, sees the old one
// or the new one. The file keeps its mode and its owner. It is read again just before: one that somebody has changed
// meanwhile stays as it is.
func write(c content) error {
	if c.made {
		return create(c)
	}
	info, err := os.Lstat(c.path)
	if err != nil {
		return fault.New(fault.Config, "go tool mage doctor -fix", "changing %q: %w", c.path, err)
	}
	if err := writable(c.path, info); err != nil {
		return err
	}
	changed, err := beside(c, info)
	if err != nil {
		return failed(c.path, err)
	}
	defer os.Remove(changed)
	now, err := regular.Read(c.path, mostBytes)
	if err != nil || !bytes.Equal(now, c.before) {
		return changedMeanwhile(c.path)
	}
	latest, err := os.Lstat(c.path)
	if err != nil || !os.SameFile(info, latest) || latest.Mode() != info.Mode() {
		return changedMeanwhile(c.path)
	}
	if err := os.Rename(changed, c.path); err != nil {
		return failed(c.path, err)
	}
	return nil
}

func changedMeanwhile(path string) error {
	return fault.New(fault.Config, "go tool mage doctor -fix",
		"%q has changed since it was read: it was left as it is", path)
}

// writable says why this user may not write to a file: a new one would take its place all the same.
func writable(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return changedMeanwhile(path)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = file.Close()
	}
	if err == nil && info.Mode().Perm()&0o200 == 0 { // root may write to it, and whoever made it so does not want that
		err = errors.New("it is read-only")
	}
	if err != nil {
		return fault.New(fault.Config, "chmod u+w "+fault.Quote(path)+
			", or as the user whose file it is: go tool mage doctor -fix",
			"changing %q: %w", path, err)
	}
	return nil
}

// beside writes the new content to a file beside the old one, with its mode and owner.
func beside(c content, of fs.FileInfo) (path string, err error) {
	return temporary(c, 0o600, func(file *os.File) error {
		if err := sameOwner(file, of); err != nil {
			return err
		}
		if err := file.Chmod(of.Mode().Perm()); err != nil {
			return err
		}
		return sameAttributes(file, c.path)
	})
}

// temporary writes the new content to a file beside the one that it is for.
func temporary(c content, mode fs.FileMode, finish func(*os.File) error) (path string, err error) {
	path = filepath.Join(filepath.Dir(c.path), "."+filepath.Base(c.path)+"."+rand.Text())
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return "", err
	}
	if _, err = file.Write(c.after); err == nil {
		err = finish(file)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		_ = os.Remove(path)
		return "", err
	}
	return path, nil
}

// create makes a file that was not there, whole.
func create(c content) error {
	whole, err := temporary(c, 0o644, func(*os.File) error { return nil })
	if err != nil {
		return failed(c.path, err)
	}
	defer os.Remove(whole)
	switch err := os.Link(whole, c.path); {
	case errors.Is(err, fs.ErrExist):
		return changedMeanwhile(c.path)
	case err == nil:
		return nil
	}
	if _, err := os.Lstat(c.path); err == nil { // file systems without hard links
		return changedMeanwhile(c.path)
	}
	if err := os.Rename(whole, c.path); err != nil {
		return failed(c.path, err)
	}
	return nil
}

func failed(path string, err error) error {
	err = fmt.Errorf("changing %q, which is as it was: %w", path, err)
	switch {
	case fault.DiskFull(err):
		return fault.New(fault.Resources, "make room on the disk of "+fault.Quote(filepath.Dir(path))+
			", then go tool mage doctor -fix", "%w", err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Config, "as the user whose file it is: go tool mage doctor -fix", "%w", err)
	}
	return fault.New(fault.Failed, "go tool mage doctor -fix", "%w", err)
}
