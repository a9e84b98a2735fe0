package recreate

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/25eloquence/compose-mage/internal/container"
)

// openInside opens what a running container has at the path, as a mere reference (O_PATH): through its first process,
// with its links followed inside it. It is an error where this user may not look there, and before Linux 5.6.
func openInside(r container.Replica, path string) (*os.File, error) {
	process := fmt.Sprintf("/proc/%d", r.State.Pid)
	// The number may be another process's: the container ended meanwhile, or its engine counts in another namespace.
	groups, err := os.ReadFile(process + "/cgroup")
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(groups), r.ID) {
		return nil, os.ErrNotExist
	}
	root, err := unix.Open(process+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, strings.TrimPrefix(path, "/"), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT,
	})
	if err != nil {
		return nil, os.NewSyscallError("openat2", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
