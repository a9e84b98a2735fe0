package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/compose/v5/pkg/compose"
)

// A text that stands for a file's is read as the file would be: with the same paths, variables and hashes.
func TestInstead(t *testing.T) {
	t.Setenv("COMPOSE_FILE", "")
	_ = os.Unsetenv("COMPOSE_FILE")
	dir := t.TempDir()
	file := filepath.Join(dir, "compose.yaml")
	text := "services:\n  a:\n    image: x:${TAG}\n    env_file: a.env\n    build: ./b\n    volumes: ['./d:/d']\n" +
		"  b: {extends: {service: a}}\n  c:\n    extends: {file: base.yaml, service: c}\n"
	for path, text := range map[string]string{
		"compose.yaml": text, ".env": "TAG=7\n", "a.env": "A=1\n",
		"base.yaml": "services: {c: {image: c, volumes: ['./e:/e']}}\n", "compose.override.yaml": "services: {a: {}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(instead map[string][]byte) (*Model, map[string]string, string) {
		t.Helper()
		m, err := Load(t.Context(), Request{Dir: dir, Instead: instead})
		if err != nil {
			t.Fatal(err)
		}
		hashes := map[string]string{}
		for name, s := range m.Project.Services {
			if hashes[name], err = compose.ServiceHash(s); err != nil {
				t.Fatal(err)
			}
		}
		whole, err := json.Marshal(m.Project)
		if err != nil {
			t.Fatal(err)
		}
		return m, hashes, string(whole)
	}
	_, before, model := load(nil)
	if _, hashes, same := load(map[string][]byte{file: []byte(text)}); same != model || hashes["a"] != before["a"] {
		t.Errorf("the same text gives another model:\n%s\n%s", same, model)
	}
	m, after, _ := load(map[string][]byte{file: []byte(text + "    restart: always\n")})
	if s := m.Project.Services["c"]; s.Restart != "always" || after["c"] == before["c"] || after["a"] != before["a"] {
		t.Errorf("got %+v", s)
	}
	if on, err := os.ReadFile(file); err != nil || string(on) != text {
		t.Errorf("the file is changed: %s, %v", on, err)
	}
}
