//go:build !windows

package buildcontext

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileID tells files apart that have several names.
type fileID struct{ device, inode uint64 }

// identity gives a file's identity and whether it has several names.
func identity(info fs.FileInfo) (fileID, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Nlink < 2 {
		return fileID{}, false
	}
	return fileID{device: uint64(st.Dev), inode: st.Ino}, true //nolint:unconvert // macOS has it as int32
}

// readable says why this process can't read a file; nil where it can.
func readable(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS)
}
