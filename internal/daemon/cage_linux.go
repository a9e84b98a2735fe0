package daemon

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
)

// Cage has cmd run in a process and a mount namespace of its own: when it ends, be it by a kill, the kernel ends what
// it has started and takes down what it has mounted. What the machine mounts and unmounts is seen there too. Without
// root cmd runs as it is.
func Cage(cmd *exec.Cmd) {
	if os.Geteuid() != 0 || cmd.Err != nil { // a program that is not there: Start says so
		return
	}
	// Go's Unshareflags would cut the cage off from the machine's mounts, and a disk unmounted later would stay in use.
	const script = `mount --make-rslave / && mount -t proc proc /proc && exec "$0" "$@"`
	cmd.Path, cmd.Args = "/bin/sh", slices.Concat([]string{"/bin/sh", "-c", script, cmd.Path}, cmd.Args[1:])
	attributes(cmd).Cloneflags |= syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
}
