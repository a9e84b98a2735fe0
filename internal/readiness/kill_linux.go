package readiness

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// killGroup kills a process of the container and its group, where the process can be seen to be the container's:
// the engine's process numbers are another machine's, or another namespace's, where the engine does not run beside
// this process.
func killGroup(pid int, container string) bool {
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !isProcessOf(pid, string(cgroup), container) {
		return false
	}
	return syscall.Kill(-pid, syscall.SIGKILL) == nil || syscall.Kill(pid, syscall.SIGKILL) == nil
}

// isProcessOf says whether a process of that control group is the container's. The process 1 never is: the group of
// that number would be all processes.
func isProcessOf(pid int, cgroup, container string) bool {
	return pid > 1 && strings.Contains(cgroup, container)
}
