package provision

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/docker/bases"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/stepnet"
)

// The copies exist because who imports this module has no tools folder; `go generate` makes them equal again.
func TestEmbeddedToolsEqualToolsModule(t *testing.T) {
	for name, embedded := range map[string][]byte{"go.mod": toolsMod, "go.sum": toolsSum} {
		if !bytes.Equal(read(t, filepath.Join("../../tools", name)), embedded) {
			t.Errorf("tools/%s has changed: run go generate ./internal/provision", name)
		}
	}
	if !strings.Contains(string(toolsMod), "github.com/moby/buildkit "+strings.TrimPrefix(BuilderImage, "moby/buildkit:")+" ") {
		t.Errorf("the builder's container runs %s, and tools/go.mod pins another", BuilderImage)
	}
}

func TestProgramsAreLinkedWithTheirVersions(t *testing.T) {
	flags, err := linkFlags(toolsMod)
	if err != nil {
		t.Fatal(err)
	}
	buildkit := "-X github.com/moby/buildkit/version.Version=" + strings.TrimPrefix(BuilderImage, "moby/buildkit:")
	if !strings.Contains(flags, buildkit+" ") || strings.Count(flags, "-X ") != 2 {
		t.Errorf("got %q, want the versions of buildkitd and registry, and %q", flags, buildkit)
	}
	if _, err := linkFlags([]byte("no go.mod")); err == nil {
		t.Error("took what is no go.mod")
	}
}

func TestProgramIsStaleUntilBuiltFromTheseVersions(t *testing.T) {
	s := &setup{dir: t.TempDir()}
	stale := func() string {
		names, err := s.stalePrograms(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(names, " ")
	}
	if got := stale(); got != "registry buildkitd bridge loopback host-local" {
		t.Errorf("nothing built: got %q", got)
	}
	write(t, s.bin("registry"), "program")
	if got := stale(); got != "registry buildkitd bridge loopback host-local" {
		t.Errorf("killed before the stamp was written: got %q", got)
	}
	write(t, s.bin("registry")+".stamp", s.stamp)
	if got := stale(); got != "buildkitd bridge loopback host-local" {
		t.Errorf("one built: got %q", got)
	}
	write(t, s.bin("registry")+".stamp", "older versions")
	if got := stale(); got != "registry buildkitd bridge loopback host-local" {
		t.Errorf("older versions: got %q", got)
	}
}

func TestRecipesAreEmbedded(t *testing.T) {
	for _, name := range []string{"debian-rootfs.sh", "debian.Dockerfile", "golang.Dockerfile"} {
		if data, err := bases.Files.ReadFile(name); err != nil || len(data) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
}

func TestOnlyOurOwnOlderImageIsReplaced(t *testing.T) {
	const ours, earlier = "127.0.0.1:5001/library/debian@sha256:old", "127.0.0.1:5000/library/debian@sha256:old"
	s := &setup{earlier: "127.0.0.1:5000", state: State{Loaded: map[string]string{debianBase: "loaded before"}}}
	now := registry.Image{Registry: registry.Open("", "127.0.0.1:5001"), Name: debianBase, Digest: "manifest"}
	now.Manifest.Config.Digest = "config"
	for _, c := range []struct {
		id      string
		digests []string
		want    bool
	}{
		{"loaded before", nil, true},
		{"pulled by an earlier setup", []string{earlier}, true},
		{"pulled", []string{ours}, true},
		{"config", []string{earlier}, false},
		{"manifest", nil, false},
		{"the user's", nil, false},
		{"the Hub's", []string{"debian@sha256:hub"}, false},
		{"another registry's", []string{"127.0.0.1:5002/library/debian@sha256:old"}, false},
	} {
		if got := s.outdated(c.id, c.digests, now); got != c.want {
			t.Errorf("%s: got %v, want %v", c.id, got, c.want)
		}
	}
}

// Another program on the first port moves the registry to the next, be it a registry itself, and be it the port of earlier runs: who
// takes it while ours is down must not be taken for ours.
func TestRegistryTakesNoPortOnWhichOthersListen(t *testing.T) {
	squatter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	}))
	defer squatter.Close()
	address := strings.TrimPrefix(squatter.URL, "http://")
	t.Setenv(PortVariable, address[strings.LastIndexByte(address, ':')+1:])
	s := &setup{dir: t.TempDir()}
	for _, earlier := range []string{"", address} {
		s.state.Registry, s.taken = earlier, nil
		addr, err := s.registryAddress(t.Context())
		if err != nil || addr == address || !slices.Equal(s.taken, []string{address}) {
			t.Errorf("earlier %q: got %q, %v, taken %v, with a registry of others at %s", earlier, addr, err, s.taken, address)
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
	s := &setup{dir: t.TempDir()}
	f, p := facts{registry: "127.0.0.1:5000"}, plan{registry: start}
	network := &stepnet.Network{Bridge: "cm0"}
	text, err := s.buildkitdConfig(f, p, "/state/buildkit", "/usr/sbin/runc", network)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\ninsecure-entitlements = [\"network.host\"]\nroot = \"/state/buildkit\"", `binary = "/usr/sbin/runc"`, `networkMode = "cni"`,
		"[registry.\"docker.io\"]\n  mirrors = [\"127.0.0.1:5000\"]",
		// Without these BuildKit speaks plain HTTP to whoever listens there.
		"[registry.\"127.0.0.1:5000\"]\n  http = false\n  insecure = false\n  ca = [\"" + s.dir + "/registry-keys/ca.pem\"]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if text, err = s.buildkitdConfig(f, p, "/state/buildkit", "", nil); err != nil || !strings.Contains(text, `networkMode = "host"`) {
		t.Errorf("without a network: %v\n%s", err, text)
	}
	f.hub = true
	if text, err = s.buildkitdConfig(f, p, "", "", nil); err != nil || strings.Contains(text, "docker.io") || strings.Contains(text, "root =") {
		t.Errorf("with the Hub and in a container: %v\n%s", err, text)
	}
	s.mirror = "http://mirror.example:80"
	if text, err = s.buildkitdConfig(f, p, "", "", nil); err != nil ||
		!strings.Contains(text, "mirrors = [\"mirror.example:80\"]") || !strings.Contains(text, "[registry.\"mirror.example:80\"]\n  http = true") {
		t.Errorf("with a mirror of the engine's: %v\n%s", err, text)
	}
}

func TestTooLittleDisk(t *testing.T) {
	s := &setup{dir: t.TempDir()}
	if err := s.checkDisk(1); err != nil {
		t.Error(err)
	}
	if err := s.checkDisk(1 << 60); err == nil || !strings.Contains(err.Error(), s.dir) {
		t.Errorf("got %v, want an error that names %s", err, s.dir)
	}
}

func TestSourceCA(t *testing.T) {
	own := filepath.Join(t.TempDir(), "ca.pem")
	write(t, own, "pem")
	t.Setenv("SSL_CERT_FILE", own)
	if got := SourceCA(); got != own {
		t.Errorf("got %q, want SSL_CERT_FILE", got)
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(t.TempDir(), "missing"))
	if got := SourceCA(); got != "" {
		if _, err := os.Stat(got); err != nil {
			t.Errorf("got %q, which is not there", got)
		}
	}
}
