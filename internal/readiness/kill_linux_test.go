package readiness

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestKillGroup kills a program of its own with all that it has started, where its control group has the
// container's name.
func TestKillGroup(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "sleep 1000 & echo ready; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer func() { _ = syscall.Kill(-pid, syscall.SIGKILL) }()
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if killGroup(pid, "no-such-container") {
		t.Error("another container's was killed")
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the program is gone: %v", err)
	}
	if _, err := os.ReadFile("/proc/self/cgroup"); err != nil {
		t.Skip("no control groups")
	}
	if !killGroup(pid, ":") { // each line of the file has colons
		t.Error("it was not killed")
	}
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
	if killGroup(pid, ":") {
		t.Error("a program that is gone was killed")
	}
}

// TestProcessOfAContainer never kills: to be asked about the process 1 is what a killed shim may lead to.
func TestProcessOfAContainer(t *testing.T) {
	const cgroup = "12:cpu:/docker/0123abcd\n0::/system.slice\n"
	for name, c := range map[string]struct {
		pid       int
		container string
		want      bool
	}{
		"the container's": {2, "0123abcd", true},
		"another's":       {2, "4567", false},
		"init":            {1, "0123abcd", false},
		"nobody's":        {0, "0123abcd", false},
		"a group":         {-2, "0123abcd", false},
	} {
		if got := isProcessOf(c.pid, cgroup, c.container); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
