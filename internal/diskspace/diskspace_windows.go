package diskspace

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Inodes gives nothing: the file systems of Windows make them as they need them.
func Inodes(string) (free, total int64, err error) { return 0, 0, nil }

func statfs(path string) (Space, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return Space{}, err
	}
	var free, total, all uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, &total, &all); err != nil {
		return Space{}, fmt.Errorf("reading the free space of %q: %w", path, err)
	}
	return Space{Free: int64(free), Total: int64(total)}, nil
}
