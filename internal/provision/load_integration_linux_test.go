//go:build integration

package provision

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/baseimages"
	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	testprograms "github.com/25eloquence/compose-mage/internal/pinned"
)

// The engine is given the bases, not an address to ask for them: docker compose build and docker build find them by
// their usual names, and no registry is asked.
func TestIntegrationPlainDockerComposeFindsTheBases(t *testing.T) {
	h := newTrusting(t, "")
	f, _ := h.provision()
	e, err := engine.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("base%d:1", time.Now().UnixNano()) // of no registry
	repository, _, _ := strings.Cut(name, ":")
	remove := func(images ...string) {
		for _, image := range images {
			_, _ = e.ImageRemove(context.Background(), image, client.ImageRemoveOptions{Force: true})
		}
	}
	t.Cleanup(func() { remove(repository+"-app", name) })
	dir := t.TempDir()
	write(t, filepath.Join(dir, "one"), "one")
	write(t, filepath.Join(dir, "two"), "two")
	write(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY one /\nCOPY two /\nENV OF=base\n")
	base := baseimages.Recipe{Builder: h.state.Builder, Dir: dir, File: "Dockerfile", Image: f.registry +
		"/library/" + name, Contexts: map[string]string{"context": dir}}
	pushed, err := base.Push(t.Context(), func(string) {})
	if err == nil {
		err = baseimages.Lock(h.dir, name, pushed)
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.bases(f).Pushed(t.Context(), name)
	if err == nil {
		err = baseimages.Load(t.Context(), e, b)
	}
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := e.ImageInspect(t.Context(), name)
	if err != nil || !slices.Contains(b.IDs(), loaded.ID) || h.bases(f).IsOutdated(loaded.ID, nil, b) ||
		len(loaded.RootFS.Layers) != 2 {
		t.Fatalf("the engine has %+v, %v; want one of %v", loaded, err, b.IDs())
	}
	app := t.TempDir()
	write(t, filepath.Join(app, "Dockerfile"), "FROM "+name+"\nCOPY Dockerfile /\n")
	write(t, filepath.Join(app, "compose.yaml"), "name: "+repository+"\nservices: {app: {build: .}}\n")
	compose, err := testprograms.Build(t.Context(), "docker-compose")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(compose[0], "build")
	cmd.Dir, cmd.Env = app, append(os.Environ(), "DOCKER_BUILDKIT=0", "DOCKER_HOST="+e.Host)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("docker compose build: %v\n%s", err, out)
	}
	own, err := builder.ConnectEngine(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if _, err := h.solveOn(own.Client, "FROM "+name+"\nCOPY Dockerfile /\n", nil); err != nil {
		t.Errorf("the engine's own BuildKit: %v", err)
	}
	built, err := e.ImageInspect(t.Context(), repository+"-app")
	if err != nil || len(built.RootFS.Layers) != 3 || built.Config == nil ||
		!slices.Contains(built.Config.Env, "OF=base") {
		t.Errorf("docker compose built %+v, %v", built.RootFS, err)
	}
	// A layer that is another than the manifest says does not get into the engine.
	b.Manifest.Layers[0].Size--
	remove(repository+"-app", name)
	var known *fault.Error
	if err := baseimages.Load(t.Context(), e, b); !errors.As(err, &known) || known.Code != fault.Registry ||
		!strings.Contains(err.Error(), "something else") {
		t.Errorf("a layer that was cut short: %v", err)
	}
}

// What a container publishes, on all interfaces or on the loopback, is out of a build step's reach by each of the
// machine's addresses and by the container's own: refused, not left unanswered.
func TestIntegrationBuildStepsReachNoPublishedService(t *testing.T) {
	h := newTrusting(t, "")
	h.provision()
	e, err := engine.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := importProgram(t, e, h.stranger, fmt.Sprintf("published%d:1", time.Now().UnixNano()))
	t.Cleanup(func() { _, _ = e.ImageRemove(context.Background(), name, client.ImageRemoveOptions{Force: true}) })
	port := network.MustParsePort("80/tcp")
	c, err := e.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config: &container.Config{
			Image: name, Cmd: []string{"/stranger", "squat", "0.0.0.0:80", "plain"},
			ExposedPorts: network.PortSet{port: {}},
		},
		HostConfig: &container.HostConfig{PortBindings: network.PortMap{port: {
			{HostIP: netip.MustParseAddr("0.0.0.0")}, {HostIP: netip.MustParseAddr("127.0.0.1")},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = e.ContainerRemove(context.Background(), c.ID,
			client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	})
	if _, err := e.ContainerStart(t.Context(), c.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	seen, err := e.ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own := seen.Container.NetworkSettings.Networks["bridge"].IPAddress.String() + ":80"
	targets := []string{own}
	for _, b := range seen.Container.NetworkSettings.Ports[port] {
		for _, address := range []string{
			"127.0.0.1", h.state.Network.Gateway.String(),
			seen.Container.NetworkSettings.Networks["bridge"].Gateway.String(),
		} {
			targets = append(targets, net.JoinHostPort(address, b.HostPort))
		}
	}
	var out string
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(out, "reached "+own) &&
		time.Now().Before(deadline); {
		out = h.asNobody(append([]string{"dial"}, targets...)...)
	}
	if !strings.Contains(out, "reached "+own) || len(targets) != 7 {
		t.Fatalf("nobody reaches the container itself, so this shows nothing:\n%s", out)
	}
	out, err = h.solve(fmt.Sprintf("FROM scratch\nCOPY stranger /\nRUN [\"/stranger\", \"dial\", \"%s\"]\n",
		strings.Join(targets, `", "`)), nil)
	if err != nil || strings.Contains(out, "reached") || strings.Contains(out, "timeout") ||
		strings.Count(out, "connection refused") != len(targets) {
		t.Errorf("a build step: %v\n%s", err, out)
	}
}
