//go:build integration

package integration

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/image"
)

// stoppingRegistry keeps what it is given. Once it stops, it gives only the beginning of what is large.
type stoppingRegistry struct {
	stops atomic.Bool
	kept  sync.Map // by digest and by tag
}

// keptBlob is what was put, and what it was said to be.
type keptBlob struct {
	kind string
	data []byte
}

func (s *stoppingRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		w.Header().Set("Location", r.URL.Path+"1")
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPut:
		data, _ := io.ReadAll(r.Body)
		blob := keptBlob{r.Header.Get("Content-Type"), data}
		s.kept.Store(digest.FromBytes(data).String(), blob)
		s.kept.Store(path.Base(r.URL.Path), blob)
		w.WriteHeader(http.StatusCreated)
	default:
		found, ok := s.kept.Load(path.Base(r.URL.Path))
		if r.URL.Path == "/v2/" || !ok {
			if !ok && r.URL.Path != "/v2/" {
				http.NotFound(w, r)
			}
			return
		}
		blob := found.(keptBlob)
		w.Header().Set("Content-Type", blob.kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(blob.data)))
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(blob.data).String())
		if r.Method == http.MethodGet && s.stops.Load() && len(blob.data) > 1<<20 {
			_, _ = w.Write(blob.data[:1<<19])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = w.Write(blob.data)
	}
}

// TestIntegrationALayerOfTheCacheStopsComing builds on a builder that has nothing, with a cache that names the first
// step's result and gives half of it: the step runs instead. It is of the long form (HOSTILE=1).
func TestIntegrationALayerOfTheCacheStopsComing(t *testing.T) {
	if os.Getenv("HOSTILE") == "" {
		t.Skip("set HOSTILE=1")
	}
	registry := &stoppingRegistry{}
	server := httptest.NewServer(registry)
	t.Cleanup(func() { _ = server.Config.Close() })
	cache := server.Listener.Addr().String() + "/cache"
	f := newFixture(t, "compose.yaml",
		"services: {a: {build: {context: ., dockerfile_inline: \"FROM scratch\\nCOPY x /x\\nCOPY y /y\"}}}\n")
	f.on(enginetest.Builder(t))
	data := make([]byte, 4<<20)
	_, _ = rand.Read(data)
	f.write("x", string(data))
	f.write("y", "first")
	if results, err := f.build(t.Context(), cache); err != nil || len(results[0].Warnings) > 0 {
		t.Fatalf("%v, %v", err, results)
	}
	registry.stops.Store(true)
	f.on(enginetest.Builder(t))
	f.write("y", "second")
	begun := time.Now()
	results, err := f.build(t.Context(), cache)
	took := time.Since(begun)
	if err != nil || results[0].State != image.Loaded || results[0].Built != 2 ||
		!strings.Contains(strings.Join(results[0].Warnings, " "), cache) {
		t.Errorf("%v\n%s", err, f.out.String())
	}
	if took < 20*time.Second || took > time.Minute {
		t.Errorf("it took %s", took)
	}
	t.Logf("%s: %q", took.Round(time.Millisecond), results[0].Warnings)
}
