package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/magefile/mage/mage"
	"github.com/magefile/mage/mg"
)

// magefile writes a repository with one magefile of this text, and gives the magefile's path.
func magefile(t *testing.T, text string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), mage.MagefilesDirName)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "magefile.go")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const plain = "//go:build mage\n\npackage main\n"

func TestMagefilesAreThoseThatMageFinds(t *testing.T) {
	path := magefile(t, plain)
	root := filepath.Dir(filepath.Dir(path))
	if got := magefiles(mage.Invocation{Dir: root}); len(got) != 1 || got[0] != path {
		t.Errorf("in a folder: %v, want %s", got, path)
	}
	beside := filepath.Join(root, "only.go")
	if err := os.WriteFile(beside, []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if got := magefiles(mage.Invocation{Dir: root}); len(got) != 1 || got[0] != beside {
		t.Errorf("in the root: %v, want %s", got, beside)
	}
	if got := magefiles(mage.Invocation{Dir: filepath.Join(root, "nosuch")}); got != nil {
		t.Errorf("of no directory: %v", got)
	}
}

// Without the package that looks at the sources, Mage has to ask Go at each run: old targets would run.
func TestOnlyPositionalMakesOldProgramsSafe(t *testing.T) {
	with := magefile(t, plain+"\nimport _ "+positional+"\n")
	if !looksAtSources([]string{with}) || looksAtSources([]string{magefile(t, plain)}) {
		t.Error("the import of positional is not told from its lack")
	}
	own, err := filepath.Glob(filepath.Join("..", "..", "magefiles", "*.go"))
	if err != nil || !looksAtSources(own) {
		t.Errorf("this repository's magefiles %v don't import it: %v", own, err)
	}
}

func TestWorkspacesAreAskedForAtEachRun(t *testing.T) {
	path := magefile(t, plain)
	for setting, want := range map[string]bool{"": false, "off": false, "/elsewhere/go.work": true} {
		t.Setenv("GOWORK", setting)
		if got := inWorkspace([]string{path}); got != want {
			t.Errorf("GOWORK=%s: %t, want %t", setting, got, want)
		}
	}
	t.Setenv("GOWORK", "")
	work := filepath.Join(filepath.Dir(filepath.Dir(path)), "go.work")
	if err := os.WriteFile(work, []byte("go 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !inWorkspace([]string{path}) {
		t.Error("a go.work above the magefiles is not seen")
	}
}

// Two checkouts of one repository have the same magefile and other packages: neither may run the other's program.
func TestCheckoutsHaveProgramsOfTheirOwn(t *testing.T) {
	one, other := magefile(t, plain), magefile(t, plain)
	caches := map[string]bool{}
	for _, path := range []string{one, other, one} {
		t.Setenv(mg.CacheEnv, "")
		ownCache([]string{path})
		caches[mg.CacheDir()] = true
	}
	if len(caches) != 2 {
		t.Errorf("two checkouts have %d caches: %v", len(caches), caches)
	}
	t.Setenv(mg.CacheEnv, "/mine")
	if ownCache([]string{one}); mg.CacheDir() != "/mine" {
		t.Errorf("a cache that was chosen became %s", mg.CacheDir())
	}
}

func TestWhatIsCompiledIsNotAnnounced(t *testing.T) {
	path := magefile(t, plain)
	t.Setenv(mg.CacheEnv, t.TempDir())
	if compiled(mage.Invocation{}, []string{path}) {
		t.Error("nothing was compiled, and it says so")
	}
	program, err := mage.ExeName("go", mg.CacheDir(), []string{path})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if !compiled(mage.Invocation{}, []string{path}) || !compiled(mage.Invocation{}, nil) {
		t.Error("it is compiled, or there is nothing to compile, and is said not to be")
	}
}
