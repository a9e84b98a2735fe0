//go:build integration

package integration

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/image"
)

// TestIntegrationHostileCaches builds with a cache of each kind: the image is made all the same within a minute, and
// what was wrong with the cache is said. One whose manifest does not end comes first after the quick ones: a builder
// that imported it would be held for all others.
func TestIntegrationHostileCaches(t *testing.T) {
	addresses, _ := serveHostile(t)
	addresses["never-written"] = serveUnwritten(t, func(r *http.Request) { <-r.Context().Done() })
	kinds := append(kindsOfRegistry(), "never-written")
	if os.Getenv("HOSTILE") == "" {
		kinds = []string{"closes", "endless", "file", "no-json"}
	}
	loggedIn(t, addresses)
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			f := newFixture(t, "compose.yaml",
				"services: {a: {build: {context: ., dockerfile_inline: \"FROM scratch\\nCOPY x /x\"}}}\n")
			f.write("x", kind+f.name)
			begun := time.Now()
			results, err := f.build(context.Background(), addresses[kind]+"/cache")
			if err != nil || len(results) != 1 || results[0].State != image.Loaded {
				t.Fatalf("%v\n%s", err, f.out.String())
			}
			said := strings.Join(results[0].Warnings, " ") + f.out.String()
			if !strings.Contains(said, addresses[kind]) || strings.Contains(said, "s3cret") {
				t.Errorf("nothing is said of the cache: %s", said)
			}
			if took := time.Since(begun); took > time.Minute {
				t.Errorf("it took %s", took)
			}
			t.Logf("%s: %s", time.Since(begun).Round(time.Millisecond), said)
		})
	}
}

// serveUnwritten serves a registry that has nothing, and to which nothing is written before wait has returned.
func serveUnwritten(t *testing.T, wait func(*http.Request)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/":
		case r.Method == http.MethodPost:
			wait(r)
			w.Header().Set("Location", r.URL.Path+"1")
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodPut:
			wait(r)
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(func() { _ = server.Config.Close() })
	return server.Listener.Addr().String()
}

// TestIntegrationSlowCache writes the cache to a registry that takes longer for each request than it takes to say of
// one that it is silent, in all: nothing is cut off. It is of the long form (HOSTILE=1).
func TestIntegrationSlowCache(t *testing.T) {
	if os.Getenv("HOSTILE") == "" {
		t.Skip("set HOSTILE=1")
	}
	slow := serveUnwritten(t, func(*http.Request) { time.Sleep(8 * time.Second) })
	for _, noCache := range []bool{false, true} { // in a solve of its own, in the one that makes the image
		f := newFixture(t, "compose.yaml",
			"services: {a: {build: {context: ., dockerfile_inline: \"FROM scratch\\nCOPY x /x\\nCOPY y /y\"}}}\n")
		f.noCache = noCache
		data := make([]byte, 4<<20)
		_, _ = rand.Read(data)
		f.write("x", string(data))
		f.write("y", f.name)
		begun := time.Now()
		results, err := f.build(context.Background(), slow+"/cache")
		if err != nil || len(results) != 1 || results[0].State != image.Loaded || len(results[0].Warnings) > 0 {
			t.Errorf("%v\n%s", err, f.out.String())
		}
		if took := time.Since(begun); took < 20*time.Second {
			t.Errorf("it was not slow: %s", took)
		}
		t.Logf("%s", time.Since(begun).Round(time.Millisecond))
	}
}

// TestIntegrationNeverWritten builds without the builder's cache, where the solve that makes the image writes the
// cache too: one that is never written costs a warning. It is of the long form (HOSTILE=1).
func TestIntegrationNeverWritten(t *testing.T) {
	if os.Getenv("HOSTILE") == "" {
		t.Skip("set HOSTILE=1")
	}
	address := serveUnwritten(t, func(r *http.Request) { <-r.Context().Done() })
	f := newFixture(t, "compose.yaml",
		"services: {a: {build: {context: ., dockerfile_inline: \"FROM scratch\\nCOPY x /x\"}}}\n")
	f.write("x", f.name)
	f.noCache = true
	begun := time.Now()
	results, err := f.build(context.Background(), address+"/cache")
	if err != nil || len(results) != 1 || results[0].State != image.Loaded ||
		!strings.Contains(strings.Join(results[0].Warnings, " "), address) {
		t.Errorf("%v\n%s", err, f.out.String())
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	t.Logf("%s", time.Since(begun).Round(time.Millisecond))
}
