//go:build unix

package rig

import (
	"os"
	"syscall"
)

// detached puts a process into a group of its own, which the terminal's Ctrl-C does not reach.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// lock takes the file for this process, until it is closed or the process ends; it fails where another has it.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
