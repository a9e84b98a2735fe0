package provision

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/stepnet"
)

// The builder's container runs the version that setup would build.
func TestBuilderImageIsOfThePinnedVersion(t *testing.T) {
	mod, err := os.ReadFile("../../tools/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/moby/buildkit "+strings.TrimPrefix(BuilderImage,
		"moby/buildkit:")+" ") {
		t.Errorf("the builder's container runs %s, and tools/go.mod pins another", BuilderImage)
	}
}

// Another program on the first port moves the registry to the next, be it a registry itself, and be it the port of
// earlier runs: who takes it while ours is down must not be taken for ours.
func TestRegistryTakesNoPortOnWhichOthersListen(t *testing.T) {
	squatter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	}))
	defer squatter.Close()
	address := strings.TrimPrefix(squatter.URL, "http://")
	t.Setenv(PortVariable, address[strings.LastIndexByte(address, ':')+1:])
	s := testSetup(t)
	for _, earlier := range []string{"", address} {
		s.state.Registry, s.taken = earlier, nil
		addr, err := s.registryAddress(t.Context())
		if err != nil || addr == address || !slices.Equal(s.taken, []string{address}) {
			t.Errorf("earlier %q: got %q, %v, taken %v, with a registry of others at %s", earlier, addr, err, s.taken,
				address)
		}
	}
	s.state.Registry = "127.0.0.1:1"
	if addr, err := s.registryAddress(t.Context()); err != nil || addr != "127.0.0.1:1" {
		t.Errorf("got %q, %v: the port of earlier runs is not kept", addr, err)
	}
	t.Setenv(PortVariable, "x")
	s.state.Registry = ""
	if _, err := s.registryAddress(t.Context()); err == nil {
		t.Errorf("%s=x is accepted", PortVariable)
	}
}

func TestBuildkitdConfig(t *testing.T) {
	s := testSetup(t)
	f, p := facts{registry: "127.0.0.1:5000"}, plan{registry: start}
	network := &stepnet.Network{Bridge: "cm0"}
	text, err := s.buildkitdConfig(f, p, "/state/buildkit", "/usr/sbin/runc", network)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\ninsecure-entitlements = [\"network.host\"]\nroot = \"/state/buildkit\"", `binary = "/usr/sbin/runc"`,
		`networkMode = "cni"`,
		"[registry.\"docker.io\"]\n  mirrors = [\"127.0.0.1:5000\"]",
		// Without these BuildKit speaks plain HTTP to whoever listens there.
		"[registry.\"127.0.0.1:5000\"]\n  http = false\n  insecure = false\n  ca = [\"" + s.dir +
			"/registry-keys/ca.pem\"]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if text, err = s.buildkitdConfig(f, p, "/state/buildkit", "", nil); err != nil ||
		!strings.Contains(text, `networkMode = "host"`) {
		t.Errorf("without a network: %v\n%s", err, text)
	}
	f.hub = true
	if text, err = s.buildkitdConfig(f, p, "", "", nil); err != nil || strings.Contains(text, "docker.io") ||
		strings.Contains(text, "root =") {
		t.Errorf("with the Hub and in a container: %v\n%s", err, text)
	}
	s.mirror = "http://mirror.example:80"
	if text, err = s.buildkitdConfig(f, p, "", "", nil); err != nil ||
		!strings.Contains(text, "mirrors = [\"mirror.example:80\"]") ||
		!strings.Contains(text, "[registry.\"mirror.example:80\"]\n  http = true") {
		t.Errorf("with a mirror of the engine's: %v\n%s", err, text)
	}
}

func TestTooLittleDisk(t *testing.T) {
	s := testSetup(t)
	if err := s.checkDisk(1); err != nil {
		t.Error(err)
	}
	if err := s.checkDisk(1 << 60); err == nil || !strings.Contains(err.Error(), s.dir) {
		t.Errorf("got %v, want an error that names %s", err, s.dir)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
