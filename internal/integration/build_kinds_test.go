//go:build integration

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/explain"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// tags is the answer of the test registry on the build cache of a service: 200 where there is one.
func (f *fixture) tags(registry, service string) int {
	f.t.Helper()
	answer, err := http.Get(fmt.Sprintf("http://%s/v2/%s/%s/tags/list", registry, f.name, service))
	if err != nil {
		f.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// Twenty services of one image, each with the same build section, as Sentry has them.
func TestIntegrationEqualServicesAreBuiltOnce(t *testing.T) {
	registry := os.Getenv(verify.RegistryVariable)
	f := newFixture(t, "Dockerfile", "FROM scratch\nCOPY file /\n", "file", time.Now().String())
	var services strings.Builder
	for i := range 20 {
		fmt.Fprintf(&services, "  s%02d: {image: %s-local, build: .}\n", i, f.name)
	}
	f.write("compose.yaml", "services:\n"+services.String())
	var ids []string
	for i, want := range []image.State{image.Loaded, image.Unchanged, image.Unchanged} {
		results, err := f.build(t.Context(), registry)
		if err != nil || len(results) != 1 || results[0].State != want || len(results[0].Target.Services) != 20 ||
			len(results[0].Warnings) > 0 {
			t.Fatalf("build %d: %d results, %+v, %v", i, len(results), results, err)
		}
		if i > 0 && results[0].Loaded != 0 {
			t.Errorf("build %d sent %d bytes", i, results[0].Loaded)
		}
		ids = append(ids, results[0].ID)
	}
	if ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("one image has several IDs: %v", ids)
	}
	if first, second := f.tags(registry, "s00"), f.tags(registry, "s01"); first != http.StatusOK ||
		second != http.StatusNotFound {
		t.Errorf("caches of the first and the second service: %d and %d", first, second)
	}
}

func TestIntegrationALocalContextIsNoEdit(t *testing.T) {
	registry := os.Getenv(verify.RegistryVariable)
	f := newFixture(t, "app/compose.yaml",
		"services:\n  a: {build: {context: ., additional_contexts: {lib: ../lib}}}\n",
		"app/Dockerfile", "FROM scratch\nCOPY file /\nCOPY --from=lib . /lib\n", "app/file", time.Now().String(),
		"lib/one", "1")
	lib := filepath.Join(f.dir, "lib")
	f.dir = filepath.Join(f.dir, "app")
	for i, want := range []image.State{image.Loaded, image.Unchanged, image.Unchanged} {
		results, err := f.build(t.Context(), registry)
		if err != nil || results[0].State != want || len(results[0].Warnings) > 0 {
			t.Fatalf("build %d: %s, warnings %q, %v", i, results[0].State, results[0].Warnings, err)
		}
	}
	if status := f.tags(registry, "a"); status != http.StatusOK {
		t.Errorf("the build cache was not written: %d", status)
	}
	if err := os.WriteFile(filepath.Join(lib, "one"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	if results, err := f.build(t.Context(), registry); err != nil || results[0].State != image.Loaded ||
		results[0].Built != 1 || len(results[0].Warnings) > 0 {
		t.Errorf("after an edit there: %+v, %v", results, err)
	}
}

func TestIntegrationTwoCheckoutsGetTheirOwnFiles(t *testing.T) {
	f := newFixture(t)
	checkouts := t.TempDir()
	then := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	checkout := func(name string) string {
		f.dir = filepath.Join(checkouts, name)
		f.write("compose.yaml", "services:\n  app: {build: {context: app, additional_contexts: {lib: ./lib}}}\n")
		f.write("app/Dockerfile", "FROM scratch\nCOPY f /f\nCOPY --from=lib g /g\n")
		for _, file := range []string{"app/f", "lib/g"} {
			f.write(file, name)
			if err := os.Chtimes(filepath.Join(f.dir, file), then, then); err != nil {
				t.Fatal(err)
			}
		}
		f.mustBuild()
		return f.export(f.name + "-app")["f"] + f.export(f.name + "-app")["g"]
	}
	for _, name := range []string{"one", "two"} {
		if got := checkout(name); got != name+name {
			t.Errorf("checkout %s has the files %q", name, got)
		}
	}
	// And another checkout at the same path.
	if err := os.Rename(filepath.Join(checkouts, "two"), filepath.Join(checkouts, "old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(checkouts, "one"), filepath.Join(checkouts, "two")); err != nil {
		t.Fatal(err)
	}
	f.mustBuild()
	if got := f.export(f.name + "-app")["f"] + f.export(f.name + "-app")["g"]; got != "oneone" {
		t.Errorf("after another checkout took the place: %q", got)
	}
}

func TestIntegrationBuildFieldsReachTheSteps(t *testing.T) {
	f := newFixture(t, "compose.yaml", `services:
  app:
    build:
      context: .
      args: [VER]
      secrets: [tok]
      shm_size: 128m
      ulimits: {nofile: {soft: 2000, hard: 2000}}
      extra_hosts: ["h:10.9.8.7"]
      network: none
  other: {build: {dockerfile_inline: "FROM scratch\nLABEL x=y\n", platforms: [linux/386]}}
secrets: {tok: {environment: TOK}}
`, ".env", "TOK=not-a-real-secret\nVER=9.9\n", "Dockerfile", `FROM debian:bookworm-slim
ARG VER
RUN --mount=type=secret,id=tok echo "$VER $(wc -c </run/secrets/tok) $(df -k /dev/shm | awk 'END{print $2}') $(ulimit -n) $(grep -c '10.9.8.7.*h' /etc/hosts) $(ls /sys/class/net)" > /info
`)
	f.mustBuild()
	if got, want := f.export(f.name + "-app")["info"], "9.9 17 131072 2000 1 lo\n"; got != want {
		t.Errorf("the step saw %q, want %q", got, want)
	}
	found, err := f.engine.ImageInspect(t.Context(), f.name+"-other")
	if err != nil || found.Architecture != "386" {
		t.Errorf("built for %s, %v", found.Architecture, err)
	}
}

func TestIntegrationPushMakesAnIndexOfAllPlatforms(t *testing.T) {
	registry := os.Getenv(verify.RegistryVariable)
	f := newFixture(t, "file", time.Now().String())
	f.write("compose.yaml", fmt.Sprintf(`services:
  a: {image: "%s/%s/a:1", build: {context: ., dockerfile_inline: "FROM scratch\nCOPY file /\n", platforms: [linux/amd64, linux/arm64]}}
  b: {build: {context: ., dockerfile_inline: "FROM scratch\nCOPY file /b\n"}}
`, registry, f.name))
	f.with = func(o *image.Options) { o.Push = true }
	results := f.mustBuild()
	if results[0].State != image.Pushed || results[1].State != image.Loaded {
		t.Errorf("a: %s; b, which names no image: %s", results[0].State, results[1].State)
	}
	request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/v2/%s/a/manifests/1", registry, f.name), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/vnd.oci.image.index.v1+json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(text), "image.index", `"amd64"`, `"arm64"`)
}

func TestIntegrationAFailingCommandSaysNothingOfTheBuilder(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n",
		"Dockerfile",
		"FROM debian:bookworm-slim\nRUN echo 'connection refused: denied: pull access denied' && exit 3\n")
	_, err := f.build(t.Context(), "")
	var typed *fault.Error
	if !errors.As(err, &typed) || typed.Code != fault.Failed ||
		!strings.HasPrefix(typed.Next, "correct it, then go tool mage build ") {
		t.Errorf("got %v", err)
	}
}

// A secret is where the step wants it, and nowhere else: neither in what is shown, nor in the image, nor in what
// builds leave. The second image copies it, so that the search is known to find it.
func TestIntegrationBuildSecretLeavesNoTrace(t *testing.T) {
	now := time.Now().UnixNano()
	secret := fmt.Sprintf("very-secret-token-%d", now)
	// else the builder has the steps of an earlier run, with that one's secret
	again := fmt.Sprintf(" && : %d\n", now/1000)
	f := newFixture(t, "compose.yaml", `services:
  keeps: {build: {context: ., secrets: [token]}}
  leaks: {build: {context: ., dockerfile: Leak, secrets: [token]}}
  fails: {build: {context: ., dockerfile: Fail, secrets: [token]}}
secrets: {token: {file: ./token}}
`, ".dockerignore", "token\n", "token", secret, "Dockerfile",
		"FROM debian:bookworm-slim\nRUN --mount=type=secret,id=token wc -c </run/secrets/token >/size"+again,
		"Leak", "FROM debian:bookworm-slim\nRUN --mount=type=secret,id=token cp /run/secrets/token /leaked"+again,
		"Fail", "FROM debian:bookworm-slim\nRUN --mount=type=secret,id=token test ! -s /run/secrets/token\n")
	left := t.TempDir()
	f.with = func(o *image.Options) { o.Explain, o.Progress = explain.NewStore(left), "plain" }
	_, err := f.build(t.Context(), "")
	if err == nil {
		t.Fatal("a step that was given the secret fails, and did not")
	}
	if got := f.export(f.name + "-keeps")["size"]; strings.TrimSpace(got) != fmt.Sprint(len(secret)) {
		t.Fatalf("the step saw a secret of %q bytes", got)
	}
	if strings.Contains(err.Error()+f.out.String(), secret) {
		t.Error("the secret is in the output")
	}
	for _, dir := range []string{left, f.memory} {
		files := 0
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			files++
			text, err := os.ReadFile(path)
			if strings.Contains(string(text), secret) {
				t.Errorf("the secret is in %s", path)
			}
			return err
		})
		if files == 0 {
			t.Errorf("the build left nothing in %s: nothing was searched", dir)
		}
	}
	if f.saved(f.name+"-keeps", secret) {
		t.Error("the secret is in the image")
	}
	if !f.saved(f.name+"-leaks", secret) {
		t.Error("the search does not find a secret that is in an image")
	}
}

// saved says whether an image, its configuration and history included, holds a text.
func (f *fixture) saved(name, text string) bool {
	f.t.Helper()
	tarball, err := f.engine.ImageSave(f.t.Context(), []string{name})
	if err != nil {
		f.t.Fatal(err)
	}
	defer tarball.Close()
	var all bytes.Buffer
	if _, err := io.Copy(&all, tarball); err != nil {
		f.t.Fatal(err)
	}
	return bytes.Contains(all.Bytes(), []byte(text))
}

// A context may be an image in a directory.
func TestIntegrationAnImageLayoutIsAContext(t *testing.T) {
	f := newFixture(t, "Dockerfile", "FROM scratch\nCOPY --from=base /in /out\n")
	layout := filepath.Join(f.dir, "layout")
	f.write("compose.yaml", "services:\n  a: {build: {context: ., additional_contexts: {base: \"oci-layout://"+layout+
		"\"}}}\n")
	b, err := builder.Connect(t.Context(), os.Getenv(verify.BuilderVariable))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	text := time.Now().String()
	definition, err := llb.Scratch().File(llb.Mkfile("in", 0o644, []byte(text))).Marshal(t.Context(),
		llb.Platform(platforms.DefaultSpec()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Solve(t.Context(), definition, client.SolveOpt{Exports: []client.ExportEntry{
		{Type: client.ExporterOCI, Attrs: map[string]string{"tar": "false"}, OutputDir: layout},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.mustBuild()
	if got := f.export(f.name + "-a")["out"]; got != text {
		t.Errorf("got %q, want %q", got, text)
	}
	if r := f.mustBuild()[0]; r.State != image.Unchanged {
		t.Errorf("the next build: %s", r.State)
	}
}
