package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

func TestGenerate(t *testing.T) {
	source, err := rig.Repository(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := generate(dir, source, 12)
	if err != nil {
		t.Fatal(err)
	}
	compose, err := os.ReadFile(s.compose)
	if err != nil {
		t.Fatal(err)
	}
	last := strings.Contains(string(compose), "${IMAGE_PREFIX:-bench}/s12-12:latest")
	if len(s.services) != 12 || strings.Count(string(compose), "image: ") != 12 || !last {
		t.Errorf("services %v, compose.yaml:\n%s", s.services, compose)
	}
	for _, service := range s.services {
		for _, name := range []string{"app/docker/" + service + ".Dockerfile", "app/" + service + "/main.go"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if text := string(data); err != nil || !strings.Contains(text, service) || strings.Contains(text, "%!") {
				t.Errorf("%s: %v\n%s", name, err, data)
			}
		}
	}
}

// Every edit must be one that no build has seen, and edits must not pile up in the Dockerfile.
func TestChange(t *testing.T) {
	dir := t.TempDir()
	s := &stack{source: filepath.Join(dir, "bench_change.go"), dockerfile: filepath.Join(dir, "Dockerfile")}
	if err := os.WriteFile(s.dockerfile, []byte("FROM scratch\nCMD [\"/x\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, file := range map[string]string{"source": s.source, "dockerfile": s.dockerfile} {
		seen := map[string]bool{}
		for range 3 {
			if err := s.change(what); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if seen[string(data)] {
				t.Errorf("the %s is the same again:\n%s", what, data)
			}
			seen[string(data)] = true
			if what != "dockerfile" {
				continue
			}
			const begins = "FROM scratch\nCMD [\"/x\"]\nLABEL "
			if strings.Count(string(data), "LABEL") != 1 || !strings.HasPrefix(string(data), begins) {
				t.Errorf("Dockerfile:\n%s", data)
			}
		}
	}
	s.dockerfile = filepath.Join(dir, "missing")
	if err := s.change("dockerfile"); err == nil {
		t.Error("a missing Dockerfile is no error")
	}
}

func TestOverlayGivesSecretAndCaches(t *testing.T) {
	b := &bench{config: config{ca: "/ca.pem"}, cache: &rig.Daemon{Address: "127.0.0.1:7"}}
	s := &stack{name: "x", services: []string{"a", "b"}}
	got := overlayText(b, s, request{from: true, to: true})
	want := `services:
  a:
    build:
      secrets: [ca]
      cache_from: ["type=registry,ref=127.0.0.1:7/bench-compose/a:cache"]
      cache_to: ["type=registry,ref=127.0.0.1:7/bench-compose/a:cache,mode=max"]
  b:
    build:
      secrets: [ca]
      cache_from: ["type=registry,ref=127.0.0.1:7/bench-compose/b:cache"]
      cache_to: ["type=registry,ref=127.0.0.1:7/bench-compose/b:cache,mode=max"]
secrets: {ca: {file: "/ca.pem"}}
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	b.ca = ""
	if got := overlayText(b, s, request{}); got != "services: {}\n" {
		t.Errorf("nothing to say: got %q", got)
	}
	if one, other := s.overlay(b, request{from: true}), s.overlay(b, request{to: true}); one == other {
		t.Errorf("two overlays in one file: %s", one)
	}
}

func TestCommandLine(t *testing.T) {
	for text, args := range map[string][]string{
		`unknown "colt"`:     {"-cases=colt"},
		`unknown "maek"`:     {"-tools=maek"},
		`"seven" is neither`: {"-stacks=seven"},
		"-pairs=0":           {"-pairs=0"},
		"is not ours":        {"-builder=unix:///b.sock", "-cases=cold"},
	} {
		if _, err := parse(args); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: got %v, want %q", args, err, text)
		}
	}
	c, err := parse([]string{
		"-builder=unix:///b.sock", "-cases=unchanged,source", "-stacks=six,5,files", "-ca=/nosuch",
	})
	if err != nil || len(c.cases) != 2 || c.ca != "" || len(c.tools) != len(allTools()) {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestEnvironmentLeadsNoToolElsewhere(t *testing.T) {
	for _, name := range []string{
		"COMPOSE_FILE", "DOCKER_CONTEXT", "BUILDX_BUILDER", "BUILDKIT_HOST", "CACHE_REGISTRY", "MAGEFILE_HASHFAST",
	} {
		t.Setenv(name, "elsewhere")
	}
	b := &bench{work: "/w"}
	for _, v := range b.environment(request{host: "unix:///s"}, "p") {
		if strings.Contains(v, "elsewhere") {
			t.Errorf("it keeps %s", v)
		}
	}
}
