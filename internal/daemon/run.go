package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// grace is how long a cancelled command may take to tidy up before it is killed. With it, Ctrl-C takes under 5 s.
const grace = 3 * time.Second

// Command is a program that must not outlive this process: apt-get, go build, debootstrap.
type Command struct {
	Args []string
	Dir  string
	Env  []string // added to this process's own environment, proxies included
	Log  string   // path; what the program says is appended
	// Caged commands take what they started and mounted with them, even when this process is killed (Linux, as root).
	// They get no time to tidy up.
	Caged bool
}

// Run waits for the command and gives its output, at most the last 64 KiB. report gets the output's last line twice a
// second. OutputOf gives the output that belongs to an error.
func Run(ctx context.Context, c Command, report func(string)) ([]byte, error) {
	var out Tail
	log, err := openLog(c.Log)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	defer log.Close()
	fmt.Fprintf(log, "# %s %s\n", time.Now().Format(time.RFC3339), strings.Join(c.Args, " "))
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	cmd.Stdout = io.MultiWriter(log, &out)
	cmd.Stderr = cmd.Stdout
	cmd.Cancel = func() error {
		if c.Caged {
			return cmd.Process.Kill()
		}
		return signalGroup(cmd.Process, syscall.SIGINT)
	}
	cmd.WaitDelay = grace
	if c.Caged {
		Cage(cmd)
	}
	stop := out.reportTo(report)
	defer stop()
	child, err := StartChild(cmd)
	if err == nil {
		<-child.Ended()
		err = child.err
		if ctx.Err() != nil {
			_ = signalGroup(cmd.Process, syscall.SIGKILL) // what is left of it
		}
	}
	if ctx.Err() != nil {
		return out.Bytes(), ctx.Err()
	}
	if err != nil {
		return out.Bytes(), &runError{
			name: filepath.Base(c.Args[0]), err: err, log: c.Log,
			last: LastLines(out.Bytes(), 12),
		}
	}
	return out.Bytes(), nil
}

// runError is a command that failed, with the end of what it said.
type runError struct {
	name, log string
	err       error
	last      []string
}

func (e *runError) Error() string { return fmt.Sprintf("running %s: %v", e.name, e.err) }
func (e *runError) Unwrap() error { return e.err }

// OutputOf gives the last lines that the command said whose error err is, and the path of its log, for a fault's
// details.
func OutputOf(err error) []string {
	var e *runError
	if errors.As(err, &e) {
		return append(e.last, "log: "+e.log)
	}
	return nil
}
