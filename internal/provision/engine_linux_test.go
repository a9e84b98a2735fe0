package provision

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// ownNetwork moves the test's thread, and what it starts, into a network namespace of its own: an engine with
// --bridge=none removes docker0, which would be the machine's engine's.
func ownNetwork(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
}

// A real engine beside the machine's own: it is started detached, comes back after a kill that leaves its pid file
// behind, and is stopped by Teardown's means.
func TestEngineStartsAndComesBackAfterAKill(t *testing.T) {
	if os.Geteuid() != 0 || daemon.LookPath("dockerd") == "" {
		t.Skip("needs root and an installed dockerd")
	}
	ownNetwork(t)
	s := testSetup(t)
	dir := s.dir
	pidFile, socket := filepath.Join(dir, "docker.pid"), "unix://"+filepath.Join(dir, "docker.sock")
	t.Setenv("DOCKER_HOST", socket)
	s.dockerdArgs = []string{
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", pidFile, "-H", socket, "--bridge=none", "--iptables=false",
	}
	containerdFile := filepath.Join(dir, "exec", "containerd", "containerd.pid")
	// A killed engine leaves its data mounted on itself.
	t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(dir, "data"), syscall.MNT_DETACH) })
	// Some other process has the pid that an earlier engine left, whose containerd still is there and serves nobody.
	write(t, pidFile, strconv.Itoa(os.Getpid()))
	left := runContainerd(t, filepath.Join(filepath.Dir(containerdFile), "containerd.toml"))
	write(t, containerdFile, strconv.Itoa(left.PID))
	p := plan{engine: start, registry: start}
	if err := s.startDockerd(t.Context(), p, pidFile, containerdFile); err != nil {
		t.Fatal(err)
	}
	first, _ := s.state.process("engine")
	e, err := engine.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Info.RegistryConfig.Mirrors) > 0 {
		t.Errorf("it takes its images from %v", e.Info.RegistryConfig.Mirrors)
	}
	if sid, _, _ := syscall.RawSyscall(syscall.SYS_GETSID, uintptr(first.PID), 0, 0); int(sid) != first.PID {
		t.Errorf("session %d: it is in our terminal's", int(sid))
	}
	// The kernel tells of a child's death to its parent alone; this one's is the test.
	_ = syscall.Kill(first.PID, syscall.SIGKILL)
	for deadline := time.Now().Add(5 * time.Second); first.Alive() && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if readPid(pidFile) != first.PID {
		t.Fatalf("the killed engine's pid file is gone: the test shows nothing")
	}
	if err := s.startDockerd(t.Context(), p, pidFile, containerdFile); err != nil {
		t.Fatal(err)
	}
	second, _ := s.state.process("engine")
	if second.PID == first.PID || !second.Alive() {
		t.Errorf("after the kill: %+v", second)
	}
	if err := second.Stop(context.Background(), time.Minute); err != nil || second.Alive() {
		t.Errorf("stopping: %v", err)
	}
	if _, err := engine.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "no Docker engine") {
		t.Errorf("after stopping: %v", err)
	}
}

// runContainerd runs a program of containerd's name with this configuration, which does nothing.
func runContainerd(t *testing.T, config string) daemon.Process {
	t.Helper()
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "containerd")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "127.0.0.1:0", "--config", config)
	cmd.Env = append(os.Environ(), "PROVISION_TEST_ROLE=daemon")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	go func() { _ = cmd.Wait() }()
	p, err := daemon.OfPID("containerd", cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What a containerd's pid file names is ended only where it is that engine's containerd; the file goes in any case.
func TestContainerdOfAGoneEngineIsEnded(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "containerd.pid")
	own := runContainerd(t, filepath.Join(filepath.Dir(pidFile), "containerd.toml"))
	other := runContainerd(t, "/etc/containerd/config.toml")
	for _, pid := range []int{own.PID, other.PID, os.Getpid(), 1 << 30} {
		write(t, pidFile, strconv.Itoa(pid))
		if err := endContainerd(t.Context(), pidFile); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(pidFile); err == nil {
			t.Errorf("pid %d: the file stays", pid)
		}
	}
	if own.Alive() {
		t.Error("the engine's containerd still runs")
	}
	if !other.Alive() {
		t.Error("another's containerd was ended")
	}
	if err := endContainerd(t.Context(), pidFile); err != nil {
		t.Errorf("no file: %v", err)
	}
}

func TestEngineThatCannotStartShowsItsLog(t *testing.T) {
	if os.Geteuid() != 0 || daemon.LookPath("dockerd") == "" {
		t.Skip("needs root and an installed dockerd")
	}
	s := testSetup(t)
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(s.dir, "docker.sock"))
	s.dockerdArgs = []string{"--no-such-option"}
	err := s.startDockerd(t.Context(), plan{engine: start}, filepath.Join(s.dir, "docker.pid"),
		filepath.Join(s.dir, "containerd.pid"))
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("got %v, want the engine's own words", err)
	}
}
