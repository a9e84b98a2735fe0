//go:build unix

package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// holds has another process hold the lock of dir, as a run of ours would have written it down.
func holds(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("no flock(1) here")
	}
	held := exec.Command("flock", filepath.Join(dir, "lock"), "sh", "-c", "echo held; exec sleep 60")
	out, err := held.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	held.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-held.Process.Pid, syscall.SIGKILL); _ = held.Wait() })
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%d\n%s\nmage start web\n", held.Process.Pid, time.Now().Format(time.RFC3339))
	if err := os.WriteFile(filepath.Join(dir, "lock.pid"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return held
}

func TestWaitingForALockHasALimit(t *testing.T) {
	dir := t.TempDir()
	pid := holds(t, dir).Process.Pid
	t.Setenv(WaitVariable, "300ms")
	var out bytes.Buffer
	_, err := Lock(t.Context(), dir, "run on shop", ui.New(&out))
	var f *fault.Error
	if !errors.As(err, &f) || !strings.Contains(f.Next, fmt.Sprintf("kill %d", pid)) ||
		!strings.Contains(err.Error(), fmt.Sprintf("another run on shop (pid %d: mage start web, since ", pid)) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(out.String(), "mage start web") {
		t.Errorf("while it waits: %q", out.String())
	}
	t.Setenv(WaitVariable, "soon")
	if _, err := Lock(t.Context(), dir, "x", ui.New(&out)); !errors.As(err, &f) || f.Code != fault.Usage {
		t.Errorf("got %v", err)
	}
}

// A run that Ctrl-Z has stopped holds its lock and does not come back by itself.
func TestAStoppedHolderIsNotWaitedFor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("whether a process is stopped is known on Linux only")
	}
	dir := t.TempDir()
	held := holds(t, dir)
	if err := syscall.Kill(held.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var f *fault.Error
	_, err := Lock(t.Context(), dir, "run on shop", ui.New(&bytes.Buffer{}))
	if !errors.As(err, &f) || !strings.Contains(f.Next, fmt.Sprintf("kill -CONT %d", held.Process.Pid)) {
		t.Errorf("got %v", err)
	}
}

// Whatever lies where the lock and its holder's name should be, a run takes the lock and hangs on none of it.
func TestDamagedLockFiles(t *testing.T) {
	for _, file := range []string{"lock", "lock.pid"} {
		for name := range damages(t, "") {
			dir := t.TempDir()
			path := filepath.Join(dir, file)
			damages(t, path)[name]()
			within(t, file+" "+name, func() {
				release, err := Lock(t.Context(), dir, "x", ui.New(&bytes.Buffer{}))
				if err != nil {
					t.Errorf("%s, %s: %v", file, name, err)
					return
				}
				defer release()
				if h := readHolder(filepath.Join(dir, "lock")); h.pid != os.Getpid() || h.command == "" {
					t.Errorf("%s, %s: the holder is %+v", file, name, h)
				}
			})
		}
	}
}

func TestAHolderIsShownWithoutEscapes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	for _, text := range []string{
		"12", "x\ny\nz", "-1\n", "12\nnot a time\nx", "12\n2026-01-02T03:04:05Z\n\x1b[2J\x07evil\nline",
	} {
		if err := os.WriteFile(path+".pid", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := readHolder(path).String(); strings.ContainsAny(got, "\x1b\x07\n") {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}
