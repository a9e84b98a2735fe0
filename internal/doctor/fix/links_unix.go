//go:build unix

package fix

import (
	"io/fs"
	"os"
	"syscall"
)

// links is how many names a file has.
func links(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink) //nolint:unconvert // its type differs between systems
	}
	return 1
}

// sameOwner gives a new file the owner of the one that it replaces.
func sameOwner(file *os.File, of fs.FileInfo) error {
	made, err := file.Stat()
	if err != nil {
		return err
	}
	want, ok := of.Sys().(*syscall.Stat_t)
	has, known := made.Sys().(*syscall.Stat_t)
	if !ok || !known || want.Uid == has.Uid && want.Gid == has.Gid {
		return nil
	}
	return file.Chown(int(want.Uid), int(want.Gid))
}
