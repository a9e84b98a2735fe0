package pinned

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// The copies exist because who imports this module has no tools folder; `go generate` makes them equal again.
func TestEmbeddedToolsEqualToolsModule(t *testing.T) {
	for name, embedded := range map[string][]byte{
		"go.mod": toolsMod, "go.sum": toolsSum,
		"registry/main.go": registryMain,
	} {
		if file, err := os.ReadFile(filepath.Join("../../tools", name)); err != nil || !bytes.Equal(file, embedded) {
			t.Errorf("tools/%s has changed: run go generate ./internal/pinned (%v)", name, err)
		}
	}
}

func TestProgramsAreLinkedWithTheirVersions(t *testing.T) {
	flags, err := linkFlags(toolsMod)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(flags, "-X github.com/moby/buildkit/version.Version=v") || strings.Count(flags, "-X ") != 2 {
		t.Errorf("got %q, want the versions of buildkitd and registry", flags)
	}
	if _, err := linkFlags([]byte("no go.mod")); err == nil {
		t.Error("took what is no go.mod")
	}
}

func TestProgramIsStaleUntilBuiltFromTheseVersions(t *testing.T) {
	dir := t.TempDir()
	s, err := ForSetup(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	want := func(state, want string) {
		t.Helper()
		if names, err := s.Stale(); err != nil || strings.Join(names, " ") != want {
			t.Errorf("%s: got %q, %v, want %q", state, names, err, want)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const all = "registry buildkitd bridge loopback host-local"
	want("nothing built", all)
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("registry", "program")
	want("killed before the stamp was written", all)
	write("registry.stamp", s.Stamp)
	want("one built", "buildkitd bridge loopback host-local")
	write("registry.stamp", "older versions")
	want("older versions", all)
}

// Another go.mod than the one that the module was released with is another version of all programs.
func TestAnotherToolsFolderIsAnotherStamp(t *testing.T) {
	tools := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": string(toolsMod) + "\n// another\n",
		"go.sum": string(toolsSum),
	} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	released, err := ForSetup(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if other, err := ForSetup(t.TempDir(), tools); err != nil || other.Stamp == released.Stamp {
		t.Errorf("the same stamp for other versions, %v", err)
	}
	if _, err := ForSetup("", filepath.Join(tools, "missing")); err == nil {
		t.Error("took a folder that is not there")
	}
}

// What two builds have in common is compiled once where they take the same versions of it: the targets and the
// programs that setup builds, in Go's cache, and the services and LiveKit's server, in the builder's.
func TestModulesThatAreBuiltTogetherHaveTheSameVersions(t *testing.T) {
	versions := func(path string) map[string]string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		file, err := modfile.Parse(path, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, r := range file.Require {
			all[r.Mod.Path] = r.Mod.Version
		}
		return all
	}
	for _, c := range [][2]string{{"go.mod", "tools/go.mod"}, {"services/go.mod", "services/livekit/go.mod"}} {
		one, two := versions(c[0]), versions(c[1])
		shared := 0
		for path, version := range one {
			other, ok := two[path]
			if !ok {
				continue
			}
			shared++
			if other != version {
				t.Errorf("%s is %s in %s and %s in %s: go get the newer one in both", path, version, c[0], other, c[1])
			}
		}
		if shared < 20 {
			t.Errorf("%s and %s share %d modules: the test shows nothing", c[0], c[1], shared)
		}
	}
}
