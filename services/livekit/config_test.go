package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const goodKeys = "APItest: 0123456789abcdef0123456789abcdef"

func environment(t *testing.T, files map[string]string) func(string) string {
	t.Helper()
	variables := map[string]string{"REDIS_ADDR": "redis:6379"}
	for variable, content := range files {
		path := filepath.Join(t.TempDir(), variable)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		variables[variable] = path
	}
	return func(name string) string { return variables[name] }
}

func TestSettingsErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no password", map[string]string{"LIVEKIT_KEYS_FILE": goodKeys}, "REDIS_PASSWORD_FILE is not set"},
		{"empty password", map[string]string{"REDIS_PASSWORD_FILE": "\n", "LIVEKIT_KEYS_FILE": goodKeys}, "is empty"},
		{"no keys", map[string]string{"REDIS_PASSWORD_FILE": "x"}, "LIVEKIT_KEYS_FILE is not set"},
		{"not a map", map[string]string{"REDIS_PASSWORD_FILE": "x", "LIVEKIT_KEYS_FILE": "hush-hush"}, `"key: secret"`},
		{"no space", map[string]string{"REDIS_PASSWORD_FILE": "x", "LIVEKIT_KEYS_FILE": "API:hush-hush"}, "with the space"},
		{"short", map[string]string{"REDIS_PASSWORD_FILE": "x", "LIVEKIT_KEYS_FILE": "APItest: hush-hush"}, "has 9 characters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fromEnvironment(environment(t, c.files))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error quotes a secret: %v", err)
			}
		})
	}
}

func TestServerEnvironmentDropsConsumedVariables(t *testing.T) {
	got := serverEnvironment([]string{"GOMEMLIMIT=900MiB", "LIVEKIT_KEYS_FILE=/x", "REDIS_ADDR=redis:6379", "TZ=UTC"})
	if want := []string{"GOMEMLIMIT=900MiB", "TZ=UTC"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
