package provision

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// identity tells the process with this pid from any other that has had or will have the pid, by its start time.
func identity(pid int) (string, error) {
	out, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", fmt.Errorf("looking for process %d: %w", pid, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// findProcess and runsProgram are asked about daemons, of which setup starts none on macOS.
func findProcess([]string) int { return 0 }

func runsProgram(int, string, string) bool { return false }

func childAttributes(bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
