//go:build unix

package provision

import (
	"os"
	"syscall"
)

// interruptGroup asks a child and what it started to end, as Ctrl-C would: go and apt then tidy up.
func interruptGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGINT) }

// killGroup ends what is left of a child's process group.
func killGroup(p *os.Process) {
	if p != nil {
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	}
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
