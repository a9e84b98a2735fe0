package restic

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"syscall"
)

// mounting mounts what its words name, three a mount (from, to, options), up to a "--", and becomes the program that
// follows: what is mounted is gone with it. What the machine unmounts is unmounted here too.
const mounting = `mount --make-rslave / || exit 126
while [ "$1" != -- ]; do mount -o "$3" -- "$1" "$2" || exit 126; shift 3; done
shift; exec "$@"`

// withMounts has the command run in a mount namespace of its own, with the mounts.
func withMounts(command *exec.Cmd, mounts []Mount) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can show restic the volumes")
	}
	words := []string{"sh", "-c", mounting, "sh"}
	for _, m := range mounts {
		options := "bind"
		if m.ReadOnly {
			options = "bind,ro"
		}
		words = append(words, m.From, m.To, options)
	}
	words = slices.Concat(words, []string{"--", command.Path}, command.Args[1:])
	command.Path, command.Args = "/bin/sh", words
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNS
	return nil
}
