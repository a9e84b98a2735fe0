package freezer

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// thawer is the second process. It thaws a group after the limit, and outlives this one.
type thawer struct {
	process

	command *exec.Cmd
}

// thawing is the second process's script: seconds, the word that thaws, the group's file, the record. Told to end, as
// all processes of a session or a job are, it thaws at once.
const thawing = `trap : HUP INT TERM; sleep "$1"; echo "$2" >"$3" && rm -f "$4"`

// startThawer starts the second process, in a session of its own, where neither Ctrl-C nor a terminal's end reaches it.
func startThawer(g group, record string, limit time.Duration) (*thawer, error) {
	_, word := g.words()
	c := exec.Command("sh", "-c", thawing, "sh", strconv.FormatFloat(limit.Seconds(), 'f', 3, 64), word, g.file(),
		record)
	c.Dir, c.SysProcAttr = "/", &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("starting the process that thaws: %w", err)
	}
	return &thawer{process: look(c.Process.Pid), command: c}, nil
}

// stop ends the second process. Until Wait has been called its number can't be another's.
func (t *thawer) stop() {
	_ = syscall.Kill(-t.command.Process.Pid, syscall.SIGKILL)
	_ = t.command.Wait()
}

// kill ends a second process that another run started, if it is still there.
func (p process) kill() {
	if p.alive() {
		_ = syscall.Kill(-p.PID, syscall.SIGKILL)
	}
}
