package rig

import (
	"os/exec"
	"syscall"

	"github.com/25eloquence/compose-mage/internal/provision"
)

// caged has a builder leave no step and no mount behind, even when this process is killed.
func caged(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	provision.Cage(cmd)
}
