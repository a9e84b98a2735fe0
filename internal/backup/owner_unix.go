//go:build unix

package backup

import (
	"io/fs"
	"syscall"
)

// owner is the user and the group of a file; -1 where they are not known.
func owner(info fs.FileInfo) (uid, gid int) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1
	}
	return int(s.Uid), int(s.Gid)
}
