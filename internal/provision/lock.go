package provision

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// lock takes the state directory for this process and gives the way to release it. Where another setup has it, it says
// so and waits. The lock is the kernel's: it goes with its process, however that ends.
func lock(ctx context.Context, dir string, out *ui.Out) (func(), error) {
	path := filepath.Join(dir, "lock")
	l := flock.New(path, flock.SetPermissions(0o600))
	got, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking %q: %w", dir, err)
	}
	if !got {
		holder := ""
		if pid, err := os.ReadFile(path + ".pid"); err == nil {
			holder = fmt.Sprintf(" (pid %s)", strings.TrimSpace(string(pid)))
		}
		out.Info("another setup%s is at work in %s: waiting for it", holder, dir)
		if _, err := l.TryLockContext(ctx, 200*time.Millisecond); err != nil {
			return nil, fmt.Errorf("waiting for another setup: %w", err)
		}
	}
	// For the message above only: no decision hangs on it.
	_ = os.WriteFile(path+".pid", []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	return func() { _ = l.Unlock() }, nil
}
