package provision

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/confined"

	"github.com/25eloquence/compose-mage/internal/ui"
)

func TestGenerate(t *testing.T) {
	for template, want := range map[string]string{
		"":                     `^$`,
		"plain":                `^plain$`,
		"{hex:32}":             `^[0-9a-f]{64}$`,
		"API{hex:6}: {hex:32}": `^API[0-9a-f]{12}: [0-9a-f]{64}$`,
	} {
		got, err := generate(template)
		if err != nil || !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%q: got %q, %v, want %s", template, got, err, want)
		}
	}
	for _, template := range []string{"{hex:0}", "{hex:x}", "{hex}", "{hex:-1}", "{hex:1025}", "{uuid}", "{}"} {
		if got, err := generate(template); err == nil {
			t.Errorf("%q: got %q, want an error", template, got)
		}
	}
	one, _ := generate("{hex:32}")
	two, _ := generate("{hex:32}")
	if one == two {
		t.Error("two secrets are the same")
	}
}

// project is a project in dir with one secret for each name.
func project(dir string, names ...string) *types.Project {
	p := &types.Project{WorkingDir: dir, ComposeFiles: []string{filepath.Join(dir, "compose.yaml")}, Secrets: types.Secrets{}}
	for _, name := range names {
		p.Secrets[name] = types.SecretConfig{File: filepath.Join(dir, "secrets", name), Extensions: generated("{hex:8}")}
	}
	return p
}

func TestProjectFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".env.example"), "COMPOSE_PROFILES=agent-v1")
	p := project(dir, "made", "kept")
	p.Secrets["elsewhere"] = types.SecretConfig{File: filepath.Join(dir, "secrets", "elsewhere")}
	p.Secrets["external"] = types.SecretConfig{External: true, Extensions: generated("x")}
	write(t, filepath.Join(dir, "secrets", "kept"), "mine")
	s := &setup{dir: dir, out: ui.New(&tailBuffer{})}
	var before []byte
	for run := range 2 {
		if err := s.ensureProject(p); err != nil {
			t.Fatal(err)
		}
		if got := read(t, filepath.Join(dir, "secrets", "kept")); string(got) != "mine" {
			t.Errorf("run %d: a secret that was there is now %q", run, got)
		}
		got := read(t, filepath.Join(dir, "secrets", "made"))
		if len(got) != 16 || (before != nil && !bytes.Equal(got, before)) {
			t.Errorf("run %d: secret %q, before %q", run, got, before)
		}
		before = got
		env := read(t, filepath.Join(dir, ".env"))
		if !bytes.HasPrefix(env, []byte("COMPOSE_PROFILES=agent-v1")) {
			t.Errorf("run %d: .env is %q", run, env)
		}
		if uid := os.Geteuid(); uid > 0 && bytes.Count(env, []byte("\nSTACK_UID=")) != 1 {
			t.Errorf("run %d: .env of user %d is %q", run, uid, env)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "secrets", "elsewhere")); err == nil {
		t.Error("a secret without generate was made")
	}
	for path, mode := range map[string]fs.FileMode{"secrets/made": 0o600, ".env": 0o600} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %o", path, info, err, mode)
		}
	}
}

// Whoever creates the file between the look and the write keeps it.
func TestCreateFileLosesTheRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "theirs")
	made, err := confined.Create(filepath.Dir(path), path, []byte("ours"), -1)
	if err != nil || made || string(read(t, path)) != "theirs" {
		t.Errorf("got %v, %v and %q", made, err, read(t, path))
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".f.*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBadTemplateNamesTheSecret(t *testing.T) {
	dir := t.TempDir()
	p := project(dir, "one")
	p.Secrets["one"] = types.SecretConfig{File: filepath.Join(dir, "one"), Extensions: generated("{uuid}")}
	err := (&setup{dir: dir, out: ui.New(&tailBuffer{})}).ensureProject(p)
	if err == nil || !regexp.MustCompile(`"one".*generate`).MatchString(err.Error()) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "one")); err == nil {
		t.Error("the secret was made all the same")
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

// generated is what a secret says that setup makes.
func generated(template string) types.Extensions {
	return types.Extensions{compose.Extension: map[string]any{"generate": template}}
}
