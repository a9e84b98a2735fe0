//go:build integration

package provision

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// nobody is a user of the machine that setup has nothing to do with.
const nobody = 65534

// trusting is a registry and a builder that setup started, and what others on the machine try.
type trusting struct {
	*setup
	t        *testing.T
	stranger string // the program's path
	said     *daemon.Tail
}

// newTrusting starts both in a state directory of their own, with the programs that the machine's setup built.
func newTrusting(t *testing.T, proxy string) *trusting {
	t.Helper()
	real, err := state.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(real, "bin", "bridge")); err != nil || os.Geteuid() != 0 {
		t.Skipf("setup started no builder of its own here: it runs in a container, in the engine, or elsewhere (%v)",
			err)
	}
	dir, err := os.MkdirTemp("", "trust") // short: the kernel allows some 100 bytes for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	h := &trusting{t: t, said: &daemon.Tail{}, stranger: filepath.Join(dir, "stranger")}
	h.setup = &setup{dir: filepath.Join(dir, "state"), out: ui.New(h.said)}
	if h.programs, err = pinned.ForSetup(h.dir, ""); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.MkdirAll(filepath.Join(h.dir, "logs"), 0o755),
		os.Symlink(filepath.Join(real, "bin"), filepath.Join(h.dir, "bin"))); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", h.stranger, "testdata/stranger/main.go")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("HTTP_PROXY", proxy)
	t.Cleanup(func() { h.end(dir) })
	return h
}

// end stops what was started and removes it.
func (h *trusting) end(dir string) {
	for _, name := range []string{"builder", "registry"} {
		if p, ok := h.state.process(name); ok {
			if err := p.Stop(context.Background(), 10*time.Second); err != nil {
				h.t.Error(err)
			}
		}
	}
	if n := h.state.Network; n != nil {
		if err := n.Remove(context.Background()); err != nil {
			h.t.Error(err)
		}
		if left, err := exec.Command("iptables-save").Output(); err == nil &&
			strings.Contains(strings.ToLower(string(left)), n.Bridge) {
			h.t.Error("rules are left of the network of build steps")
		}
		if _, err := net.InterfaceByName(n.Bridge); err == nil {
			h.t.Error("the bridge of build steps is left")
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		h.t.Error(err)
	}
}

// provision does what setup does of registry and builder.
func (h *trusting) provision() (facts, plan) {
	h.t.Helper()
	addr, err := h.registryAddress(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	f, p := facts{os: "linux", root: true, registry: addr}, plan{registry: start, builder: byProcess}
	if err := errors.Join(h.ensureRegistry(h.t.Context(), f, p), h.ensureBuilder(h.t.Context(), f, p)); err != nil {
		h.t.Fatal(err)
	}
	return f, p
}

// asNobody runs the stranger as another user and gives what it printed.
func (h *trusting) asNobody(args ...string) string {
	h.t.Helper()
	cmd := exec.Command(h.stranger, args...)
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// squatter is a registry of another user's.
type squatter struct {
	mu    sync.Mutex
	asked []string
	end   func()
}

func (h *trusting) squat(addr, kind string) *squatter {
	h.t.Helper()
	cmd := exec.Command(h.stranger, "squat", addr, kind)
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	s := &squatter{}
	s.end = sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	h.t.Cleanup(s.end)
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "listening" {
		h.t.Fatalf("the squatter on %s: %q", addr, lines.Text())
	}
	go func() {
		for lines.Scan() {
			s.mu.Lock()
			s.asked = append(s.asked, lines.Text())
			s.mu.Unlock()
		}
	}()
	return s
}

func (s *squatter) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// solve builds a Dockerfile beside the stranger, and gives what its steps printed.
func (h *trusting) solve(dockerfile string, edit func(*client.SolveOpt)) (string, error) {
	h.t.Helper()
	c, err := client.New(h.t.Context(), h.state.Builder)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	return h.solveOn(c, dockerfile, edit)
}

// solveOn is solve on any builder.
func (h *trusting) solveOn(c *client.Client, dockerfile string, edit func(*client.SolveOpt)) (string, error) {
	h.t.Helper()
	dir := h.t.TempDir()
	if err := errors.Join(os.Link(h.stranger, filepath.Join(dir, "stranger")),
		os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600)); err != nil {
		h.t.Fatal(err)
	}
	tree, err := fsutil.NewFS(dir)
	if err != nil {
		h.t.Fatal(err)
	}
	opt := client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{},
		LocalMounts: map[string]fsutil.FS{"context": tree, "dockerfile": tree},
	}
	if edit != nil {
		edit(&opt)
	}
	status := make(chan *client.SolveStatus)
	var logs strings.Builder
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for s := range status {
			for _, l := range s.Logs {
				logs.Write(l.Data)
			}
		}
	}()
	_, err = c.Solve(h.t.Context(), nil, opt, status)
	<-drained
	return logs.String(), err
}

// listen counts who connects.
func listen(t *testing.T, addr string) (port string, count func() int) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var mu sync.Mutex
	n := 0
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
			mu.Lock()
			n++
			mu.Unlock()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// startEarlier starts registry and builder as setup did before the registry had keys, and records them as it did.
func (h *trusting) startEarlier() {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	h.state.Registry, h.state.Builder = addr, "unix://"+h.socket()
	write(h.t, filepath.Join(h.dir, "registry.yaml"),
		fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n",
			filepath.Join(h.dir, "registry"), addr))
	write(h.t, h.buildkitdToml(),
		fmt.Sprintf("root = %q\n[worker.oci]\n  enabled = true\n  networkMode = \"host\"\n  binary = "+
			"%q\n[worker.containerd]\n  enabled = false\n"+
			"[registry.%q]\n  http = true\n[registry.\"docker.io\"]\n  mirrors = [%q]\n", filepath.Join(h.dir,
			"buildkit"), daemon.LookPath("runc"), addr, addr))
	if err := os.MkdirAll(filepath.Dir(h.socket()), 0o700); err != nil {
		h.t.Fatal(err)
	}
	for _, d := range []daemon.Daemon{
		{
			Name: "registry", Args: h.registryDaemon(addr).Args, Log: h.logFile("registry"),
			Address: addr, Config: "earlier",
			Within: 20 * time.Second, Ready: func(context.Context) error {
				if free(addr) {
					return errors.New("not yet")
				}
				return nil
			},
		},
		{
			Name: "builder", Args: h.buildkitdArgs(), Log: h.logFile("buildkitd"),
			Address: h.state.Builder, Config: "earlier",
			Within: 20 * time.Second, Ready: builderReady(h.state.Builder), Caged: true,
		},
	} {
		if err := d.Start(h.t.Context(), h.setup); err != nil {
			h.t.Fatal(err)
		}
	}
}

// linkLocal is the IPv6 address that the kernel gave the interface; "" for none.
func linkLocal(name string) string {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return ""
	}
	addresses, err := i.Addrs()
	if err != nil {
		return ""
	}
	for _, a := range addresses {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() == nil && ip.IsLinkLocalUnicast() {
			return ip.String()
		}
	}
	return ""
}
