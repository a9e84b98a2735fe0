//go:build !windows

package buildcontext

import (
	"fmt"
	"io/fs"
	"os"
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

// Identity changes where another directory takes a directory's path; "" where the system doesn't tell.
func Identity(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// readable says why this process can't read a file; nil where it can.
func readable(path string) error {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS)
}
