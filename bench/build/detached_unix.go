//go:build unix

package main

import "syscall"

// detached puts a process into a group of its own, which the terminal's Ctrl-C does not reach.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
