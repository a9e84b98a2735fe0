package restore

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// exchange has two directories change their names, in one step: at each moment, and after a loss of power, both are
// whole.
func exchange(a, b string) error {
	if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("exchanging %q and %q: %w", a, b, err)
	}
	return nil
}
