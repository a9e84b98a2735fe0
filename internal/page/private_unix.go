//go:build unix

package page

import (
	"io/fs"
	"os"
	"syscall"
)

// private says whether a file is this user's, and no other's to read or write.
func private(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o077 == 0
}
