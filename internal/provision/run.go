package provision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// grace is how long a cancelled child may take to tidy up before it is killed. With it, Ctrl-C takes under 5 s.
const grace = 3 * time.Second

// child is a program that must not outlive setup: apt-get, go build, debootstrap.
type child struct {
	args []string
	dir  string
	env  []string // added to this process's own, proxies included
	log  string   // appended to
	// caged children run in their own process and mount namespace (Linux, root): whatever they started and mounted
	// vanishes with them, even when this process is killed. They get no time to tidy up.
	caged bool
}

// run waits for c and gives its output. report gets its last line twice a second.
func run(ctx context.Context, c child, report func(string)) ([]byte, error) {
	var out tailBuffer
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	defer log.Close()
	fmt.Fprintf(log, "# %s %s\n", time.Now().Format(time.RFC3339), strings.Join(c.args, " "))
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout = io.MultiWriter(log, &out)
	cmd.Stderr = cmd.Stdout
	cmd.SysProcAttr = childAttributes(c.caged)
	cmd.Cancel = func() error {
		if c.caged {
			return cmd.Process.Kill()
		}
		return interruptGroup(cmd.Process)
	}
	cmd.WaitDelay = grace
	stop := reportTail(&out, report)
	defer stop()
	done := make(chan error, 1)
	go func() {
		// The kernel kills the child when the *thread* that started it ends, so this one is kept for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- cmd.Run()
	}()
	err = <-done
	if ctx.Err() != nil {
		killGroup(cmd.Process)
		return out.bytes(), ctx.Err()
	}
	if err != nil {
		return out.bytes(), &exitError{name: filepath.Base(c.args[0]), err: err, log: c.log, tail: lastLines(out.bytes(), 12)}
	}
	return out.bytes(), nil
}

// exitError is a child that failed, with the end of what it said.
type exitError struct {
	name, log string
	err       error
	tail      []string
}

func (e *exitError) Error() string { return fmt.Sprintf("running %s: %v", e.name, e.err) }
func (e *exitError) Unwrap() error { return e.err }

// tailOf gives the output lines that belong to err, for a fault's details.
func tailOf(err error) []string {
	var e *exitError
	if errors.As(err, &e) {
		return append(e.tail, "log: "+e.log)
	}
	return nil
}

// reportTail reports the last line of b until the function it gives is called.
func reportTail(b *tailBuffer, report func(string)) func() {
	stop := make(chan struct{})
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if lines := lastLines(b.bytes(), 1); len(lines) > 0 {
				report(shorten(lines[0], 60))
			}
		}
	}()
	return func() { close(stop) }
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// lastLines gives the last n lines of data that are not blank.
func lastLines(data []byte, n int) []string {
	var lines []string
	for line := range bytes.Lines(data) {
		if text := strings.TrimSpace(string(line)); text != "" {
			lines = append(lines, text)
		}
	}
	return lines[max(0, len(lines)-n):]
}

// logTail gives the last n lines that were written to the file at path after offset.
func logTail(path string, offset int64, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		offset = max(offset, end-tailSize)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	return lastLines(data, n)
}
