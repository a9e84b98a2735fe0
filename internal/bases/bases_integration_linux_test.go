//go:build integration

package bases_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
)

// front stands before the registry in TEST_REGISTRY, notes what it is asked and can be cut off.
type front struct {
	address string // host:port
	mu      sync.Mutex
	asked   []string
	cut     bool
}

func newFront(t *testing.T) *front {
	t.Helper()
	enginetest.Base(t)
	registry := enginetest.Registry(t)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry})
	f := &front{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r.Method+" "+r.URL.Path)
		cut := f.cut
		f.mu.Unlock()
		if cut {
			http.Error(w, "the route is broken", http.StatusBadGateway)
			return
		}
		r.Host = registry
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.address = strings.TrimPrefix(server.URL, "http://")
	return f
}

// requests gives what was asked since the last call.
func (f *front) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

func (f *front) cutOff() {
	f.mu.Lock()
	f.cut = true
	f.mu.Unlock()
}

// build builds the Dockerfile with a context of one file.
func build(t *testing.T, c *client.Client, dockerfile, file string, lock bases.Lock) error {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": dockerfile, "file": file} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fs, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Solve(t.Context(), nil, client.SolveOpt{
		Frontend: "dockerfile.v0", LocalMounts: map[string]fsutil.FS{"context": fs, "dockerfile": fs},
		Exports:      []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{}}},
		SourcePolicy: lock.Policy(),
	}, nil)
	return err
}

// resolve locks refs through the builder.
func resolve(t *testing.T, c *client.Client, refs ...string) bases.Lock {
	t.Helper()
	lock, changes, err := bases.Refresh(t.Context(), registry.Builder{Client: c}, refs, bases.Lock{}, bases.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) != len(refs) {
		t.Fatalf("changes %v of %v", changes, refs)
	}
	return lock
}

// forget drops what BuildKit keeps for the five minutes after a build: only what the images themselves hold is left.
func forget(t *testing.T, c *client.Client) {
	t.Helper()
	if err := c.Prune(t.Context(), nil, client.WithFilter([]string{"id==none"})); err != nil {
		t.Fatal(err)
	}
}

const everyKind = `FROM REGISTRY/library/debian:bookworm-slim AS a
COPY file /
RUN cat /file
FROM scratch
COPY --from=REGISTRY/library/debian:bookworm-slim /etc/debian_version /
COPY --from=a /file /
`

func TestIntegrationLockedBasesAskNoRegistry(t *testing.T) {
	f, b := newFront(t), enginetest.Builder(t)
	c := b.Client()
	dockerfile := strings.ReplaceAll(everyKind, "REGISTRY", f.address)
	lock := resolve(t, c, f.address+"/library/debian:bookworm-slim")
	if len(f.requests()) == 0 {
		t.Fatal("resolving asked nothing: the registry is not behind the front")
	}
	if err := build(t, c, dockerfile, "one", lock); err != nil {
		t.Fatal(err)
	}
	if len(f.requests()) == 0 {
		t.Fatal("the first build asked nothing: where did the layers come from?")
	}
	forget(t, c)
	if err := build(t, c, dockerfile, "one", bases.Lock{}); err != nil {
		t.Fatal(err)
	}
	if len(f.requests()) == 0 {
		t.Fatal("a build without a lock asked nothing: this test would show nothing")
	}
	for _, file := range []string{"one", "two"} {
		forget(t, c)
		if err := build(t, c, dockerfile, file, lock); err != nil {
			t.Fatal(err)
		}
		if asked := f.requests(); len(asked) > 0 {
			t.Errorf("the locked build of %q asked %d times: %s", file, len(asked), strings.Join(asked, ", "))
		}
	}
	f.cutOff()
	if err := build(t, c, dockerfile, "three", bases.Lock{}); err == nil {
		t.Error("the route is broken and a build without a lock did not notice")
	}
	f.requests()
	b.Stop()
	b.Start()
	if err := build(t, b.Client(), dockerfile, "four", lock); err != nil {
		t.Errorf("broken route, builder started anew: %v", err)
	}
	// A builder that has not yet heard of the registry greets it once (see Lock.Policy) and does not mind the answer.
	for _, asked := range f.requests() {
		if !strings.HasPrefix(asked, "HEAD ") || !strings.Contains(asked, "/manifests/sha256:") {
			t.Errorf("asked %s", asked)
		}
	}
}

// Under Docker Hub's names, through a mirror, as where setup made the bases.
func TestIntegrationLockedBasesOfTheHubAskNoMirror(t *testing.T) {
	f := newFront(t)
	b := enginetest.Builder(t, f.address)
	c := b.Client()
	const dockerfile = "FROM debian:bookworm-slim\nCOPY file /\nRUN cat /file\n"
	lock := resolve(t, c, "debian:bookworm-slim")
	if err := build(t, c, dockerfile, "one", lock); err != nil {
		t.Fatal(err)
	}
	if asked := f.requests(); len(asked) == 0 {
		t.Fatal("the mirror was not asked: this test would show nothing")
	}
	f.cutOff()
	forget(t, c)
	if err := build(t, c, dockerfile, "two", lock); err != nil {
		t.Error(err)
	}
	if asked := f.requests(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
}

// A locked digest decides, whatever the tag says by now.
func TestIntegrationLockedBasesWinOverTheTag(t *testing.T) {
	f, c := newFront(t), enginetest.Builder(t).Client()
	ref := f.address + "/library/debian:bookworm-slim"
	absent := digest.FromString("no such manifest")
	lock, err := bases.New(map[string]digest.Digest{ref: absent})
	if err != nil {
		t.Fatal(err)
	}
	err = build(t, c, "FROM "+ref+"\nCOPY file /\n", "one", lock)
	if err == nil || !strings.Contains(err.Error(), absent.String()) {
		t.Errorf("got %v, want that %s is not there", err, absent)
	}
}

func TestIntegrationRefreshFailsWholeWhereOneRegistryIsAway(t *testing.T) {
	f, c := newFront(t), enginetest.Builder(t).Client()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := l.Addr().String() + "/a/b:1"
	_ = l.Close()
	here, missing := f.address+"/library/debian:bookworm-slim", f.address+"/library/debian:no-such-tag"
	old, err := bases.New(map[string]digest.Digest{here: digest.FromString("old")})
	if err != nil {
		t.Fatal(err)
	}
	lock, changes,
		err := bases.Refresh(t.Context(), registry.Builder{Client: c}, []string{away, here, missing}, old, bases.Lock{})
	var known *fault.Error
	if !errors.As(err, &known) || known.Code != fault.Registry || lock.Len() > 0 || len(changes) > 0 {
		t.Fatalf("got %v, %v, %v", lock.Refs(), changes, err)
	}
	for _, want := range []string{away, "connection refused", missing, "not found"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), here+`"`) {
		t.Errorf("it blames %s, which is there: %v", here, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _,
		err := bases.Refresh(ctx, registry.Builder{Client: c}, []string{here}, old, bases.Lock{}); !errors.Is(err,
		context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
