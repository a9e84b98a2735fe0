//go:build integration

package provision

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/entitlements"

	"github.com/25eloquence/compose-mage/internal/baseimages"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
)

// Another user of the machine has a registry on the port before setup, asks setup's registry and writes to it, reads
// its keys, and takes its port while it is down. None of it gets him anything, or into a build.
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
	if f.registry == squatted || !strings.Contains(string(h.said.Bytes()),
		"something that setup did not start listens on "+squatted) {
		t.Errorf("with another's registry on %s setup took %s and said\n%s", squatted, f.registry, h.said.Bytes())
	}
	for _, asked := range early.requests() {
		if strings.Contains(asked, "manifests") {
			t.Errorf("the other's registry was asked for a base: %s", asked)
		}
	}
	keys := registry.IdentityIn(h.dir)
	if out := h.asNobody("read", keys.CA(), keys.ClientKey(), keys.ClientCert(), keys.ServerKey(),
		filepath.Join(h.dir, "registry.yaml"), filepath.Join(h.dir, "buildkitd.toml"), h.socket()); out != "" {
		t.Errorf("another user reads\n%s", out)
	}
	if out := h.asNobody("registry", f.registry); strings.Contains(out, "answered") ||
		strings.Count(out, "refused") != 21 {
		t.Errorf("the registry and another user:\n%s", out)
	}
	// What setup's own builder may: it fills the cache, and takes it.
	cached := func(opt *client.SolveOpt) {
		opt.CacheImports = []client.CacheOptionsEntry{{
			Type:  "registry",
			Attrs: map[string]string{"ref": f.registry + "/p/s:cache-main"},
		}}
		opt.CacheExports = []client.CacheOptionsEntry{{
			Type:  "registry",
			Attrs: map[string]string{"ref": f.registry + "/p/s:cache-main", "mode": "max"},
		}}
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
		if err := registry.Open(h.dir, f.registry).Answers(t.Context()); !registry.IsOtherServer(err) {
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
	if again.registry == f.registry || !strings.Contains(string(h.said.Bytes()), "listens on "+f.registry) {
		t.Errorf("with another on its port the registry is at %s; said\n%s", again.registry, h.said.Bytes())
	}
	if _, err := h.solve(dockerfile, func(opt *client.SolveOpt) {
		opt.Exports = []client.ExportEntry{{
			Type:  client.ExporterImage,
			Attrs: map[string]string{"name": again.registry + "/x/y:1", "push": "true"},
		}}
	}); err != nil {
		t.Errorf("pushing to it there: %v", err)
	}
}

// Somebody who has the keys (root, or setup's own user) may push; a base is not taken from there all the same.
func TestIntegrationABaseThatSetupDidNotPushIsRefused(t *testing.T) {
	h := newTrusting(t, "")
	f, _ := h.provision()
	push := func(text string) baseimages.Recipe {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY Dockerfile /"+text+"\n")
		return baseimages.Recipe{Builder: h.state.Builder, Dir: dir, File: "Dockerfile", Image: f.registry +
			"/library/" + baseimages.Debian, Contexts: map[string]string{"context": dir}}
	}
	was, err := push("one").Push(t.Context(), func(string) {})
	if err == nil {
		err = baseimages.Lock(h.dir, baseimages.Debian, was)
	}
	if err != nil {
		t.Fatal(err)
	}
	if b, err := h.bases(f).Pushed(t.Context(), baseimages.Debian); err != nil || b.Digest != was {
		t.Fatalf("what setup pushed: %v", err)
	}
	is, err := push("two").Push(t.Context(), func(string) {})
	if err != nil || is == was {
		t.Fatalf("%s, %v", is, err)
	}
	for name, ask := range map[string]func() error{
		"up":   func() error { _, err := h.bases(f).Pushed(t.Context(), baseimages.Debian); return err },
		"down": func() error { _, err := baseimages.Missing(h.dir, h.out); return err }, // it goes by the files
	} {
		var known *fault.Error
		if err := ask(); !errors.As(err, &known) || known.Code != fault.Registry ||
			!strings.Contains(err.Error(), fmt.Sprintf("it was %s, it is %s", was, is)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, _ := baseimages.Locked(h.dir, h.out).Digest(baseimages.Debian); d != was {
		t.Errorf("the lock followed: %s", d)
	}
}

// A build step reaches nothing of this machine: not the registry, not a service on the loopback or on all interfaces,
// by any of the machine's addresses. It reaches the proxies, and what the Compose file asks for.
func TestIntegrationBuildStepsReachNothingOfThisMachine(t *testing.T) {
	proxy, proxied := listen(t, "127.0.0.1:0")
	h := newTrusting(t, "http://127.0.0.1:"+proxy)
	f, _ := h.provision()
	if h.state.Network == nil {
		t.Fatalf("no network of their own:\n%s", h.said.Bytes())
	}
	loopback, reached := listen(t, "127.0.0.1:0")
	everywhere, reachedToo := listen(t, "0.0.0.0:0")
	six, reachedSix := listen(t, "[::]:0")
	gateway := h.state.Network.Gateway.String()
	targets := []string{
		f.registry, "127.0.0.1:" + loopback, gateway + ":" + loopback, "127.0.0.1:" + everywhere,
		gateway + ":" + everywhere,
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() != nil && !ip.IsLoopback() &&
			ip.String() != gateway && len(targets) < 10 {
			targets = append(targets, net.JoinHostPort(ip.String(), everywhere))
		}
	}
	if link := linkLocal(h.state.Network.Bridge); link != "" {
		targets = append(targets, "["+link+"%eth0]:"+six, "["+link+"%eth1]:"+six)
	}
	probe := func(targets ...string) string {
		return fmt.Sprintf("FROM scratch\nCOPY stranger /\nRUN [\"/stranger\", \"dial\", \"%s\"]\n",
			strings.Join(targets, `", "`))
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
	if _, err = h.solve(strings.Replace(probe("127.0.0.1:"+loopback), "RUN", "RUN --network=host", 1),
		nil); err == nil || reached() != 1 {
		t.Errorf("RUN --network=host without the Compose file's word: %v", err)
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
	r := baseimages.Recipe{Builder: h.state.Builder, Dir: dir, File: "Dockerfile", Image: addr + "/library/" +
		baseimages.Debian, Contexts: map[string]string{"context": dir}}
	pushed, err := r.Push(t.Context(), func(string) {})
	if err == nil {
		err = baseimages.Lock(h.dir, baseimages.Debian, pushed)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, p := h.provision()
	if f.registry != addr {
		t.Errorf("the registry moved from %s to %s", addr, f.registry)
	}
	for _, want := range []string{"the registry now answers only who has its keys", "rm -r " +
		filepath.Join(h.dir, "registry"), "build steps: a network of their own"} {
		if !strings.Contains(string(h.said.Bytes()), want) {
			t.Errorf("%q is not said:\n%s", want, h.said.Bytes())
		}
	}
	if out := h.asNobody("registry", addr); strings.Contains(out, "answered") {
		t.Errorf("the registry and another user:\n%s", out)
	}
	if b, err := h.bases(f).Pushed(t.Context(), baseimages.Debian); err != nil || b.Digest != pushed {
		t.Errorf("the base of before: %v", err)
	}
	// The builder takes its bases from there as before, without the Hub.
	if _, err := h.solve("FROM debian:bookworm-slim\n", nil); err != nil {
		t.Errorf("a build from the base of before: %v", err)
	}
	pids := func() string { return fmt.Sprint(h.state.Processes[0].PID, h.state.Processes[1].PID) }
	before := pids()
	if err := errors.Join(h.ensureRegistry(t.Context(), f, p), h.ensureBuilder(t.Context(), f, p)); err != nil ||
		pids() != before {
		t.Errorf("a second setup: %v, processes %s and %s", err, before, pids())
	}
}
