//go:build integration && linux

package enginetest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/moby/api/types/container"
	moby "github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest/current"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// TestMain is also the process that starts an engine and is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ENGINETEST_HOLD"); dir != "" {
		_, err := current.Start(context.Background(), current.Options{Dir: dir})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600)
		}
		if err != nil {
			println(err.Error())
			os.Exit(1)
		}
		select {}
	}
	os.Exit(m.Run())
}

func registry(t *testing.T) string {
	t.Helper()
	address := os.Getenv(verify.RegistryVariable)
	if address == "" {
		t.Fatalf("integration tests need a registry in %s", verify.RegistryVariable)
	}
	return address
}

// firewall is the machine's rules, less those of other current engines: tests of other packages may run some.
func firewall(t *testing.T, own string) string {
	t.Helper()
	var all strings.Builder
	for _, table := range []string{"filter", "nat"} {
		out, err := exec.Command("iptables", "-w", "-t", table, "-S").Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, current.LinkPrefix) || strings.Contains(line, current.Link(own)) {
				all.WriteString(line)
			}
		}
	}
	return all.String()
}

// using lists the processes whose command line names dir.
func using(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if line, err := os.ReadFile(f); err == nil && strings.Contains(string(line), dir) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// mounted lists the mounts that this process sees below dir.
func mounted(t *testing.T, dir string) []string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, dir) {
			found = append(found, line)
		}
	}
	return found
}

// A step of a build reaches the registry's image and a network, the result is in the engine, and a container of it
// runs.
func TestIntegrationCurrentEngineBuildsAndRuns(t *testing.T) {
	e := Current(t, registry(t))
	if !e.ContainerdStore() {
		t.Errorf("driver %v: images are not in containerd's store", e.Info.DriverStatus)
	}
	c, err := client.New(t.Context(), "", client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn,
		error,
	) {
		return e.DialHijack(ctx, "/grpc", "h2c", nil)
	}), client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
		return e.DialHijack(ctx, "/session", proto, meta)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const script = `sh -c "grep -q eth0 /proc/net/route && touch /built"`
	step := llb.Image("docker.io/library/debian:bookworm-slim").Run(llb.Shlex(script))
	graph, err := step.Root().Marshal(t.Context(), llb.LinuxAmd64)
	if err != nil {
		t.Fatal(err)
	}
	name := "docker.io/library/current-test:latest"
	_, err = c.Solve(t.Context(), graph, client.SolveOpt{
		Exports: []client.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": name}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// No Entrypoint: the image came without a configuration, and the engine would miss a command.
	id := Container(t, e, "current-test", &container.Config{
		Image: name,
		Cmd:   []string{"sh", "-c", "test -e /built && exec sleep 60"},
	},
		&container.HostConfig{NetworkMode: "bridge"}, true)
	time.Sleep(200 * time.Millisecond)
	got, err := e.ContainerInspect(t.Context(), id, moby.ContainerInspectOptions{})
	if err != nil || !got.Container.State.Running {
		t.Errorf("the container does not run: %+v, %v", got.Container.State, err)
	}
}

// The machine's own engine and network are as before, while the other runs and after it.
func TestIntegrationCurrentEngineLeavesNothing(t *testing.T) {
	host := Connect(t)
	dir := t.TempDir()
	before, links := firewall(t, dir), interfaces(t, dir)
	e, err := current.Start(t.Context(), current.Options{Dir: dir, Registry: registry(t)})
	if err != nil {
		t.Fatal(err)
	}
	if len(using(t, dir)) == 0 {
		t.Error("no process names the directory: the test shows nothing")
	}
	if firewall(t, dir) == before || interfaces(t, dir) == links {
		t.Error("neither rules nor interfaces differ while it runs: the test shows nothing")
	}
	if m := mounted(t, dir); len(m) > 0 {
		t.Errorf("it mounts outside its namespace: %v", m)
	}
	if _, err := current.Start(t.Context(), current.Options{Dir: dir}); err == nil ||
		!strings.Contains(err.Error(), "another process") {
		t.Errorf("a second one in the same directory: %v", err)
	}
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
	if err := e.Stop(); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if left := using(t, dir); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	if after := firewall(t, dir); after != before {
		t.Errorf("rules before:\n%s\nafter:\n%s", before, after)
	}
	if after := interfaces(t, dir); after != links {
		t.Errorf("interfaces before: %s, after: %s", links, after)
	}
	if _, err := host.Ping(t.Context(), moby.PingOptions{}); err != nil {
		t.Errorf("the machine's engine: %v", err)
	}
}

// A test that is killed leaves no process, and who comes next in the directory cleans up the rest.
func TestIntegrationCurrentEngineEndsWithItsStarter(t *testing.T) {
	dir := t.TempDir()
	before := firewall(t, dir)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ENGINETEST_HOLD="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	Until(t, 2*time.Minute, "the engine is ready", func() bool {
		_,
			err := os.Stat(filepath.Join(dir, "ready"))
		return err == nil
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	Until(t, 10*time.Second, "its processes have ended", func() bool { return len(using(t, dir)) == 0 })
	e, err := current.Start(t.Context(), current.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
	if after := firewall(t, dir); after != before {
		t.Errorf("rules before:\n%s\nafter:\n%s", before, after)
	}
}

func interfaces(t *testing.T, own string) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range all {
		if !strings.HasPrefix(i.Name, current.LinkPrefix) || i.Name == current.Link(own) {
			names = append(names, i.Name)
		}
	}
	return strings.Join(names, " ")
}
