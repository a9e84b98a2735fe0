package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// MakeDir makes a directory of the state, readable by its user alone, and those above it. An error is as Unwritable
// has it.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Unwritable(dir, fmt.Errorf("making %q: %w", dir, err))
	}
	return nil
}

// Unwritable adds a next command to an error of writing to a path of the state directory, by the cause of the error;
// an error of another path stays as it is.
func Unwritable(path string, err error) error {
	var known *fault.Error
	dir, dirErr := Dir()
	if err == nil || dirErr != nil || errors.As(err, &known) || path != dir &&
		!strings.HasPrefix(path, dir+string(filepath.Separator)) {
		return err
	}
	switch {
	case fault.DiskFull(err):
		return fault.New(fault.Resources, "go tool mage cleanup", "the state directory's disk is full: %w", err)
	case errors.Is(err, fs.ErrPermission) && owned(dir):
		return fault.New(fault.Config, "chmod -R u+rwX "+fault.Quote(dir)+", then the same command again",
			"the state directory can't be written to: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Config, "sudo chown -R $(id -u) "+fault.Quote(dir)+", or "+Variable+
			"=DIRECTORY before the same command", "the state directory can't be written to: %w", err)
	}
	return fault.New(fault.Config, Variable+
		"=DIRECTORY, one that you may write to, before the same command; setup makes what is missing there",
		"the state directory can't be written to: %w", err)
}
