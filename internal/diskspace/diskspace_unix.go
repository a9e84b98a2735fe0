//go:build !windows

package diskspace

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Inodes gives how many files can still be made on the file system of path, and how many there can be; 0 where it makes
// them as it needs them.
func Inodes(path string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, fmt.Errorf("reading the free inodes of %q: %w", path, err)
	}
	return int64(st.Ffree), int64(st.Files), nil
}

func statfs(path string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Space{}, fmt.Errorf("reading the free space of %q: %w", path, err)
	}
	// Bavail, not Bfree: the blocks reserved for root are of no use to a build or a container. Both the types of the
	// fields and their names differ between Linux and the BSDs, hence the conversions.
	block := int64(st.Bsize) //nolint:unconvert // an int64 on Linux alone
	return Space{Free: int64(st.Bavail) * block, Total: int64(st.Blocks) * block}, nil
}
