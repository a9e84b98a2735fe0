//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// told is in what damaged files have, and must be in no output.
const told = "s3cr"

// ways are how a file of the state directory may be damaged.
var ways = []struct {
	name string
	put  func(path string) error
}{
	{"empty", text("")},
	{"cut short", text(`{"builder":"` + told)},
	{"garbage", text("\x00\x01" + told + "\xff")},
	{
		"wrong types",
		text(`{"builder":["` + told + `"],"keys":1,"id":[],"container":{},"services":"` + told + `","version":"x"}`),
	},
	{"foreign", text(`{"` + told + `":"et"}`)},
	{"directory", func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) }},
	{"pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }},
	{"link", func(path string) error { return os.Symlink("/etc/shadow", path) }},
}

func text(s string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(s), 0o600) }
}

// stateFile is a kind of file in the state directory, and what a target must come to where that is damaged.
type stateFile struct {
	path  func(project, container string) string
	names bool // the target's output names the file
	codes map[string]fault.Code
}

var stateFiles = map[string]stateFile{
	"state.json": {
		func(_, _ string) string { return "state.json" }, true,
		map[string]fault.Code{"build": fault.Builder, "check": fault.Builder},
	},
	"bases.lock": {
		func(_, _ string) string { return "bases.lock" }, false, map[string]fault.Code{"build": fault.Config},
	},
	"lock.pid":     {func(p, _ string) string { return filepath.Join("projects", p, "lock.pid") }, false, nil},
	"models":       {func(p, c string) string { return filepath.Join("projects", p, "models", c+".json") }, false, nil},
	"images":       {func(p, _ string) string { return filepath.Join("images", p, "a.json") }, false, nil},
	"inputs":       {func(p, _ string) string { return filepath.Join("inputs", p, "a.json") }, false, nil},
	"frozen":       {func(_, c string) string { return filepath.Join("frozen", c+".json") }, true, nil},
	"project lock": {func(p, _ string) string { return filepath.Join("projects", p, "lock") }, false, nil},
}

var damagedTargets = [][]string{{"build"}, {"start"}, {"status"}, {"cleanup", "-dry-run"}, {"check"}}

// compiledMage is the program that Mage makes of the targets.
func compiledMage(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mage")
	command := exec.Command("go", "tool", "mage", "-compile", path)
	command.Dir = filepath.Join("..", "..")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("compiling the targets: %v\n%s", err, out)
	}
	return path
}

// TestIntegrationDamagedState damages each file of the state directory in each way, and runs each target: none hangs
// or panics, none shows what is in the file, the exit code is the one that docs/errors.md has, and what is lost is
// named. The short form takes every file with one target in one way; STATES=all takes all, STATES=models,images those
// of these files.
func TestIntegrationDamagedState(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: ., environment: {HEALTHY: 1}, "+health+
		"}\n").withService()
	mage := compiledMage(t)
	run := func(stateDir string, arguments ...string) (int, string) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, mage, arguments...)
		command.Dir = f.dir
		command.Env = append(os.Environ(), state.Variable+"="+stateDir, "CACHE_REGISTRY=none", "BUILDKIT_HOST=")
		out, err := command.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return -1, string(out)
		case errors.As(err, &exit):
			return exit.ExitCode(), string(out)
		}
		return 0, string(out)
	}
	whole := t.TempDir()
	made, err := json.Marshal(map[string]string{"builder": os.Getenv(verify.BuilderVariable)})
	if err != nil {
		t.Fatal(err)
	}
	f.must(os.WriteFile(filepath.Join(whole, "state.json"), made, 0o600))
	usual := map[string]int{}
	for _, target := range damagedTargets {
		usual[target[0]], _ = run(whole, target...)
	}
	if usual["build"] != 0 || usual["start"] != 0 {
		t.Fatalf("undamaged: %v", usual)
	}
	container := f.containers("a")[0].ID
	n := 0
	long := strings.FieldsFunc(os.Getenv("STATES"), func(r rune) bool { return r == ',' })
	for _, kind := range slices.Sorted(maps.Keys(stateFiles)) {
		s := stateFiles[kind]
		all := slices.Contains(long, "all") || slices.Contains(long, kind)
		for at, target := range damagedTargets {
			for w, way := range ways {
				n++
				if !all && (len(long) > 0 || w != (at*3+len(kind))%len(ways) || at != len(kind)%len(damagedTargets)) {
					continue
				}
				what := fmt.Sprintf("%s, %s, %s", kind, way.name, target[0])
				dir := t.TempDir()
				f.must(os.CopyFS(dir, os.DirFS(whole)))
				path := filepath.Join(dir, s.path(f.name, container))
				f.must(errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.RemoveAll(path), way.put(path)))
				code, out := run(dir, target...)
				s.judge(t, what, way.name, target[0], usual[target[0]], code, out, path)
				if kind == "frozen" { // it is named once, and hinders nobody then
					if code, out = run(dir, target...); code != usual[target[0]] {
						t.Errorf("%s, again: exit code %d\n%s", what, code, out)
					}
				}
			}
		}
	}
	if n != len(stateFiles)*len(damagedTargets)*len(ways) {
		t.Errorf("%d", n)
	}
}

func (s stateFile) judge(t *testing.T, what, way, target string, usual, code int, out, path string) {
	t.Helper()
	want := usual
	if c, ok := s.codes[target]; ok && (way != "empty" || c != fault.Config) { // an empty lock locks nothing
		want = int(c)
	}
	base := filepath.Base(path)
	named := strings.Contains(out, base)
	if strings.HasPrefix(filepath.Base(filepath.Dir(path)), "frozen") {
		want = int(fault.Config)
	}
	if code != want {
		t.Errorf("%s: exit code %d, want %d\n%s", what, code, want, out)
	}
	if (s.names || want != usual) &&
		(!named || !strings.Contains(out, "go tool mage setup") && !strings.Contains(out, "next: ")) {
		t.Errorf("%s: the file is not named, or nothing is said to do\n%s", what, out)
	}
	for _, secret := range []string{told, "root:", "panic", "goroutine "} {
		if strings.Contains(out, secret) {
			t.Errorf("%s: %q is in the output\n%s", what, secret, out)
		}
	}
	if bytes.Contains([]byte(out), []byte{0}) {
		t.Errorf("%s: NUL bytes in the output", what)
	}
}
