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
	"github.com/moby/buildkit/util/entitlements"
	"github.com/tonistiigi/fsutil"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
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
	said     *tailBuffer
}

// newTrusting starts both in a state directory of their own, with the programs that the machine's setup built.
func newTrusting(t *testing.T, proxy string) *trusting {
	t.Helper()
	real, err := state.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(real, "bin", "bridge")); err != nil || os.Geteuid() != 0 {
		t.Skipf("setup started no builder of its own here: it runs in a container, in the engine, or elsewhere (%v)", err)
	}
	dir, err := os.MkdirTemp("", "trust") // short: the kernel allows some 100 bytes for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	h := &trusting{t: t, said: &tailBuffer{}, stranger: filepath.Join(dir, "stranger")}
	h.setup = &setup{dir: filepath.Join(dir, "state"), out: ui.New(h.said), stamp: "test"}
	if err := errors.Join(os.Chmod(dir, 0o755), os.MkdirAll(filepath.Join(h.dir, "logs"), 0o755), os.Symlink(filepath.Join(real, "bin"), filepath.Join(h.dir, "bin"))); err != nil {
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
			if err := p.stop(context.Background(), 10*time.Second); err != nil {
				h.t.Error(err)
			}
		}
	}
	if n := h.state.Network; n != nil {
		if err := n.Remove(context.Background()); err != nil {
			h.t.Error(err)
		}
		if left, err := exec.Command("iptables-save").Output(); err == nil && strings.Contains(strings.ToLower(string(left)), n.Bridge) {
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
	if err := errors.Join(os.Link(h.stranger, filepath.Join(dir, "stranger")), os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600)); err != nil {
		h.t.Fatal(err)
	}
	tree, err := fsutil.NewFS(dir)
	if err != nil {
		h.t.Fatal(err)
	}
	opt := client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{}, LocalMounts: map[string]fsutil.FS{"context": tree, "dockerfile": tree},
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

// Another user of the machine has a registry on the port before setup, asks setup's registry and writes to it, reads its keys, and
// takes its port while it is down. None of it gets him anything, or into a build.
func TestIntegrationAnotherUserNeitherReadsNorFeedsTheRegistry(t *testing.T) {
	h := newTrusting(t, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	squatted := l.Addr().String()
	_ = l.Close()
	t.Setenv(PortVariable, squatted[strings.LastIndexByte(squatted, ':')+1:])
	early := h.squat(squatted, "plain")
	f, _ := h.provision()
	if f.registry == squatted || !strings.Contains(string(h.said.bytes()), "something that setup did not start listens on "+squatted) {
		t.Errorf("with another's registry on %s setup took %s and said\n%s", squatted, f.registry, h.said.bytes())
	}
	for _, asked := range early.requests() {
		if strings.Contains(asked, "manifests") {
			t.Errorf("the other's registry was asked for a base: %s", asked)
		}
	}
	keys := registry.IdentityIn(h.dir)
	if out := h.asNobody("read", keys.CA(), keys.ClientKey(), keys.ClientCert(), keys.ServerKey(), filepath.Join(h.dir, "registry.yaml"), filepath.Join(h.dir, "buildkitd.toml"), h.socket()); out != "" {
		t.Errorf("another user reads\n%s", out)
	}
	if out := h.asNobody("registry", f.registry); strings.Contains(out, "answered") || strings.Count(out, "refused") != 21 {
		t.Errorf("the registry and another user:\n%s", out)
	}
	// What setup's own builder may: it fills the cache, and takes it.
	cached := func(opt *client.SolveOpt) {
		opt.CacheImports = []client.CacheOptionsEntry{{Type: "registry", Attrs: map[string]string{"ref": f.registry + "/p/s:cache-main"}}}
		opt.CacheExports = []client.CacheOptionsEntry{{Type: "registry", Attrs: map[string]string{"ref": f.registry + "/p/s:cache-main", "mode": "max"}}}
	}
	const dockerfile = "FROM scratch\nCOPY stranger /\nRUN [\"/stranger\", \"dial\"]\n"
	if _, err := h.solve(dockerfile, cached); err != nil {
		t.Fatal(err)
	}
	// Between setup and build the registry dies, and somebody else takes its port.
	p, _ := h.state.process("registry")
	_ = syscall.Kill(p.PID, syscall.SIGKILL)
	for deadline := time.Now().Add(5 * time.Second); !free(f.registry) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	for _, kind := range []string{"plain", "tls"} {
		late := h.squat(f.registry, kind)
		if err := registry.Open(h.dir, f.registry).Answers(t.Context()); !registry.Stranger(err) {
			t.Errorf("%s: asking the registry: %v", kind, err)
		}
		_, err := h.solve(dockerfile, func(opt *client.SolveOpt) { cached(opt); opt.CacheExports = nil })
		if err != nil {
			t.Errorf("%s: a build with a cache there: %v", kind, err)
		}
		if _, err := h.solve("FROM debian:bookworm-slim\n", nil); err == nil {
			t.Errorf("%s: a base came from there", kind)
		}
		if asked := late.requests(); len(asked) > 0 {
			t.Errorf("%s: it was asked %q", kind, asked)
		}
		late.end()
	}
	// The next setup: where the port is taken it takes another and says so, and the builder follows.
	h.squat(f.registry, "plain")
	h.taken = nil
	again, _ := h.provision()
	if again.registry == f.registry || !strings.Contains(string(h.said.bytes()), "listens on "+f.registry) {
		t.Errorf("with another on its port the registry is at %s; said\n%s", again.registry, h.said.bytes())
	}
	if _, err := h.solve(dockerfile, func(opt *client.SolveOpt) {
		opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"name": again.registry + "/x/y:1", "push": "true"}}}
	}); err != nil {
		t.Errorf("pushing to it there: %v", err)
	}
}

// Somebody who has the keys (root, or setup's own user) may push; a base is not taken from there all the same.
func TestIntegrationABaseThatSetupDidNotPushIsRefused(t *testing.T) {
	h := newTrusting(t, "")
	f, _ := h.provision()
	push := func(text string) recipe {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY Dockerfile /"+text+"\n")
		return recipe{builder: h.state.Builder, dir: dir, file: "Dockerfile", image: f.registry + "/library/" + debianBase, contexts: map[string]string{"context": dir}}
	}
	was, err := push("one").push(t.Context(), func(string) {})
	if err == nil {
		err = h.lockBase(debianBase, was)
	}
	if err != nil {
		t.Fatal(err)
	}
	if b, err := h.base(t.Context(), f.registry, debianBase); err != nil || b.digest != was {
		t.Fatalf("what setup pushed: %v", err)
	}
	is, err := push("two").push(t.Context(), func(string) {})
	if err != nil || is == was {
		t.Fatalf("%s, %v", is, err)
	}
	for name, ask := range map[string]func() error{
		"up":   func() error { _, err := h.base(t.Context(), f.registry, debianBase); return err },
		"down": func() error { _, err := h.missingBases(); return err }, // it goes by the files
	} {
		var known *fault.Error
		if err := ask(); !errors.As(err, &known) || known.Code != fault.Registry || !strings.Contains(err.Error(), fmt.Sprintf("it was %s, it is %s", was, is)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, _ := h.lockedBases().Digest(debianBase); d != was {
		t.Errorf("the lock followed: %s", d)
	}
}

// A build step reaches nothing of this machine: not the registry, not a service on the loopback or on all interfaces, by any of the
// machine's addresses. It reaches the proxies, and what the Compose file asks for.
func TestIntegrationBuildStepsReachNothingOfThisMachine(t *testing.T) {
	proxy, proxied := listen(t, "127.0.0.1:0")
	h := newTrusting(t, "http://127.0.0.1:"+proxy)
	f, _ := h.provision()
	if h.state.Network == nil {
		t.Fatalf("no network of their own:\n%s", h.said.bytes())
	}
	loopback, reached := listen(t, "127.0.0.1:0")
	everywhere, reachedToo := listen(t, "0.0.0.0:0")
	six, reachedSix := listen(t, "[::]:0")
	gateway := h.state.Network.Gateway.String()
	targets := []string{f.registry, "127.0.0.1:" + loopback, gateway + ":" + loopback, "127.0.0.1:" + everywhere, gateway + ":" + everywhere}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() != nil && !ip.IsLoopback() && ip.String() != gateway && len(targets) < 10 {
			targets = append(targets, net.JoinHostPort(ip.String(), everywhere))
		}
	}
	if link := linkLocal(h.state.Network.Bridge); link != "" {
		targets = append(targets, "["+link+"%eth0]:"+six, "["+link+"%eth1]:"+six)
	}
	probe := func(targets ...string) string {
		return fmt.Sprintf("FROM scratch\nCOPY stranger /\nRUN [\"/stranger\", \"dial\", \"%s\"]\n", strings.Join(targets, `", "`))
	}
	out, err := h.solve(probe(targets...), nil)
	if err != nil || strings.Contains(out, "reached") || strings.Count("\n"+out, "\nrefused ") != len(targets) {
		t.Errorf("a build step: %v\n%s", err, out)
	}
	if n := reached() + reachedToo() + reachedSix(); n > 0 {
		t.Errorf("%d connections came from a build step", n)
	}
	// The proxies, at the address that builds are given.
	at, ok := h.state.Network.Reachable("http://127.0.0.1:" + proxy)
	before := proxied()
	out, err = h.solve(probe(strings.TrimPrefix(at, "http://")), nil)
	if err != nil || !ok || !strings.Contains(out, "reached") || proxied() == before {
		t.Errorf("the proxy at %s: %v, %d connections\n%s", at, err, proxied()-before, out)
	}
	// What the Compose file asks for with build.network: host.
	out, err = h.solve(probe("127.0.0.1:"+loopback), func(opt *client.SolveOpt) {
		opt.FrontendAttrs["force-network-mode"] = "host"
		opt.AllowedEntitlements = []string{entitlements.EntitlementNetworkHost.String()}
	})
	if err != nil || !strings.Contains(out, "reached") || reached() != 1 {
		t.Errorf("network: host: %v\n%s", err, out)
	}
	// A Dockerfile alone gets it not.
	if _, err = h.solve(strings.Replace(probe("127.0.0.1:"+loopback), "RUN", "RUN --network=host", 1), nil); err == nil || reached() != 1 {
		t.Errorf("RUN --network=host without the Compose file's word: %v", err)
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
	write(h.t, filepath.Join(h.dir, "registry.yaml"), fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", filepath.Join(h.dir, "registry"), addr))
	write(h.t, h.buildkitdToml(), fmt.Sprintf("root = %q\n[worker.oci]\n  enabled = true\n  networkMode = \"host\"\n  binary = %q\n[worker.containerd]\n  enabled = false\n"+
		"[registry.%q]\n  http = true\n[registry.\"docker.io\"]\n  mirrors = [%q]\n", filepath.Join(h.dir, "buildkit"), program("runc"), addr, addr))
	if err := os.MkdirAll(filepath.Dir(h.socket()), 0o700); err != nil {
		h.t.Fatal(err)
	}
	for _, d := range []daemon{
		{name: "registry", args: h.registryDaemon(addr).args, log: h.logFile("registry"), address: addr, config: "earlier", within: 20 * time.Second, ready: func(context.Context) error {
			if free(addr) {
				return errors.New("not yet")
			}
			return nil
		}},
		{name: "builder", args: h.buildkitdArgs(), log: h.logFile("buildkitd"), address: h.state.Builder, config: "earlier", within: 20 * time.Second, ready: builderReady(h.state.Builder), caged: true},
	} {
		if err := h.start(h.t.Context(), d); err != nil {
			h.t.Fatal(err)
		}
	}
}

// A machine that an earlier setup made ready: the next one says what it changes, and what was there stays.
func TestIntegrationTheNextSetupTakesAnEarlierOneOver(t *testing.T) {
	h := newTrusting(t, "")
	h.startEarlier()
	addr := h.state.Registry
	if out := h.asNobody("registry", addr); !strings.Contains(out, "answered http GET /v2/_catalog 200") {
		t.Fatalf("the earlier registry is no earlier one:\n%s", out)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n")
	r := recipe{builder: h.state.Builder, dir: dir, file: "Dockerfile", image: addr + "/library/" + debianBase, contexts: map[string]string{"context": dir}}
	pushed, err := r.push(t.Context(), func(string) {})
	if err == nil {
		err = h.lockBase(debianBase, pushed)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, p := h.provision()
	if f.registry != addr {
		t.Errorf("the registry moved from %s to %s", addr, f.registry)
	}
	for _, want := range []string{"the registry now answers only who has its keys", "rm -r " + filepath.Join(h.dir, "registry"), "build steps: a network of their own"} {
		if !strings.Contains(string(h.said.bytes()), want) {
			t.Errorf("%q is not said:\n%s", want, h.said.bytes())
		}
	}
	if out := h.asNobody("registry", addr); strings.Contains(out, "answered") {
		t.Errorf("the registry and another user:\n%s", out)
	}
	if b, err := h.base(t.Context(), f.registry, debianBase); err != nil || b.digest != pushed {
		t.Errorf("the base of before: %v", err)
	}
	// The builder takes its bases from there as before, without the Hub.
	if _, err := h.solve("FROM debian:bookworm-slim\n", nil); err != nil {
		t.Errorf("a build from the base of before: %v", err)
	}
	pids := func() string { return fmt.Sprint(h.state.Processes[0].PID, h.state.Processes[1].PID) }
	before := pids()
	if err := errors.Join(h.ensureRegistry(t.Context(), f, p), h.ensureBuilder(t.Context(), f, p)); err != nil || pids() != before {
		t.Errorf("a second setup: %v, processes %s and %s", err, before, pids())
	}
}
