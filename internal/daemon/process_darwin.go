package daemon

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// identity tells the process with this pid from any other that has had or will have the pid, by its start time.
func identity(pid int) (string, error) {
	out, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", fmt.Errorf("looking for process %d: %w", pid, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Find finds nothing: setup starts no daemons on macOS.
func Find([]string) int { return 0 }

// Runs is false: setup starts no daemons on macOS.
func Runs(int, string, string) bool { return false }

func childAttributes(cmd *exec.Cmd) { attributes(cmd).Setpgid = true }

func detach(cmd *exec.Cmd) { attributes(cmd).Setsid = true }
