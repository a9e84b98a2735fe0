package state

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// LockProject takes a Compose project for this process, so that two starts don't create the same container, and gives
// the way to release it. Where another run has it, it says so and waits.
func LockProject(ctx context.Context, project string, out *ui.Out) (func(), error) {
	dir, err := Dir()
	if err == nil {
		dir = filepath.Join(dir, "projects", project)
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("locking project %q: %w", project, err)
	}
	return Lock(ctx, dir, "run on "+project, out)
}

// Lock takes a directory for this process and gives the way to release it. Where another has it, it says so (what it is)
// and waits. The lock is the kernel's: it goes with its process, however that ends.
func Lock(ctx context.Context, dir, what string, out *ui.Out) (func(), error) {
	path := filepath.Join(dir, "lock")
	l := flock.New(path, flock.SetPermissions(0o600))
	got, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking %q: %w", dir, err)
	}
	if !got {
		holder := ""
		if pid, err := bounded.ReadFile(path + ".pid"); err == nil {
			holder = fmt.Sprintf(" (pid %s)", strings.TrimSpace(string(pid)))
		}
		out.Info("another %s%s is at work: waiting for it", what, holder)
		if _, err := l.TryLockContext(ctx, 200*time.Millisecond); err != nil {
			return nil, fmt.Errorf("waiting for another %s: %w", what, err)
		}
	}
	// For the message above only: no decision hangs on it.
	_ = os.WriteFile(path+".pid", []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	return func() { _ = l.Unlock() }, nil
}
