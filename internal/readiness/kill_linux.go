package readiness

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// killGroup kills a process of the container and its group, where it can be seen to be the container's: the
// engine's process numbers are another machine's, or another namespace's, where it does not run beside this
// process.
func killGroup(pid int, container string) bool {
	if pid <= 1 {
		return false
	}
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !strings.Contains(string(cgroup), container) {
		return false
	}
	return syscall.Kill(-pid, syscall.SIGKILL) == nil || syscall.Kill(pid, syscall.SIGKILL) == nil
}
