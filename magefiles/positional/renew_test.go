package positional

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestStaleSeesWhatTargetsAreCompiledFrom(t *testing.T) {
	files := map[string]string{
		"go.mod": "module m\nreplace other => ./lib\n", "go.sum": "", "lib/x.go": "package x\n",
		"magefiles/magefile.go": "package main\n", "services/x/main.go": "package main\n",
		"internal/a/b.go":      "package a\n\n//go:embed page.html \"all:static\" t*.txt\nvar files embed.FS\n",
		"internal/a/b_test.go": "package a\n", "internal/a/page.html": "", "internal/a/static/deep/x.css": "",
		"internal/a/text.txt": "", "internal/a/other.md": "", "docs/x.md": "", "program": "",
	}
	written := func(t *testing.T) (root, dir string) {
		t.Helper()
		root, dir = t.TempDir(), t.TempDir()
		for name, text := range files {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			at := time.Now().Add(-2 * time.Hour)
			if name == "program" {
				at = at.Add(time.Hour)
			}
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		if stale(filepath.Join(root, "magefiles"), filepath.Join(root, "program"), dir) { // its first run
			t.Fatal("stale at once")
		}
		return root, dir
	}
	for name, want := range map[string]bool{
		"go.mod": true, "go.sum": true, "magefiles/magefile.go": true, "internal/a/b.go": true, "lib/x.go": true,
		"internal/a/page.html": true, "internal/a/static/deep/x.css": true, "internal/a/text.txt": true,
		"internal/a/b_test.go": false, "internal/a/other.md": false, "docs/x.md": false, "services/x/main.go": false,
	} {
		for what, change := range map[string]func(string) error{
			"edited": func(path string) error { return os.Chtimes(path, time.Now(), time.Now()) }, "removed": os.Remove,
		} {
			root, dir := written(t)
			if err := change(filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
			if got := stale(filepath.Join(root, "magefiles"), filepath.Join(root, "program"), dir); got != want {
				t.Errorf("%q was %s: stale is %t", name, what, got)
			}
		}
	}
	root, dir := written(t)
	old := filepath.Join(root, "internal/a/new.go") // as a pull may bring one, with an old time
	if err := os.WriteFile(old, []byte("package a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(old, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(root, "program")
	if !stale(filepath.Join(root, "magefiles"), program, dir) {
		t.Error("a new source of an old time goes unseen")
	}
	if err := os.Chtimes(program, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if stale(filepath.Join(root, "magefiles"), program, dir) {
			t.Error("stale after it was compiled again")
		}
	}
}

func TestPlacesOfAMagefile(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.mod"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		filepath.Join(root, "magefiles"): root, root: root, "magefiles": ".", "": ".",
	} {
		if got := above(dir, "go.mod"); got != want {
			t.Errorf("%q is in the module %q, want %q", dir, got, want)
		}
	}
	for dir, want := range map[string]string{filepath.Join(root, "magefiles"): root, root: root} {
		if got := mageRunsIn(dir); got != want {
			t.Errorf("Mage finds %q from %q, want %q", dir, got, want)
		}
	}
}

// A Mage that a target runs, as our own tests do, has its own cache and asks Go.
func TestWhatOurMageHasSetEndsHere(t *testing.T) {
	t.Setenv(setVariable, "MAGEFILE_HASHFAST MAGEFILE_CACHE")
	t.Setenv("MAGEFILE_HASHFAST", "1")
	t.Setenv("MAGEFILE_CACHE", "/ours")
	t.Setenv("MAGEFILE_VERBOSE", "1")
	unsetOurs()
	for name, want := range map[string]string{
		setVariable: "", "MAGEFILE_HASHFAST": "", "MAGEFILE_CACHE": "", "MAGEFILE_VERBOSE": "1",
	} {
		if got := os.Getenv(name); got != want {
			t.Errorf("%s=%s, want %q", name, got, want)
		}
	}
}
