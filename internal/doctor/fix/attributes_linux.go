package fix

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mostAttributes bounds the names and a value of a file's attributes, as the kernel does.
const mostAttributes = 64 << 10

// sameAttributes gives a new file the access list and the users' attributes of the one that it replaces. The kernel's
// own are made with the file.
func sameAttributes(file *os.File, path string) error {
	names := make([]byte, mostAttributes)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return nil //nolint:nilerr // a file system without attributes
	}
	value := make([]byte, mostAttributes)
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if !strings.HasPrefix(name, "user.") && name != "system.posix_acl_access" {
			continue
		}
		n, err := unix.Lgetxattr(path, name, value)
		if err == nil {
			err = unix.Fsetxattr(int(file.Fd()), name, value[:n], 0)
		}
		if err != nil {
			return &os.PathError{Op: "keeping attribute " + name, Path: path, Err: err}
		}
	}
	return nil
}
