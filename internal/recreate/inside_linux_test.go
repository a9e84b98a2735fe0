package recreate

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/25eloquence/compose-mage/internal/container"
)

// TestReplacedByWhatTheContainerSees takes this test's process for a container's: its cgroups have a colon, as the name
// of that container.
func TestReplacedByWhatTheContainerSees(t *testing.T) {
	dir := t.TempDir()
	paths := map[string]string{"inside": "one", "same text": "one", "other text": "two"}
	for name, text := range paths {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := one(moby.StateRunning, func(c *container.Replica) { c.ID, c.State.Pid = ":", os.Getpid() })
	inside := filepath.Join(dir, "inside")
	f, err := openInside(r, inside)
	if errors.Is(err, os.ErrPermission) {
		t.Skip(err) // this process may not look at its own root
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for name, want := range map[string]bool{"inside": false, "same text": false, "other text": true} {
		source := filepath.Join(dir, name)
		info, err := os.Stat(source)
		if err != nil {
			t.Fatal(err)
		}
		m := moby.MountPoint{Type: mount.TypeBind, Source: source, Destination: inside}
		if got := replaced(m, info, r, Record{}, byContainer); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
