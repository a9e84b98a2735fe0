package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	server "github.com/livekit/livekit-server/pkg/config"
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

// The rendered file must be what this very livekit-server understands, in its strict mode.
func TestRenderedConfigurationIsLiveKits(t *testing.T) {
	rendered, err := fromEnvironment(environment(t, map[string]string{
		"REDIS_PASSWORD_FILE": "p:a\"ss #word\n", "LIVEKIT_KEYS_FILE": goodKeys + "\n"}))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "livekit.yaml")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := rendered.write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v (%v), want 0600", info.Mode().Perm(), err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := server.NewConfig(string(content), true, nil, nil)
	if err != nil {
		t.Fatalf("livekit refuses the configuration: %v\n%s", err, content)
	}
	if got.Port != 7880 || got.RTC.TCPPort != 7881 || got.RTC.UDPPort.Start != 7882 || !got.RTC.UseICELite || !got.RTC.EnableLoopbackCandidate {
		t.Errorf("got port %d, rtc %+v", got.Port, got.RTC)
	}
	if got.Redis.Address != "redis:6379" || got.Redis.Password != "p:a\"ss #word" {
		t.Errorf("got redis %q %q", got.Redis.Address, got.Redis.Password)
	}
	if got.Keys["APItest"] != "0123456789abcdef0123456789abcdef" {
		t.Errorf("got keys %v", got.Keys)
	}
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

func TestProbe(t *testing.T) {
	status := http.StatusOK
	double := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	if err := probe(context.Background(), double.URL); err != nil {
		t.Errorf("200: %v", err)
	}
	status = http.StatusNotAcceptable
	if err := probe(context.Background(), double.URL); err == nil || !strings.Contains(err.Error(), "406") {
		t.Errorf("stale node: got %v, want the status", err)
	}
	double.Close()
	if err := probe(context.Background(), double.URL); err == nil {
		t.Error("a stopped server passed")
	}
}
