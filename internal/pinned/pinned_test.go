package pinned

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A program whose module no longer pins it would be found missing only in the middle of a bench.
func TestEveryProgramIsPinned(t *testing.T) {
	for name, p := range programs {
		version, err := Version(t.Context(), name)
		if err != nil || !strings.HasPrefix(version, "v") {
			t.Errorf("%s: version %q, %v", name, version, err)
		}
		dir, err := p.directory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.pkg, "./") {
			continue // ours, which tidy sees
		}
		if !strings.Contains(string(mod), "\t"+p.module+"/"+p.pkg+"\n") &&
			!strings.Contains(string(mod), "tool "+p.module+"/"+p.pkg+"\n") {
			t.Errorf("%s: %s/go.mod has no tool line for %s/%s, so that go mod tidy drops it", name, dir, p.module,
				p.pkg)
		}
	}
}

func TestBuildIsDoneOnce(t *testing.T) {
	t.Setenv("GOCACHE", goCache(t))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	paths, err := Build(t.Context(), "docker-proxy") // the smallest
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.Stat(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if first.Mode()&0o111 == 0 || filepath.Base(paths[0]) != "docker-proxy" {
		t.Errorf("%s has mode %s", paths[0], first.Mode())
	}
	if _, err := Build(t.Context(), "docker-proxy"); err != nil {
		t.Fatal(err)
	}
	if second, err := os.Stat(paths[0]); err != nil || !os.SameFile(first, second) {
		t.Errorf("it was built twice (%v)", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(paths[0]), ".build-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnknownProgramIsAnError(t *testing.T) {
	if _, err := Build(t.Context(), "nosuch"); err == nil || !strings.Contains(err.Error(), `"nosuch"`) {
		t.Errorf("got %v", err)
	}
	if _, err := Version(t.Context(), "nosuch"); err == nil {
		t.Error("the version of an unknown program is no error")
	}
}

// goCache is the build cache in use, which XDG_CACHE_HOME would move.
func goCache(t *testing.T) string {
	t.Helper()
	dir, err := goCommand(t.Context(), ".", "env", "GOCACHE")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
