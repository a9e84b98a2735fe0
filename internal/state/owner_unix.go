//go:build unix

package state

import (
	"os"
	"syscall"
)

// owned says whether the directory is there and this user's.
func owned(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
