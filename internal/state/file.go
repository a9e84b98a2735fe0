package state

import (
	"fmt"
	"io/fs"

	"github.com/moby/sys/atomicwriter"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

// WriteFile replaces path in one step: a reader, and whoever comes after a kill, sees the old content or the new.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	if err := atomicwriter.WriteFile(path, data, mode); err != nil {
		return fmt.Errorf("writing %q: %w", path, err)
	}
	return nil
}

// WriteIfChanged writes data to path unless it is there already.
func WriteIfChanged(path string, data []byte, mode fs.FileMode) error {
	if old, err := bounded.ReadFile(path); err == nil && string(old) == string(data) {
		return nil
	}
	return WriteFile(path, data, mode)
}
