//go:build unix

package daemon

import (
	"os"
	"os/exec"
	"syscall"
)

// attributes gives the command's process attributes, to be changed.
func attributes(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	return cmd.SysProcAttr
}

// signalGroup signals a child and what it started: by an interrupt, as from Ctrl-C, go and apt tidy up.
func signalGroup(p *os.Process, signal syscall.Signal) error { return syscall.Kill(-p.Pid, signal) }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
