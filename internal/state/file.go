package state

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/sys/atomicwriter"
)

// WriteFile replaces path in one step: a reader, and whoever comes after a kill, sees the old content or the new.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	if err := atomicwriter.WriteFile(path, data, mode); err != nil {
		return Unwritable(path, fmt.Errorf("writing %q: %w", path, err))
	}
	return nil
}

// Keep writes a file of the state directory, mode 0600, and makes the file's folder where that is missing. A
// directory or a link in the file's place is set aside.
func Keep(path string, data []byte) error {
	if err := MakeDir(filepath.Dir(path)); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		if _, err := SetAside(path); err != nil {
			return fmt.Errorf("writing %q: %w", path, err)
		}
	}
	return WriteFile(path, data, 0o600)
}

// WriteIfChanged writes data to path unless the file has that content already.
func WriteIfChanged(path string, data []byte, mode fs.FileMode) error {
	if old, err := ReadFile(path); err == nil && string(old) == string(data) {
		return nil
	}
	return WriteFile(path, data, mode)
}
