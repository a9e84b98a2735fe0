package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Whatever writes to the state says what to do where that can't be written to.
func TestAStateThatCannotBeWrittenToHasANextCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(Variable, filepath.Join(file, "state")) // nothing can be below a file, not even for root
	dir, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	lock := func() error {
		_, err := LockProject(t.Context(), "shop", ui.New(&strings.Builder{}))
		return err
	}
	lockDir := func() error {
		_, err := Lock(t.Context(), dir, "setup", ui.New(&strings.Builder{}))
		return err
	}
	for name, write := range map[string]func() error{
		"a project's lock": lock, "a lock": lockDir,
		"a file":      func() error { return WriteFile(filepath.Join(dir, "x"), nil, 0o600) },
		"a directory": func() error { return MakeDir(filepath.Join(dir, "x")) },
	} {
		var typed *fault.Error
		if err := write(); !errors.As(err, &typed) || !strings.Contains(typed.Next, Variable+"=") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnwritableSaysWhatHelps(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(Variable, dir)
	for name, c := range map[string]struct {
		path string
		err  error
		code fault.Code
		next string
	}{
		"read-only":  {filepath.Join(dir, "lock"), syscall.EROFS, fault.Config, Variable + "="},
		"full":       {dir, syscall.ENOSPC, fault.Resources, "go tool mage cleanup"},
		"mode":       {dir, fs.ErrPermission, fault.Config, "chmod -R u+rwX " + dir},
		"not state":  {filepath.Dir(dir), syscall.EROFS, 0, ""},
		"like state": {dir + "-other", syscall.EROFS, 0, ""},
	} {
		err := Unwritable(c.path, fmt.Errorf("writing: %w", c.err))
		var typed *fault.Error
		if errors.As(err, &typed) != (c.code != 0) || !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		} else if typed != nil && (typed.Code != c.code || !strings.HasPrefix(typed.Next, c.next)) {
			t.Errorf("%s: code %v, next %q", name, typed.Code, typed.Next)
		}
	}
	if Unwritable(dir, nil) != nil {
		t.Error("no error must stay no error")
	}
}
