//go:build unix

package daemon

import (
	"os/exec"
	"testing"
	"time"
)

// sleeper starts a process that lives until the test ends.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	return cmd
}

func TestRecycledPidIsNeverSignalled(t *testing.T) {
	cmd := sleeper(t)
	start, err := identity(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]Process{
		"another start": {Name: "builder", PID: cmd.Process.Pid, Start: start + "0"},
		"another boot":  {Name: "builder", PID: cmd.Process.Pid, Start: "x" + start[1:]},
		"no start":      {Name: "builder", PID: cmd.Process.Pid},
		"no pid":        {Name: "builder", Start: start},
	} {
		if err := p.Stop(t.Context(), time.Second); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := identity(cmd.Process.Pid); err != nil {
		t.Fatalf("a process that is not ours was stopped: %v", err)
	}
	if err := (Process{Name: "builder", PID: cmd.Process.Pid, Start: start}).Stop(t.Context(),
		time.Second); err != nil {
		t.Fatal(err)
	}
	if now, err := identity(cmd.Process.Pid); err == nil && now == start {
		t.Error("our own process was not stopped")
	}
}
