// Package confined owns files that are made at paths which a Compose file names: below a directory, whatever links
// lie there, and without overwriting anything. It knows nothing of what is in them.
package confined

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Errors of Create, beside the operating system's.
var (
	ErrOutside = errors.New("it is outside of the project")
	ErrLink    = errors.New("a link is there")
)

// Create writes the file at path, which is absolute or below root, in one step and unless something is there; it says
// whether it did. Its folders are made where they are missing, mode 0700; the file has mode 0600. owner -1 leaves it
// to the user.
//
// The path must be below root, and so must whatever the links in it lead to: the kernel resolves each part from the
// one before (os.Root), so that a link that is put there meanwhile leads nowhere else either. A link at the path
// itself is refused with ErrLink.
func Create(root, path string, data []byte, owner int) (bool, error) {
	name := path
	if filepath.IsAbs(path) {
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return false, fmt.Errorf("%q: %w %q", path, ErrOutside, root)
		}
		name = rel
	}
	name = filepath.Clean(name)
	if !filepath.IsLocal(name) || name == "." {
		return false, fmt.Errorf("%q: %w %q", path, ErrOutside, root)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return false, err
	}
	defer r.Close()
	if err := r.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return false, foldersError(r, root, name, err)
	}
	switch info, err := r.Lstat(name); {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return false, fmt.Errorf("%q: %w", path, ErrLink)
	case err == nil:
		return false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, foldersError(r, root, name, err)
	}
	return create(r, name, data, owner)
}

// create writes beside name, and gives what is whole that name: a link to it fails where something has appeared there
// meanwhile.
func create(r *os.Root, name string, data []byte, owner int) (bool, error) {
	tmp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text())
	file, err := r.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Remove(tmp) }()
	_, err = file.Write(data)
	if owner >= 0 { // of the open file: nobody can put another at its path
		err = errors.Join(err, file.Chown(owner, owner))
	}
	if err := errors.Join(err, file.Chmod(0o600), file.Sync(), file.Close()); err != nil {
		return false, err
	}
	switch err := r.Link(tmp, name); {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrExist):
		return false, nil
	}
	// File systems without hard links.
	if _, err := r.Lstat(name); err == nil {
		return false, nil
	}
	return true, r.Rename(tmp, name)
}

// foldersError says which folder on the way is a link that leads out, if one is.
func foldersError(r *os.Root, root, name string, err error) error {
	var links []string
	for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
		if info, statErr := r.Lstat(dir); statErr == nil && info.Mode()&fs.ModeSymlink != 0 {
			links = append(links, dir)
		}
	}
	if len(links) == 0 {
		return err
	}
	first := links[len(links)-1]
	if _, statErr := r.Stat(first); statErr == nil {
		return err
	}
	return fmt.Errorf("%q: %w, and leads out of the project or nowhere", filepath.Join(root, first), ErrLink)
}
