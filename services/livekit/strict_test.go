//go:build linux && !race

package main

import (
	"os"
	"path/filepath"
	"testing"

	server "github.com/livekit/livekit-server/pkg/config"
)

// The images are for Linux, and the server needs cgo elsewhere. The race detector is left out of this file alone: it
// would compile the whole server a second time for a test that starts no goroutine.

// The rendered file must be what this very livekit-server understands, in its strict mode.
func TestStrictServerTakesTheConfiguration(t *testing.T) {
	rendered, err := fromEnvironment(environment(t, map[string]string{
		"REDIS_PASSWORD_FILE": "p:a\"ss #word\n", "LIVEKIT_KEYS_FILE": goodKeys + "\n",
	}))
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
	if len(got.BindAddresses) != 1 || got.BindAddresses[0] != "127.0.0.1" {
		t.Errorf("http is served on %v, want loopback alone", got.BindAddresses)
	}
	if got.Port != innerPort || got.RTC.TCPPort != 7881 || got.RTC.UDPPort.Start != 7882 || !got.RTC.UseICELite || !got.RTC.EnableLoopbackCandidate {
		t.Errorf("got port %d, rtc %+v", got.Port, got.RTC)
	}
	if got.Redis.Address != "redis:6379" || got.Redis.Password != "p:a\"ss #word" {
		t.Errorf("got redis %q %q", got.Redis.Address, got.Redis.Password)
	}
	if got.Keys["APItest"] != "0123456789abcdef0123456789abcdef" {
		t.Errorf("got keys %v", got.Keys)
	}
}
