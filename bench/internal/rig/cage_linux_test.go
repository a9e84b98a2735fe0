package rig

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A builder that is killed in mid-step leaves neither the step nor its mounts: they kept the bench's files from being removed.
func TestCagedDaemonLeavesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("namespaces need root")
	}
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0") // it answers for the daemon
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mount, ready := filepath.Join(dir, "mounted"), filepath.Join(dir, "ready")
	d := &Daemon{
		Args: []string{"sh", "-c", `mkdir "$0" && mount -t tmpfs tmpfs "$0" && sleep 6413 & sleep 1; touch "$1"; wait`, mount, ready},
		Log:  filepath.Join(dir, "log"), Address: l.Addr().String(), Data: mount, Caged: true,
	}
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(ready); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it did not start: ", LastLine(d.Log))
		}
	}
	if !sleeping(t) {
		t.Error("the step does not run: the test shows nothing")
	}
	if err := syscall.Kill(d.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-d.ended
	if sleeping(t) {
		t.Error("the step goes on")
	}
	if err := os.RemoveAll(mount); err != nil {
		t.Errorf("the mount is left: %v", err)
	}
}

func sleeping(t *testing.T) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if line, err := os.ReadFile(f); err == nil && strings.HasPrefix(string(line), "sleep\x006413") {
			return true
		}
	}
	return false
}

func TestTwoBenchesDoNotMeet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var files [2]*os.File
	for i := range files {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	if err := lock(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := lock(files[1]); err == nil {
		t.Error("the second one got the lock too")
	}
	_ = files[0].Close()
	if err := lock(files[1]); err != nil {
		t.Errorf("after the first one has ended: %v", err)
	}
}
