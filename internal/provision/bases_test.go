package provision

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/docker/bases"
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
	if !strings.Contains(flags, buildkit+" ") || strings.Count(flags, "-X ") != len(programs) {
		t.Errorf("got %q, want a version for each of %d programs and %q", flags, len(programs), buildkit)
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
	if got := stale(); got != "registry buildkitd" {
		t.Errorf("nothing built: got %q", got)
	}
	write(t, s.bin("registry"), "program")
	if got := stale(); got != "registry buildkitd" {
		t.Errorf("killed before the stamp was written: got %q", got)
	}
	write(t, s.bin("registry")+".stamp", s.stamp)
	if got := stale(); got != "buildkitd" {
		t.Errorf("one built: got %q", got)
	}
	write(t, s.bin("registry")+".stamp", "older versions")
	if got := stale(); got != "registry buildkitd" {
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
	const repository, digest = "127.0.0.1:5000/library/debian", "sha256:new"
	for want, cases := range map[bool][][]string{
		true:  {{repository + "@sha256:old"}},
		false: {nil, {"debian@sha256:hub"}, {repository + "@sha256:new"}, {repository + "@sha256:old", repository + "@sha256:new"}},
	} {
		for _, digests := range cases {
			if got := outdated(digests, repository, digest); got != want {
				t.Errorf("%v: got %v, want %v", digests, got, want)
			}
		}
	}
}

func TestRegistryIsTakenForOneOnlyIfItAnswersAsOne(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		status int
		want   bool
	}{
		"registry":     {"registry/2.0", 200, true},
		"web server":   {"", 200, false},
		"with a login": {"registry/2.0", 401, false},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Docker-Distribution-Api-Version", c.header)
			w.WriteHeader(c.status)
		}))
		if got := registryReady(strings.TrimPrefix(srv.URL, "http://"))(context.Background()) == nil; got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
		srv.Close()
	}
}

// Another program on the first port moves the registry to the next.
func TestRegistryAvoidsTakenPorts(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	taken := srv.URL[strings.LastIndexByte(srv.URL, ':')+1:]
	t.Setenv(PortVariable, taken)
	s := &setup{dir: t.TempDir()}
	addr, answering, err := s.registryAddress(t.Context())
	if err != nil || answering || strings.HasSuffix(addr, ":"+taken) {
		t.Errorf("got %q, %v, %v with port %s taken", addr, answering, err, taken)
	}
	s.state.Registry = "127.0.0.1:1"
	if addr, _, err := s.registryAddress(t.Context()); err != nil || addr != "127.0.0.1:1" {
		t.Errorf("got %q, %v: the port of earlier runs is not kept", addr, err)
	}
	t.Setenv(PortVariable, "x")
	s.state.Registry = ""
	if _, _, err := s.registryAddress(t.Context()); err == nil {
		t.Errorf("%s=x is accepted", PortVariable)
	}
}

func TestBuildkitdConfig(t *testing.T) {
	s := &setup{dir: t.TempDir()}
	f, p := facts{registry: "127.0.0.1:5000"}, plan{registry: start}
	text, err := s.buildkitdConfig(f, p, "/state/buildkit", "/usr/sbin/runc")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\ninsecure-entitlements = [\"network.host\"]\nroot = \"/state/buildkit\"", `binary = "/usr/sbin/runc"`, `networkMode = "host"`,
		"[registry.\"docker.io\"]\n  mirrors = [\"127.0.0.1:5000\"]", "[registry.\"127.0.0.1:5000\"]\n  http = true",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	f.hub = true
	if text, err = s.buildkitdConfig(f, p, "", ""); err != nil || strings.Contains(text, "docker.io") || strings.Contains(text, "root =") {
		t.Errorf("with the Hub and in a container: %v\n%s", err, text)
	}
	s.mirror = "http://mirror.example:80"
	if text, err = s.buildkitdConfig(f, p, "", ""); err != nil ||
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
