package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
)

const (
	commandTimeout = 30 * time.Second
	commandDelay   = 2 * time.Second // for its output, once it has ended
)

// command is a receiver that is a program of this machine: it gets the event as JSON on its standard input and as
// variables. What it prints is not read.
type command struct {
	args []string
	dir  string
}

// passed are the variables that a command gets of ours; secrets may be in others.
var passed = []string{"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "SYSTEMROOT", "USERPROFILE", "TEMP"}

func environment(e Event) []string {
	var out []string
	for _, name := range passed {
		if value, set := os.LookupEnv(name); set {
			out = append(out, name+"="+value)
		}
	}
	return append(out, "COMPOSE_MAGE_ALERT_ID="+e.ID, "COMPOSE_MAGE_ALERT_STATUS="+e.Status,
		"COMPOSE_MAGE_ALERT_FINDING="+e.Finding, "COMPOSE_MAGE_ALERT_PROJECT="+e.Project,
		"COMPOSE_MAGE_ALERT_SERVICE="+e.Service, "COMPOSE_MAGE_ALERT_SEVERITY="+e.Severity,
		"COMPOSE_MAGE_ALERT_EVIDENCE="+e.Evidence)
}

// send runs the command. One that does not end in time is killed with what it has started.
func (c command) send(ctx context.Context, e Event) error { return c.run(ctx, e, commandTimeout) }

func (c command) run(ctx context.Context, e Event, timeout time.Duration) error {
	input, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing the event: %w", err)
	}
	cmd := exec.Command(c.args[0], c.args[1:]...) //nolint:noctx // its group is killed, which a context does not do
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.dir, environment(e), commandDelay
	cmd.Stdin = bytes.NewReader(append(input, '\n'))
	child, err := daemon.StartChild(cmd)
	if err != nil {
		return fmt.Errorf("it does not start: %w", err)
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-child.Ended():
	case <-ctx.Done():
		child.KillGroup()
		return ctx.Err()
	case <-timer.C:
		child.KillGroup()
		return fmt.Errorf("it did not end within %s", timeout)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return errors.New("it ended with exit code " + fmt.Sprint(code))
	}
	return nil
}
