package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

func TestReadStat(t *testing.T) {
	line := "4242 (containerd (x) s) S 1 4242 4242 0 -1 4194560 1 2 3 4 150 50 20 30 20 0 12 0 100 1 2"
	if name, seconds, ok := readStat(line); !ok || name != "containerd (x) s" || seconds != 2.5 {
		t.Errorf("got %q, %v, %v", name, seconds, ok)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1 2", "1 (x) S 1 4242 4242 0 -1 4194560 1 2 3 4 a 50 20 30 20"} {
		if _, _, ok := readStat(bad); ok {
			t.Errorf("%q is taken for a process", bad)
		}
	}
	for name, want := range map[string]bool{
		"dockerd": true, "containerd": true, "containerd-shim": true, "docker-proxy": true,
		"docker": false, "runc": false,
	} {
		if engineProgram(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func TestListenerIsThisProcess(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if pid, err := rig.Listener(socket); err != nil || pid != os.Getpid() {
		t.Errorf("got %d, %v", pid, err)
	}
}

func TestPeakMemoryIsOfChildrenToo(t *testing.T) {
	cmd := exec.Command("sh", "-c", `head -c 90000000 /dev/zero | tail -n 1 >/dev/null`) // tail keeps the whole line
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := peakMemory(cmd.ProcessState); got < 80<<20 || got > 400<<20 {
		t.Errorf("got %d bytes for a child that held 90 MB", got)
	}
}
