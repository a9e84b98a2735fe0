package compose

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// write makes a stack in a temporary directory: names and contents in turn. Variables that would change what is
// loaded are cleared.
func write(t *testing.T, files ...string) string {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "COMPOSE_") ||
			slices.Contains([]string{"V", platformVariable, TierVariable, GPUVariable}, name) {
			t.Setenv(name, "")
			_ = os.Unsetenv(name)
		}
	}
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBrokenFilesNameFileAndLine(t *testing.T) {
	for name, c := range map[string]struct{ yaml, line, text string }{
		"syntax": {"services:\n  a:\n    image: x\n   ports: [1\n", ":4", "did not find expected key"},
		"duplicate key": {
			"services:\n  a:\n    image: x\n    image: y\n", ":4", `mapping key "image" already defined at line 3`,
		},
		"unknown key": {
			"services:\n  a:\n    image: x\n    prts: [1]\n", ":4", `unknown key "prts" in "services.a"`,
		},
		"wrong type": {"services:\n  a:\n    image: 5\n", ":3", "services.a.image must be a string"},
		"bad size": {
			"services:\n  a:\n    image: x\n    deploy:\n      resources:\n        limits:\n          memory: lots\n",
			":7", "invalid size: 'lots'",
		},
		"bad port": {
			"services:\n  a:\n    image: x\n    ports: [\"99999999:1\"]\n", ":4", "invalid hostPort: 99999999",
		},
		"unknown dependency": {
			"services:\n  b: {image: x}\n  a:\n    image: x\n    depends_on: [c]\n", ":5",
			`depends on undefined service "c"`,
		},
		"cycle": {
			"services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n", "",
			"dependency cycle detected: ",
		},
		"unknown secret":    {"services:\n  a:\n    image: x\n    secrets: [q]\n", ":4", "undefined secret q"},
		"required variable": {"services:\n  a:\n    image: ${NOT_SET_ANYWHERE:?set it}\n", ":3", "set it"},
		"no image":          {"services:\n  a: {}\n", ":2", "neither an image nor a build context"},
		"empty":             {"", "", "empty compose file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "compose.yaml", c.yaml)
			_, err := Load(context.Background(), Request{Dir: dir})
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.Config {
				t.Fatalf("got %v, want a Config error", err)
			}
			if want := filepath.Join(dir, "compose.yaml") + c.line; !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), c.text) {
				t.Errorf("got %q, want %q and %q in it", err, want, c.text)
			}
		})
	}
}

func TestNoComposeFile(t *testing.T) {
	_, err := Load(context.Background(), Request{Dir: write(t)})
	if err == nil || !strings.Contains(err.Error(), "no Compose file") ||
		!strings.Contains(err.Error(), "next: COMPOSE_FILE=") {
		t.Errorf("got %v", err)
	}
}

const twoServices = "services:\n  redis: {image: r}\n  api: {image: a, depends_on: [redis]}\n  extra: {image: e, " +
	"profiles: [more]}\n"

func TestSelectionTakesDependenciesAndProfiles(t *testing.T) {
	dir := write(t, "compose/compose.yaml", twoServices)
	for name, c := range map[string]struct {
		services []string
		want     string
	}{
		"all enabled":    {nil, "api redis"},
		"one":            {[]string{"redis"}, "redis"},
		"with its needs": {[]string{"api"}, "api redis"},
		"of a profile":   {[]string{"extra"}, "extra"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Load(context.Background(), Request{Dir: dir, Services: c.services})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(s.Project.ServiceNames(), " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	_, err := Load(context.Background(), Request{Dir: dir, Services: []string{"rediss"}})
	if err == nil || !strings.Contains(err.Error(), `no service "rediss" (did you mean "redis"?)`) {
		t.Errorf("got %v", err)
	}
}

func TestEnvironmentIsComposes(t *testing.T) {
	dir := write(t, "compose/compose.yaml", "name: fromfile\n"+twoServices, "compose/.env", "COMPOSE_PROFILES=more\n",
		"sub/other.yaml", "services: {only: {image: o, build: ../context}}\n")
	s, err := Load(context.Background(), Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Project.ServiceNames(), " "); got != "api extra redis" || s.Project.Name != "fromfile" {
		t.Errorf(".env beside the file: got %q of %q", got, s.Project.Name)
	}
	t.Setenv("COMPOSE_FILE", filepath.Join(dir, "sub", "other.yaml"))
	t.Setenv("COMPOSE_PROJECT_NAME", "fromenv")
	if s, err = Load(context.Background(),
		Request{Dir: dir, Machine: engine.Machine{CPUs: 2, Memory: 8 << 30}}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Project.ServiceNames(), " "); got != "only" || s.Project.Name != "fromenv" ||
		s.Tier != "" {
		t.Errorf("COMPOSE_FILE: got %q of %q, tier %q", got, s.Project.Name, s.Tier)
	}
	if got := s.Project.Services["only"].Build.Context; got != filepath.Join(dir, "context") {
		t.Errorf("a context is relative to the file that names it: got %q", got)
	}
}
