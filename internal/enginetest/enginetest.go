// Package enginetest gives integration tests a real engine: a connection that fails the test where there is none, small
// images made on the spot, and containers, networks and volumes that are labelled as Compose labels them and removed at
// the end. Only tests import it.
package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// Connect gives the engine, and fails the test where none answers.
func Connect(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.Connect(context.Background())
	if err != nil {
		t.Fatalf("this test needs a Docker engine: %v", err)
	}
	return e
}

// Probe is the root file system that holds just the probe program, as a tar archive.
var Probe = sync.OnceValues(buildProbe)

// Image makes an image that holds just the probe program, with these labels (and one random byte string, so that each
// call makes another image), names it ref, and removes it when the test ends. It returns the image's ID.
func Image(t testing.TB, e *engine.Engine, ref string, labels map[string]string) string {
	t.Helper()
	program, err := Probe()
	if err != nil {
		t.Fatalf("building the probe: %v", err)
	}
	changes := []string{`ENTRYPOINT ["/probe"]`, `CMD ["sleep"]`, "LABEL made=" + time.Now().Format("150405.000000000")}
	for k, v := range labels {
		changes = append(changes, "LABEL "+k+"="+v)
	}
	r, err := e.ImageImport(t.Context(), client.ImageImportSource{Source: bytes.NewReader(program), SourceName: "-"},
		ref, client.ImageImportOptions{Changes: changes})
	if err != nil {
		t.Fatalf("importing %q: %v", ref, err)
	}
	_, _ = io.Copy(io.Discard, r)
	_ = r.Close()
	got, err := e.ImageInspect(t.Context(), ref)
	if err != nil {
		t.Fatalf("inspecting %q: %v", ref, err)
	}
	t.Cleanup(func() {
		_, _ = e.ImageRemove(context.Background(), got.ID, client.ImageRemoveOptions{Force: true})
	})
	return got.ID
}

// Labels are those that Compose gives a service's container; oneOff is "True" or "False".
func Labels(project, service, oneOff string) map[string]string {
	return map[string]string{
		"com.docker.compose.project": project, "com.docker.compose.service": service,
		"com.docker.compose.oneoff": oneOff, "com.docker.compose.container-number": "1",
		"com.docker.compose.config-hash": "0123",
	}
}

// Container creates a container (and starts it where start is set), to be removed when the test ends. It has no
// network unless host names one: the default bridge is everybody's. It returns the ID.
func Container(t testing.TB, e *engine.Engine, name string, cfg *container.Config, host *container.HostConfig,
	start bool,
) string {
	t.Helper()
	if host == nil {
		host = &container.HostConfig{}
	}
	if host.NetworkMode == "" {
		host.NetworkMode = "none"
	}
	// left by a test that was killed
	_, _ = e.ContainerRemove(t.Context(), name, client.ContainerRemoveOptions{Force: true})
	made, err := e.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: name, Config: cfg,
		HostConfig: host,
	})
	if err != nil {
		t.Fatalf("creating %q: %v", name, err)
	}
	t.Cleanup(func() {
		_, _ = e.ContainerRemove(context.Background(), made.ID, client.ContainerRemoveOptions{Force: true})
	})
	if start {
		if _, err := e.ContainerStart(t.Context(), made.ID, client.ContainerStartOptions{}); err != nil {
			t.Fatalf("starting %q: %v", name, err)
		}
	}
	return made.ID
}

// Network creates a bridge network, to be removed when the test ends. It returns the ID.
func Network(t testing.TB, e *engine.Engine, name string, labels map[string]string) string {
	t.Helper()
	_, _ = e.NetworkRemove(t.Context(), name, client.NetworkRemoveOptions{}) // left by a test that was killed
	made, err := e.NetworkCreate(t.Context(), name, client.NetworkCreateOptions{Labels: labels})
	if err != nil {
		t.Fatalf("creating network %q: %v", name, err)
	}
	t.Cleanup(func() { _, _ = e.NetworkRemove(context.Background(), made.ID, client.NetworkRemoveOptions{}) })
	return made.ID
}

// Until polls ok until it holds, and fails the test with what after limit.
func Until(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", limit, what)
		}
	}
}

// buildProbe compiles the probe for the engine's Linux and packs it as a root file system.
func buildProbe() ([]byte, error) {
	_, here, _, _ := runtime.Caller(0)
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "probe")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./probe")
	cmd.Dir = filepath.Dir(here)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(bin)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "probe", Mode: 0o755, Size: int64(len(data))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	return b.Bytes(), w.Close()
}
