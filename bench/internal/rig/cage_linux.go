package rig

import "syscall"

// cage is the first process of namespaces of their own: it collects orphans, and when it ends the kernel ends what is left of
// a build and takes down its mounts.
const cage = `mount -t proc proc /proc || exit 1
"$@" & pid=$!
trap 'kill -TERM $pid' TERM
while kill -0 $pid 2>/dev/null; do wait $pid; done`

// caged makes a builder's command line one that leaves no step and no mount behind, even when this process is killed.
func caged(args []string) ([]string, *syscall.SysProcAttr) {
	return append([]string{"sh", "-c", cage, "sh"}, args...), &syscall.SysProcAttr{
		Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS,
	}
}
