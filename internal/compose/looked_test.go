package compose

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Whoever keeps what a model says, as a running monitor -serve does, has to see each change of what it was read from.
func TestEveryFileThatAModelMayDifferByIsNamed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"compose.yaml": "include: [parts/cache.yaml, {path: parts/db.yaml, env_file: parts/db.env}]\n" +
			"services:\n  web: {extends: {file: base.yaml, service: base}, label_file: web.labels," +
			" env_file: [web.env, {path: later.env, required: false}]}\n",
		"parts/cache.yaml": "services: {cache: {image: redis}}\n",
		"parts/db.yaml":    "services: {db: {image: 'db:${TAG}'}}\n",
		"parts/db.env":     "TAG=1\n", "base.yaml": "services: {base: {image: web, env_file: base.env}}\n",
		"base.env": "A=1\n", "web.env": "B=1\n", "web.labels": "c=1\n", ".env": "D=1\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := Load(t.Context(), Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"compose.yaml", "parts/cache.yaml", "parts/db.yaml", "parts/db.env", "base.yaml", "base.env", "web.env",
		"later.env", "web.labels", ".env",
	} {
		if !slices.Contains(m.Looked, filepath.Join(dir, name)) {
			t.Errorf("%s is missing in %q", name, m.Looked)
		}
	}
	if err := os.Remove(filepath.Join(dir, ".env")); err != nil {
		t.Fatal(err)
	}
	m, err = Load(t.Context(), Request{Dir: dir})
	if err != nil || !slices.Contains(m.Looked, filepath.Join(dir, ".env")) {
		t.Errorf("a .env that is not there: %v, %q", err, m.Looked)
	}
}
