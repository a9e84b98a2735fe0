package image

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/registry"
)

func TestReadCache(t *testing.T) {
	for value, want := range map[string]string{
		"":                             "",
		"none":                         "",
		"127.0.0.1:5000":               "registry 127.0.0.1:5000/p/s:cache-feature-x",
		"ghcr.io/org/repo/":            "registry ghcr.io/org/repo/p/s:cache-feature-x",
		"type=registry,ref=ghcr.io/o":  "registry ghcr.io/o/p/s:cache-feature-x",
		"type=gha":                     "gha p/s/cache-feature-x",
		"type=gha,scope=ci":            "gha ci/p/s/cache-feature-x",
		"type=local,dest=/var/cache/b": "local /var/cache/b/p/s",
	} {
		c, err := ReadCache(value)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		c.Branch = "feature/x"
		var got string
		for _, e := range (Target{CacheImage: "p/s"}).exports(c) {
			got = e.Type + " " + place(e)
			if e.Attrs["mode"] != "max" || e.Attrs["ignore-error"] != "true" || e.Attrs["compression"] != "zstd" {
				t.Errorf("%q: exported as %v", value, e.Attrs)
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
	for _, bad := range []string{"type=s3,bucket=x", "type=local", "type=registry", "=", "type="} {
		_, err := ReadCache(bad)
		var typed *fault.Error
		if !errors.As(err, &typed) || typed.Code != fault.Usage {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestImportsFallBackToMain(t *testing.T) {
	c, err := ReadCache("reg:5000")
	if err != nil {
		t.Fatal(err)
	}
	target := Target{CacheImage: "p/s", Build: types.BuildConfig{CacheFrom: []string{"example/own:cache"}}}
	places := func() string {
		var out []string
		for _, e := range target.imports(c) {
			out = append(out, place(e))
		}
		return strings.Join(out, " ")
	}
	if got := places(); got != "reg:5000/p/s:cache-main example/own:cache" {
		t.Errorf("on main: %s", got)
	}
	c.Branch = "topic"
	if got := places(); got != "reg:5000/p/s:cache-topic reg:5000/p/s:cache-main example/own:cache" {
		t.Errorf("on a branch: %s", got)
	}
	if c.Write = false; len(target.exports(c)) != 0 {
		t.Error("a cache that is only read is written")
	}
}

func TestOwnCachesAreWritten(t *testing.T) {
	target := Target{CacheImage: "p/s", Build: types.BuildConfig{CacheTo: []string{"type=inline", `type=registry,"ref=own/cache"`}}}
	for value, want := range map[string]int{"none": 1, "": 1, "reg:5000": 2} {
		c, err := ReadCache(value)
		if err != nil {
			t.Fatal(err)
		}
		got := target.exports(c)
		if len(got) != want || got[len(got)-1].Attrs["ref"] != "own/cache" {
			t.Errorf("%q: %v", value, got)
		}
		if c.Write = false; len(target.exports(c)) != 0 {
			t.Errorf("%q: written all the same", value)
		}
	}
	if in := target.inline(); len(in) != 1 || in[0].Type != "inline" {
		t.Errorf("inline: %v", in)
	}
	yes := "1"
	byArgument := Target{Build: types.BuildConfig{Args: types.MappingWithEquals{"BUILDKIT_INLINE_CACHE": &yes}}}
	if len(byArgument.inline()) != 1 || len((Target{}).inline()) != 0 {
		t.Error("an inline cache by argument, or none")
	}
}

func TestTagFitsARegistry(t *testing.T) {
	for branch, want := range map[string]string{
		"main": "cache-main", "feature/Ünïcode #1": "cache-feature-n-code-1", strings.Repeat("x", 200): "cache-" + strings.Repeat("x", 122),
	} {
		if got := tag(branch); got != want {
			t.Errorf("%q: %q", branch, got)
		}
	}
}

func TestBranch(t *testing.T) {
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	repo, tree := filepath.Join(root, "repo"), filepath.Join(root, "tree")
	write(filepath.Join(repo, ".git", "HEAD"), "ref: refs/heads/feature/x\n")
	write(filepath.Join(repo, "deep", "er", "file"), "")
	write(filepath.Join(repo, ".git", "worktrees", "tree", "HEAD"), "ref: refs/heads/other\n")
	write(filepath.Join(tree, ".git"), "gitdir: ../repo/.git/worktrees/tree\n")
	detached := filepath.Join(root, "detached")
	write(filepath.Join(detached, ".git", "HEAD"), "0123456789012345678901234567890123456789\n")
	env := map[string]string{}
	lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	for dir, want := range map[string]string{repo: "feature/x", filepath.Join(repo, "deep", "er"): "feature/x", tree: "other", detached: "", root: ""} {
		if got := Branch(dir, lookup); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
	env["GITHUB_REF_NAME"] = "12/merge"
	if got := Branch(repo, lookup); got != "12/merge" {
		t.Errorf("a push: %q", got)
	}
	if env["GITHUB_HEAD_REF"] = "topic"; Branch(repo, lookup) != "topic" {
		t.Error("a pull request's branch is not GITHUB_HEAD_REF")
	}
}

func TestReach(t *testing.T) {
	denies := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer denies.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var outside string // plain HTTP at an address that is not this machine's loopback
	if addresses, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addresses {
			if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
				outside = ip.IP.String()
			}
		}
	}
	closed := l.Addr().String()
	_ = l.Close()
	for prefix, want := range map[string]string{
		strings.TrimPrefix(denies.URL, "http://") + "/path": "", // credentials are the builder's to have
		closed:                          "connection refused",
		"registry.invalid/org":          "no such host",
		"registry.invalid:99999/broken": "invalid port",
	} {
		err := Cache{Type: "registry", Prefix: prefix}.reach(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "lookup") {
			t.Errorf("%s: %v, want %q", prefix, err, want)
		}
	}
	if plain, err := net.Listen("tcp", outside+":0"); outside != "" && err == nil {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Listener = plain
		server.Start()
		defer server.Close()
		if err := (Cache{Type: "registry", Prefix: plain.Addr().String()}).reach(t.Context()); err != nil {
			t.Errorf("plain HTTP is the builder's to allow: %v", err)
		}
	}
	// The registry that setup started answers for itself: another on its port is asked nothing.
	asked := 0
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer stranger.Close()
	address := strings.TrimPrefix(stranger.URL, "http://")
	dir := t.TempDir()
	if _, err := registry.IdentityIn(dir).Ensure(); err != nil {
		t.Fatal(err)
	}
	if err := (Cache{Type: "registry", Prefix: address, Local: registry.Open(dir, address)}).reach(t.Context()); !registry.Stranger(err) || asked > 0 {
		t.Errorf("a stranger on the local registry's port: %v, asked %d times", err, asked)
	}
	if err := (Cache{Type: "gha"}).reach(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSilenceOfAnExport gives a registry the time that a slow one needs for what is being written.
func TestSilenceOfAnExport(t *testing.T) {
	sizes := map[string]int64{"small": 2048, "large": 10 << 20, "huge": 1 << 40}
	for name, c := range map[string]struct {
		begun, ended []string
		want         time.Duration
	}{
		"packing":           {[]string{"preparing build cache for export"}, nil, layerWithin},
		"a manifest":        {[]string{"writing cache image manifest sha256:1"}, nil, pieceWithin},
		"a small layer":     {[]string{"writing layer small"}, nil, pieceWithin},
		"the largest":       {[]string{"writing layer small", "writing layer large"}, nil, pieceWithin + 80*time.Second},
		"a large one ended": {[]string{"writing layer small", "writing layer large"}, []string{"writing layer large"}, pieceWithin},
		"a huge layer":      {[]string{"writing layer huge"}, nil, layerWithin},
		"of unknown size":   {[]string{"writing layer gone"}, nil, layerWithin},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRecorder("app", nil)
			r.size = func(d digest.Digest) (int64, error) {
				if size, ok := sizes[d.String()]; ok {
					return size, nil
				}
				return 0, errors.New("no such blob")
			}
			r.update(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: "v", Name: "exporting cache to registry"}}})
			for _, id := range c.begun {
				r.update(&client.SolveStatus{Statuses: []*client.VertexStatus{{Vertex: "v", ID: id}}})
			}
			now := time.Now()
			for _, id := range c.ended {
				r.update(&client.SolveStatus{Statuses: []*client.VertexStatus{{Vertex: "v", ID: id, Completed: &now}}})
			}
			synctest.Wait() // for the sizes
			r.mu.Lock()
			defer r.mu.Unlock()
			if got := r.writeWithin(); got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		})
	}
}

// TestLayerThatStopsComing ends a solve that waits for a layer of a cache, and no other: the builder says ten times a second how far it is.
func TestLayerThatStopsComing(t *testing.T) {
	started := time.Now()
	for name, c := range map[string]struct {
		step   string
		cached bool
		id     string
		rate   int64         // bytes in a second
		within time.Duration // 0 for never
	}{
		"a cached step": {"[1/2] COPY x /x", true, "sha256:1", 0, stepWithin + 2*time.Second},
		"a slow one":    {"[1/2] COPY x /x", true, "sha256:1", 1, 0},
		"its unpacking": {"[1/2] COPY x /x", true, "extracting sha256:1", 0, 0},
		"one that runs": {"[1/2] RUN x", false, "sha256:1", 0, 0},
		"a base":        {"[1/2] FROM x", false, "sha256:1", 0, layerWithin + 2*time.Second},
		"a slow base":   {"[1/2] FROM x", false, "sha256:1", 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, stopped := newRecorder("app", nil), error(nil)
			r.stop = func(err error) { stopped = err }
			r.update(&client.SolveStatus{Vertexes: []*client.Vertex{{Digest: "v", Name: c.step, Cached: c.cached, Started: &started}}})
			begun := time.Now()
			for time.Since(begun) < 10*time.Minute && stopped == nil {
				far := int64(time.Since(begun).Seconds()) * c.rate
				r.update(&client.SolveStatus{Statuses: []*client.VertexStatus{{Vertex: "v", ID: c.id, Current: far, Total: 1 << 20}}})
				r.endSilent()
				time.Sleep(time.Second)
			}
			if took := time.Since(begun); (stopped != nil) != (c.within > 0) || stopped != nil && took > c.within {
				t.Errorf("%s: after %s: %v", name, took, stopped)
			}
			if c.cached && stopped != nil && !errors.Is(stopped, errLayerSilent) {
				t.Errorf("%s: %v", name, stopped)
			}
		})
	}
}
