package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// WaitVariable is the environment variable that says how long a run waits for another one: "30s", "1h".
const WaitVariable = "COMPOSE_MAGE_LOCK_WAIT"

const (
	// waitLimit is longer than the first setup of a machine takes.
	waitLimit = 20 * time.Minute
	// stoppedLimit is how long a holder may be stopped, as by Ctrl-Z, before it counts as one that does not come back
	// by itself.
	stoppedLimit = 5 * time.Second
	askEvery     = 200 * time.Millisecond
)

// LockProject takes a Compose project for this process, so that two starts don't create the same container, and gives
// the way to release it. Where another run has it, it says so and waits.
func LockProject(ctx context.Context, project string, out *ui.Out) (func(), error) {
	dir, err := projectDir(project)
	if err != nil {
		return nil, fmt.Errorf("locking project %q: %w", project, err)
	}
	return Lock(ctx, dir, "run on "+project, out)
}

// TryLockProject is LockProject for one who does not wait: it gives nil where another run has the project, or the
// lock can't be had.
func TryLockProject(project string) func() {
	dir, err := projectDir(project)
	if err != nil {
		return nil
	}
	path := filepath.Join(dir, "lock")
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil // Lock says what is wrong with it
	}
	release, _ := TryLock(path)
	return release
}

// TryLock takes the lock at path for this process and gives the way to release it; nil where another process has it.
// What is there and no file is set aside.
func TryLock(path string) (func(), error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		if _, err := SetAside(path); err != nil {
			return nil, fmt.Errorf("locking %q: %w", path, err)
		}
	}
	l := flock.New(path, flock.SetPermissions(0o600))
	got, err := l.TryLock()
	if err != nil {
		return nil, Unwritable(path, fmt.Errorf("locking %q: %w", path, err))
	}
	if !got {
		return nil, nil //nolint:nilnil // no lock, and nothing is wrong
	}
	return held(l, path), nil
}

// held writes down who has the lock, for messages, and gives the way to release it, which leaves when that was.
func held(l *flock.Flock, path string) (release func()) {
	_ = Keep(path+holderSuffix, thisHolder())
	return func() {
		now := time.Now()
		_ = os.Chtimes(path+holderSuffix, now, now)
		_ = l.Unlock()
	}
}

// LastRun is when a run on the project took its lock or gave it back, whichever was later; zero where none is known of.
func LastRun(project string) time.Time {
	dir, err := ProjectDir(project)
	if err != nil {
		return time.Time{}
	}
	info, err := os.Lstat(filepath.Join(dir, "lock"+holderSuffix))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// ProjectDir is the directory of a project in the state directory; it need not exist.
func ProjectDir(project string) (string, error) {
	dir, err := Dir()
	return filepath.Join(dir, "projects", project), err
}

func projectDir(project string) (string, error) {
	dir, err := ProjectDir(project)
	if err != nil {
		return "", err
	}
	return dir, MakeDir(dir)
}

// Lock takes a directory for this process and gives the way to release it. Where another has it, it says so (what it
// is, since when) and waits, but not for ever: after WaitVariable's time, or where the other one is stopped, the
// error says who has it and how it is ended. The lock is the kernel's: it goes with its process, however that ends.
func Lock(ctx context.Context, dir, what string, out *ui.Out) (func(), error) {
	limit, err := waitsFor()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "lock")
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() { // a pipe would be waited for, for ever
		to, err := SetAside(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("locking %q: %w", dir, err)
		}
		out.Warn("%q was no file; it is now %q", path, to)
	}
	l := flock.New(path, flock.SetPermissions(0o600))
	got, err := l.TryLock()
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fault.New(fault.Config, "sudo chown -R $(id -u) "+fault.Quote(filepath.Dir(path))+
			", or another directory in "+Variable,
			"locking %q: permission denied: another user has run a target with this state directory", dir)
	case err != nil:
		return nil, Unwritable(dir, fmt.Errorf("locking %q: %w", dir, err))
	case !got:
		out.Info("another %s%s is at work: waiting for it", what, readHolder(path))
		if err := wait(ctx, l, path, what, limit); err != nil {
			return nil, err
		}
	}
	return held(l, path), nil
}

// waitsFor is how long another run is waited for.
func waitsFor() (time.Duration, error) {
	value := os.Getenv(WaitVariable)
	if value == "" {
		return waitLimit, nil
	}
	limit, err := time.ParseDuration(value)
	if err != nil || limit < 0 {
		return 0, fault.New(fault.Usage, "unset "+WaitVariable, "%s=%q is no duration, such as 30s or 1h", WaitVariable,
			value)
	}
	return limit, nil
}

// wait waits for the lock until the limit, or until its holder has been stopped for a while.
func wait(ctx context.Context, l *flock.Flock, path, what string, limit time.Duration) error {
	begun := time.Now()
	moving := begun
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for another %s: %w", what, ctx.Err())
		case <-tick.C:
		}
		if got, err := l.TryLock(); got || err != nil {
			return err
		}
		h := readHolder(path)
		if !stopped(h.pid) {
			moving = time.Now()
		}
		switch waited := time.Since(begun); {
		case time.Since(moving) >= stoppedLimit:
			return fault.New(fault.Failed,
				fmt.Sprintf("kill -CONT %d to let it go on, or kill -KILL %d to end it; then the same command again",
					h.pid, h.pid),
				"another %s%s is stopped, as by Ctrl-Z: nothing was done", what, h)
		case waited >= limit:
			next := "wait until it has ended, then the same command again"
			if h.pid > 0 {
				next = fmt.Sprintf("wait until it has ended, or kill %d; then the same command again", h.pid)
			}
			return fault.New(fault.Failed, next, "another %s%s is still at work after %s: nothing was done", what, h,
				waited.Round(time.Second))
		}
	}
}

// holder is the process that has the lock, as far as the file beside the lock tells.
type holder struct {
	pid     int
	since   time.Time
	command string
}

// holderSuffix is of the file beside the lock that says who has it.
const holderSuffix = ".pid"

// mostCommand is how much of a command line is shown.
const mostCommand = 120

func thisHolder() []byte {
	command := fault.Redact(fault.Quote(os.Args[1:]...))
	return fmt.Appendf(nil, "%d\n%s\n%s\n", os.Getpid(), time.Now().Format(time.RFC3339), "mage "+command)
}

// readHolder reads the file beside the lock; a damaged file, or one of an older version, tells of no holder.
func readHolder(path string) holder {
	data, err := ReadFile(path + holderSuffix)
	if err != nil || len(data) > 1<<16 {
		return holder{}
	}
	lines := append(strings.SplitN(strings.TrimSpace(string(data)), "\n", 3), "", "")
	h := holder{}
	if h.pid, err = strconv.Atoi(strings.TrimSpace(lines[0])); err != nil || h.pid <= 0 {
		return holder{}
	}
	if h.since, err = time.Parse(time.RFC3339, strings.TrimSpace(lines[1])); err != nil {
		return holder{pid: h.pid}
	}
	if r := []rune(lines[2]); len(r) > mostCommand {
		lines[2] = string(r[:mostCommand]) + "…"
	}
	h.command = lines[2]
	return h
}

// String is " (pid 12: mage start, since 10:20:30)", or "" where nothing is known.
func (h holder) String() string {
	switch {
	case h.pid == 0:
		return ""
	case h.since.IsZero():
		return fmt.Sprintf(" (pid %d)", h.pid)
	}
	when := h.since.Local().Format(time.TimeOnly)
	if time.Since(h.since) > 12*time.Hour {
		when = h.since.Local().Format(time.DateTime)
	}
	return fmt.Sprintf(" (pid %d: %s, since %s)", h.pid, printable(h.command), when)
}

// printable is text without what a terminal would obey.
func printable(text string) string {
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
