package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSetup(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(strings.Repeat("0123456789abcdef", 2)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		local       bool // needs the local voices
		environment []string
		want, fails string // part of the health details; part of the error
	}{
		{name: "an empty key file means local", local: true, environment: []string{"AZURE_SPEECH_KEY_FILE", empty}, want: `"mode":"local"`},
		{name: "no key means local", local: true, want: `"en":"flite:slt"`},
		{name: "no folder for the cache", local: true, environment: []string{"TTS_CACHE_DIR", "/nonexistent"}, want: `"cache":"off"`},
		{name: "a key and a region", environment: []string{"AZURE_SPEECH_KEY_FILE", key, "AZURE_SPEECH_REGION", "westeurope"}, want: `"mode":"azure"`},
		{name: "with fallback", local: true, environment: []string{
			"AZURE_SPEECH_KEY_FILE", key, "AZURE_SPEECH_REGION", "westeurope",
			"TTS_LOCAL_FALLBACK", "true",
		}, want: `"local_fallback":true`},
		{name: "a key for nowhere", environment: []string{"AZURE_SPEECH_KEY_FILE", key}, fails: "AZURE_SPEECH_REGION"},
		{name: "a key file that isn't there", environment: []string{"AZURE_SPEECH_KEY_FILE", key + ".not"}, fails: "no such file"},
		{name: "no token", environment: []string{"API_TOKEN_FILE", ""}, fails: "API_TOKEN_FILE"},
		{name: "a token of six characters", environment: []string{"API_TOKEN_FILE", key}, fails: "fewer than 32"},
		{name: "a fallback of maybe", environment: []string{"TTS_LOCAL_FALLBACK", "maybe"}, fails: "TTS_LOCAL_FALLBACK"},
		{name: "a cache of many", local: true, environment: []string{"TTS_CACHE_BYTES", "many"}, fails: "TTS_CACHE_BYTES"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath("flite"); c.local && err != nil && os.Getenv("CI") == "" {
				t.Skip(err)
			}
			t.Setenv("TTS_CACHE_DIR", t.TempDir())
			t.Setenv("API_TOKEN_FILE", token)
			for i := 0; i < len(c.environment); i += 2 {
				t.Setenv(c.environment[i], c.environment[i+1])
			}
			service, err := setup(context.Background())
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %v, want %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			details, err := service.Check(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			said, err := json.Marshal(details)
			if err != nil || !strings.Contains(string(said), c.want) || strings.Contains(string(said), "sesame") {
				t.Errorf("got %s, %v, want %s and no key", said, err, c.want)
			}
		})
	}
}
