//go:build unix

package fix

import (
	"fmt"
	"io/fs"
	"syscall"
)

// ownerOf gives a file's user and group.
func ownerOf(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", stat.Uid, stat.Gid)
}
