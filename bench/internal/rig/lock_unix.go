//go:build unix

package rig

import (
	"os"
	"syscall"
)

// lock takes the file for this process, until it is closed or the process ends; it fails where another process has
// it.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
