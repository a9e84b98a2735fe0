package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A builder that is killed in mid-build left its step running and the step's file systems mounted under the state
// directory.
func TestCagedDaemonTakesItsChildrenAndItsMountsWithIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a process namespace needs root")
	}
	r, dir := newRecords(t), t.TempDir()
	d := testDaemon(t)
	point := filepath.Join(dir, "point")
	if err := os.Mkdir(point, 0o700); err != nil {
		t.Fatal(err)
	}
	child := []string{"sleep", "63"}
	d.Args = []string{
		"/bin/sh", "-c",
		`mount -t tmpfs none "$0" && touch "$0/mounted" && trap "" TERM && sleep 63 & wait; sleep 64`, point,
	}
	d.Caged = true
	d.Ready = func(ctx context.Context) error {
		if Find(child) == 0 {
			return errors.New("not yet")
		}
		return nil
	}
	_, pid := ensure(t, r, d)
	if found := Find(d.Args); found != pid {
		t.Errorf("the daemon of pid %d is found as %d", pid, found)
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), point) {
		t.Errorf("its mount is the machine's too, error %v", err)
	}
	p := r.known[d.Name]
	if err := p.Stop(t.Context(), 100*time.Millisecond); err != nil {
		t.Error(err)
	}
	waitNoSleep(t, child, time.Second)
	if err := os.RemoveAll(dir); err != nil {
		t.Errorf("removing its directory: %v", err)
	}
}
