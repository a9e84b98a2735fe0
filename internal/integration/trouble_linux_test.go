//go:build integration

package integration

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
)

// wants checks that a build failed with this code and said all of texts.
func wants(t *testing.T, err error, code fault.Code, texts ...string) {
	t.Helper()
	var typed *fault.Error
	if !errors.As(err, &typed) || typed.Code != code {
		t.Fatalf("want code %d, got %v", code, err)
	}
	contains(t, err.Error(), texts...)
}

func TestIntegrationFullDiskIsSaidAndGotOver(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	for name, c := range map[string]struct {
		dockerfile string
		code       fault.Code
		next       string
	}{
		// A step's own words decide nothing: it may have printed them for another reason.
		"step": {
			"FROM debian:bookworm-slim\nRUN head -c 500000000 /dev/zero > /big\n", fault.Failed,
			"disk that is full: go tool mage cleanup",
		},
		"context": {"FROM scratch\nCOPY big /\n", fault.Resources, "next: go tool mage cleanup"},
	} {
		t.Run(name, func(t *testing.T) {
			disk := t.TempDir()
			resize := func(flags uintptr, size string) {
				if err := syscall.Mount("tmpfs", disk, "tmpfs", flags, "size="+size); err != nil {
					t.Fatalf("mounting a small disk: %v", err)
				}
			}
			resize(0, "400m")
			t.Cleanup(func() {
				if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			temp := os.TempDir()
			t.Setenv("TMPDIR", disk) // where a test's builder has its store
			b := enginetest.Builder(t)
			t.Setenv("TMPDIR", temp)
			f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", c.dockerfile, "big",
				"").on(b)
			if err := os.Truncate(filepath.Join(f.dir, "big"), 500e6); err != nil {
				t.Fatal(err)
			}
			_, err := f.build(t.Context(), "")
			wants(t, err, c.code, `building "a"`, "pace left on device", c.next)
			resize(syscall.MS_REMOUNT, "3g")
			f.mustBuild()
		})
	}
}

func TestIntegrationRefusedCredentialsAreSaid(t *testing.T) {
	for status, next := range map[int]string{
		http.StatusUnauthorized: "docker login", http.StatusForbidden: "docker login",
	} {
		refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
			w.WriteHeader(status)
		}))
		t.Cleanup(refuses.Close)
		host := strings.TrimPrefix(refuses.URL, "http://")
		f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", "FROM "+host+
			"/private/base:1\n")
		_, err := f.build(t.Context(), "")
		wants(t, err, fault.Registry, `building "a"`, host+"/private/base", next)
	}
}

func TestIntegrationARefusedPushFails(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {image: \"127.0.0.1:1/org/a:1\", build: .}\n", "Dockerfile",
		"FROM scratch\nCOPY x /\n", "x", "x")
	f.with = func(o *image.Options) { o.Push = true }
	_, err := f.build(t.Context(), "")
	wants(t, err, fault.Registry, `building "a"`, "127.0.0.1:1")
}

func TestIntegrationAContextOutsideTheProjectIsSaid(t *testing.T) {
	elsewhere := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": "FROM scratch\nCOPY x /\n", "x": "x"} {
		if err := os.WriteFile(filepath.Join(elsewhere, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: "+elsewhere+"}\n  b: {build: .}\n", "Dockerfile",
		"FROM scratch\nCOPY x /\n", "x", "x")
	f.mustBuild()
	contains(t, f.out.String(), "build context \""+elsewhere+"\" is outside the project")
	if strings.Contains(f.out.String(), f.dir+"\" is outside") {
		t.Error("the project's own directory counts as outside")
	}
}

func TestIntegrationSymlinkLoopsAreCopiedAsTheyAre(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", "FROM scratch\nCOPY . /\n")
	for link, to := range map[string]string{"one": "two", "two": "one", "self": ".", "up": ".."} {
		if err := os.Symlink(to, filepath.Join(f.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	f.mustBuild()
	contains(t, f.listing(f.name+"-a"), "one 2 120777 0:0 two", "self 2 120777 0:0 .", "up 2 120777 0:0 ..")
}

func TestIntegrationTwoBuildsAtOnceBothGiveTheRightImage(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n  b: {build: {context: ., args: {X: b}}}\n",
		"Dockerfile",
		"FROM scratch\nARG X\nCOPY file /\nLABEL x=$X\n", "file", "of both")
	g := &fixture{t: t, dir: f.dir, name: f.name, engine: f.engine, memory: f.memory}
	var both sync.WaitGroup
	t.Setenv("COMPOSE_PROJECT_NAME", f.name)
	for _, x := range []*fixture{f, g} {
		project := x.load().Project
		both.Go(func() {
			if _, err := x.buildProject(context.Background(), project, ""); err != nil {
				t.Errorf("%v\n%s", err, x.out.String())
			}
		})
	}
	both.Wait()
	for _, service := range []string{"a", "b"} {
		if files := f.export(f.name + "-" + service); files["file"] != "of both" {
			t.Errorf("%s: %v", service, files)
		}
	}
}
