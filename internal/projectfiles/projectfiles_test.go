package projectfiles

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/confined"
	"github.com/25eloquence/compose-mage/internal/extension"
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
	p := &types.Project{
		WorkingDir: dir, ComposeFiles: []string{filepath.Join(dir, "compose.yaml")},
		Secrets: types.Secrets{},
	}
	for _, name := range names {
		p.Secrets[name] = types.SecretConfig{
			File:       filepath.Join(dir, "secrets", name),
			Extensions: generated("{hex:8}"),
		}
	}
	return p
}

// ensure makes what the project lacks.
func ensure(p *types.Project) error {
	files, err := Read(p, 0)
	if err != nil {
		return err
	}
	return files.Write(ui.New(io.Discard))
}

func TestProjectFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".env.example"), "COMPOSE_PROFILES=agent-v1")
	p := project(dir, "made", "kept")
	p.Secrets["elsewhere"] = types.SecretConfig{File: filepath.Join(dir, "secrets", "elsewhere")}
	p.Secrets["external"] = types.SecretConfig{External: true, Extensions: generated("x")}
	write(t, filepath.Join(dir, "secrets", "kept"), "mine")
	var before []byte
	for run := range 2 {
		if err := ensure(p); err != nil {
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
	err := ensure(p)
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
	return types.Extensions{extension.Key: map[string]any{"generate": template}}
}

// What is missing is told before anything is written, and nothing is written by telling it.
func TestReadTellsWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	p := project(dir, "one", "there", "two")
	var service types.ServiceConfig
	service.Ulimits = map[string]*types.UlimitsConfig{"nofile": {Hard: 65536, Soft: 1024}}
	p.Services = types.Services{"a": service}
	write(t, filepath.Join(dir, "secrets", "there"), "mine")
	for _, c := range []struct {
		name, env, example string
		openFiles          int64
		action             string
		lines              []string
	}{
		{name: "nobody needs an .env", action: "none"},
		{name: "an example", example: "A=1\n", action: "make"},
		{name: "a lower limit", openFiles: 1024, action: "make", lines: []string{"STACK_NOFILE=1024"}},
		{name: "a higher limit", openFiles: 1 << 20, action: "none"},
		{
			name: "an .env without the limit", env: "A=1", openFiles: 1024, action: "add",
			lines: []string{"STACK_NOFILE=1024"},
		},
		{name: "an .env with a limit", env: "A=1\n export STACK_NOFILE=5\n", openFiles: 1024, action: "found"},
		{
			name: "a comment is no limit", env: "#STACK_NOFILE=5\n", openFiles: 1024, action: "add",
			lines: []string{"STACK_NOFILE=1024"},
		},
	} {
		for name, text := range map[string]string{".env": c.env, ".env.example": c.example} {
			_ = os.Remove(filepath.Join(dir, name))
			if text != "" {
				write(t, filepath.Join(dir, name), text)
			}
		}
		f, err := Read(p, c.openFiles)
		if err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() > 0 {
			t.Skip("another user's .env also says who he is")
		}
		if action, lines := f.Env(); action != c.action || !slices.Equal(lines, c.lines) {
			t.Errorf("%s: %s %v, want %s %v", c.name, action, lines, c.action, c.lines)
		}
		if missing, existing := f.Secrets(); !slices.Equal(missing, []string{"one", "two"}) || existing != 1 {
			t.Errorf("%s: missing %v, %d there", c.name, missing, existing)
		}
	}
}
