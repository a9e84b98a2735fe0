//go:build unix

package recreate

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode names the file behind a path: another file under the same name has another.
func inode(info fs.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	}
	return ""
}
