package daemon

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// identity fails: setup starts no daemons on Windows, so there is no process to recognise.
func identity(int) (string, error) {
	return "", errors.New("looking for a daemon: there are none on Windows")
}

// Find finds nothing: setup starts no daemons on Windows.
func Find([]string) int { return 0 }

// Runs is false: setup starts no daemons on Windows.
func Runs(int, string, string) bool { return false }

func childAttributes(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func detach(*exec.Cmd) {}

func signalGroup(p *os.Process, _ syscall.Signal) error { return p.Kill() }

func terminate(p *os.Process) error { return p.Kill() }
