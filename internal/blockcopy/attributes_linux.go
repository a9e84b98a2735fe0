package blockcopy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes are what a file has beside its content.
type attributes struct {
	mode     uint32 // with the bits for set-user-ID and the like
	uid, gid int
	times    [2]unix.Timespec // of the last read and the last write
	extended map[string][]byte
}

// names is how many names a file has.
func names(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink) //nolint:unconvert // a uint32 on arm64
	}
	return 0
}

func attributesOf(f *os.File, info fs.FileInfo) (attributes, error) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return attributes{}, errors.New("the system does not say whose it is")
	}
	a := attributes{
		mode: s.Mode & 0o7777, uid: int(s.Uid), gid: int(s.Gid),
		times: [2]unix.Timespec{unix.Timespec(s.Atim), unix.Timespec(s.Mtim)}, extended: map[string][]byte{},
	}
	fd := int(f.Fd())
	list, err := sized(func(to []byte) (int, error) { return unix.Flistxattr(fd, to) })
	if errors.Is(err, unix.ENOTSUP) {
		return a, nil
	}
	if err != nil {
		return a, fmt.Errorf("listing its extended attributes: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		a.extended[name], err = sized(func(to []byte) (int, error) { return unix.Fgetxattr(fd, name, to) })
		if err != nil {
			return a, fmt.Errorf("reading its extended attribute %q: %w", name, err)
		}
	}
	return a, nil
}

// sized asks for a size, and then for what has it.
func sized(ask func(to []byte) (int, error)) ([]byte, error) {
	n, err := ask(nil)
	if err != nil || n == 0 {
		return nil, err
	}
	data := make([]byte, n)
	n, err = ask(data)
	return data[:max(n, 0)], err
}

// set gives them to the file or directory at a path.
func (a attributes) set(path string) error {
	err := unix.Lchown(path, a.uid, a.gid)
	if err == nil {
		err = unix.Chmod(path, a.mode)
	}
	for name, value := range a.extended {
		if err == nil {
			err = unix.Lsetxattr(path, name, value, 0)
		}
	}
	if err == nil {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, path, a.times[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return fmt.Errorf("giving the copy its owner, mode and times: %w", err)
	}
	return nil
}
