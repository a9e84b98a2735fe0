package provision

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// Setup starts no daemons on Windows, so there is no process to recognise.
func identity(int) (string, error) {
	return "", errors.New("looking for a daemon: there are none on Windows")
}

func findProcess([]string) int { return 0 }

func runsProgram(int, string, string) bool { return false }

func childAttributes(bool) *syscall.SysProcAttr { return nil }

func detach(*exec.Cmd) {}

func interruptGroup(p *os.Process) error { return p.Kill() }

func killGroup(p *os.Process) {
	if p != nil {
		_ = p.Kill()
	}
}

func terminate(p *os.Process) error { return p.Kill() }
