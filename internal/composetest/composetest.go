// Package composetest gives tests the model of a Compose file that is written in them.
package composetest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
)

// Load reads a Compose file's text, in a directory of its own.
func Load(t *testing.T, text string) *types.Project {
	t.Helper()
	t.Setenv("COMPOSE_PROFILES", "")
	_ = os.Unsetenv("COMPOSE_PROFILES")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadDir(t, dir)
}

// LoadDir reads the Compose files of a directory, with nothing of this process's environment that says which.
func LoadDir(t *testing.T, dir string) *types.Project {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROJECT_NAME"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	s, err := compose.Load(context.Background(), compose.Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s.Project
}
