package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

func TestEveryPackageIsTestedOnce(t *testing.T) {
	others, err := otherPackages(t.Context(), filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(others, "\n") + "\n"
	for name, want := range map[string]bool{
		"internal/verify": true, "internal/cleanup": true,
		"internal/integration": false, "internal/restore": false, "internal/enginetest": false,
	} {
		if strings.Contains(all, "/"+name+"\n") != want {
			t.Errorf("%s beside the long tests: %t, want %t, in\n%s", name, !want, want, all)
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
