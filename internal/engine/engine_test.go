package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/system"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// serve answers as an engine that speaks the API version, on a Unix socket that DOCKER_HOST names.
func serve(t *testing.T, apiVersion, info string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine") // t.TempDir's path may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("API-Version", apiVersion)
		if strings.HasSuffix(r.URL.Path, "/info") {
			fmt.Fprint(w, info)
		}
	}))
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	t.Setenv("DOCKER_CONFIG", dir)
}

func TestConnectReadsTheMachine(t *testing.T) {
	serve(t, "1.41",
		`{"NCPU":2,"MemTotal":8589934592,"ServerVersion":"20.10.24","Runtimes":{"runc":{},"nvidia":{}},`+
			`"DriverStatus":[["Backing Filesystem","extfs"]]}`)
	e, err := Connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	m := e.Machine()
	if m.CPUs != 2 || m.Memory != 8<<30 || !m.GPU || !e.Local() || e.ContainerdStore() {
		t.Errorf("got %+v, local %v, containerd's store %v", m, e.Local(), e.ContainerdStore())
	}
	if m.OpenFiles <= 0 {
		t.Errorf("the engine is this test, so its open-file limit is there to be read: %d", m.OpenFiles)
	}
}

func TestConnectFailures(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	for name, c := range map[string]struct {
		set        func(t *testing.T)
		want, next string
	}{
		"too old": {
			func(t *testing.T) { serve(t, "1.40", "{}") },
			"is too old: it speaks API 1.40, Docker 20.10 (API 1.41) is the oldest supported", "upgrade Docker",
		},
		"no socket": {
			func(t *testing.T) { t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock") },
			`no Docker engine: "/nowhere/docker.sock" does not exist`, "go tool mage setup",
		},
		"refused": {
			func(t *testing.T) { t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:1") },
			`no Docker engine answers at "tcp://127.0.0.1:1"`, "go tool mage setup",
		},
		"no context": {func(t *testing.T) { t.Setenv("DOCKER_CONTEXT", "nosuch") }, `nosuch`, "docker context ls"},
	} {
		t.Run(name, func(t *testing.T) {
			c.set(t)
			_, err := Connect(context.Background())
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.Engine {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(f.Next, c.next) {
				t.Errorf("got %q, want %q and next %q", err, c.want, c.next)
			}
		})
	}
}

func TestNoPermission(t *testing.T) {
	err := explain("unix:///var/run/docker.sock",
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)})
	if want := `no permission on the engine's socket "/var/run/docker.sock"`; !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), "next: sudo usermod -aG docker") {
		t.Errorf("got %q", err)
	}
}

func TestContainerdStore(t *testing.T) {
	e := &Engine{Info: system.Info{DriverStatus: [][2]string{{"driver-type", "io.containerd.snapshotter.v1"}}}}
	if !e.ContainerdStore() {
		t.Error("the containerd store is not seen")
	}
}
