package provision

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// sleepingImage is an image with a program that sleeps, made without a registry.
func sleepingImage(t *testing.T, e *engine.Engine) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.go"),
		"package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(time.Hour) }\n")
	build := exec.Command("go", "build", "-o", "sleeper", "main.go")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return importProgram(t, e, filepath.Join(dir, "sleeper"), "sleeper:1")
}

// importProgram gives the engine an image of that name with a static program in its root.
func importProgram(t *testing.T, e *engine.Engine, path, name string) string {
	t.Helper()
	data := read(t, path)
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: filepath.Base(path), Mode: 0o755, Size: int64(len(data))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	answer, err := e.ImageImport(t.Context(), client.ImageImportSource{Source: &layer, SourceName: "-"}, name,
		client.ImageImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	var said bytes.Buffer
	if _, err := said.ReadFrom(answer); err != nil {
		t.Fatal(err)
	}
	return name
}

// An earlier setup gave the engine that it started a mirror on the loopback, where every user of the machine can
// listen. The next one takes it away, says which containers end with the engine, and starts them again.
func TestEngineLosesTheMirrorOfAnEarlierSetup(t *testing.T) {
	if os.Geteuid() != 0 || daemon.LookPath("dockerd") == "" {
		t.Skip("needs root and an installed dockerd")
	}
	ownNetwork(t)
	s := testSetup(t)
	said := &daemon.Tail{}
	s.out = ui.New(said)
	dir := s.dir
	socket := "unix://" + filepath.Join(dir, "docker.sock")
	t.Setenv("DOCKER_HOST", socket)
	s.dockerdArgs = []string{
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "docker.pid"), "-H", socket, "--bridge=none", "--iptables=false",
	}
	t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(dir, "data"), syscall.MNT_DETACH) })
	earlier := s.dockerd()
	earlier.Args = append(earlier.Args, "--registry-mirror", "http://127.0.0.1:5000")
	if err := earlier.Start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.engine, err = engine.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	image := sleepingImage(t, s.engine)
	for _, name := range []string{"runs", "stopped"} {
		c, err := s.engine.ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Name: name, Config: &container.Config{
				Image: image,
				Cmd:   []string{"/sleeper"},
			}, HostConfig: &container.HostConfig{NetworkMode: "none"},
		})
		if err == nil && name == "runs" {
			_, err = s.engine.ContainerStart(t.Context(), c.ID, client.ContainerStartOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f := facts{engine: socket, engineMirror: s.engineMirror()}
	if f.engineMirror != "http://127.0.0.1:5000" {
		t.Fatalf("the mirror of an earlier setup: %q", f.engineMirror)
	}
	if err := s.ensureEngine(t.Context(), f, plan{engine: restart}); err != nil {
		t.Fatal(err)
	}
	if mirrors := s.engine.Info.RegistryConfig.Mirrors; len(mirrors) > 0 || s.engineMirror() != "" {
		t.Errorf("it still has %v, %q", mirrors, s.engineMirror())
	}
	running, err := s.engine.ContainerList(t.Context(), client.ContainerListOptions{})
	if err != nil || strings.Join(containerNames(running.Items), " ") != "runs" {
		t.Errorf("running afterwards: %v, %v", containerNames(running.Items), err)
	}
	// A setup that was killed in between: the next one goes on.
	if _, err := s.engine.ContainerStop(t.Context(), "runs",
		client.ContainerStopOptions{Timeout: new(int)}); err != nil {
		t.Fatal(err)
	}
	s.state.StartAgain = []string{"gone", "runs"}
	if err := s.ensureEngine(t.Context(), f, plan{engine: found}); err != nil || len(s.state.StartAgain) > 0 {
		t.Errorf("after a kill: %v, still to start: %v", err, s.state.StartAgain)
	}
	if running, err = s.engine.ContainerList(t.Context(), client.ContainerListOptions{}); err != nil ||
		len(running.Items) != 1 {
		t.Errorf("running after a kill and another setup: %v, %v", containerNames(running.Items), err)
	}
	for _, want := range []string{"http://127.0.0.1:5000", "what runs ends with it and is started again: runs"} {
		if !strings.Contains(string(said.Bytes()), want) {
			t.Errorf("%q is not said:\n%s", want, said.Bytes())
		}
	}
	_, _ = s.engine.ContainerStop(t.Context(), "runs", client.ContainerStopOptions{Timeout: new(int)})
}
