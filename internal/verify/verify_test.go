package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestEnvironmentLeavesWhatIsNamed(t *testing.T) {
	for _, c := range []struct{ builder, registry, want string }{
		{"", "", "[TEST_BUILDER=b TEST_REGISTRY=r]"},
		{"", "127.0.0.1:5000", "[TEST_BUILDER=b]"},
		{"unix:///x", "127.0.0.1:5000", "[]"},
	} {
		t.Setenv(BuilderVariable, c.builder)
		t.Setenv(RegistryVariable, c.registry)
		if got := fmt.Sprint(Environment("b", "r")); got != c.want {
			t.Errorf("with %q and %q named: got %s, want %s", c.builder, c.registry, got, c.want)
		}
	}
}

// A linter whose go.mod is gone would silently not run.
func TestThisRepositoryPinsItsLinters(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for _, name := range []string{"lint", "actionlint"} {
		if path, ok := pinned(name); !ok {
			t.Errorf("%s is not there", path)
		}
	}
	if _, ok := pinned("nosuch"); ok {
		t.Error("a linter that nobody pins is there")
	}
	if _, err := os.Stat(filepath.Join(".github", "workflows", "ci.yml")); err != nil {
		t.Error(err)
	}
}
