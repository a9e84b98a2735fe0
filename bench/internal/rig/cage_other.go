//go:build !linux

package rig

import "syscall"

// caged is what Linux alone can do; buildkitd runs nowhere else.
func caged(args []string) ([]string, *syscall.SysProcAttr) { return args, detached() }
