package sampler

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestFilesAreReadFromTheirBeginning reads open files again after they have changed.
func TestFilesAreReadFromTheirBeginning(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cpu.stat")
	files := newGroup().open
	for range 2 {
		if _, err := files.read(name, nil); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("of a file that is not there: %v", err)
		}
	}
	delete(files, name)
	for _, text := range []string{"usage 1\n", "usage 22\n", "usage 3\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := files.read(name, make([]byte, 0, 4)); err != nil || string(got) != text {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
	if len(files) != 1 {
		t.Errorf("%d files are open", len(files))
	}
}
