package models

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// weights is a file of 1 MiB that starts as a ggml model does.
func weights() []byte {
	b := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	copy(b, magic)
	return b
}

// hub serves one model in the ways that real servers do, good and bad, and keeps what it was asked.
type hub struct {
	*httptest.Server
	data     []byte
	drop     int  // answers that break off after a third of what is left
	noRange  bool // answers every request from byte 0
	status   int  // answers this instead
	statuses int  // so many times; 0: always
	etag     string
	ranges   []string // what was asked for
}

func newHub(t *testing.T) *hub {
	h := &hub{data: weights(), etag: `"v1"`}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.ranges = append(h.ranges, r.Header.Get("Range"))
	if h.status != 0 {
		w.WriteHeader(h.status)
		if h.statuses--; h.statuses == 0 {
			h.status = 0
		}
		return
	}
	if h.noRange {
		r.Header.Del("Range")
	}
	w.Header().Set("ETag", h.etag)
	if h.drop > 0 {
		h.drop--
		w = &breaking{ResponseWriter: w, left: len(h.data) / 3}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(h.data))
}

// breaking cuts the connection after so many bytes.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) > b.left {
		_, _ = b.ResponseWriter.Write(p[:b.left])
		b.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	return b.ResponseWriter.Write(p)
}

func quick(t *testing.T) {
	pause, stall := firstPause, stallTimeout
	firstPause, stallTimeout = time.Millisecond, 300*time.Millisecond
	t.Cleanup(func() { firstPause, stallTimeout = pause, stall })
}

func (h *hub) download(dir string) download {
	return download{client: h.Client(), url: h.URL + "/ggml-tiny.bin", dir: dir, file: "ggml-tiny.bin", most: maxModel}
}

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func TestFetch(t *testing.T) {
	quick(t)
	third := len(weights()) / 3
	for name, c := range map[string]struct {
		set    func(h *hub, d download)
		ranges []string
	}{
		"at once":      {func(*hub, download) {}, []string{""}},
		"dropped once": {func(h *hub, _ download) { h.drop = 1 }, []string{"", fmt.Sprintf("bytes=%d-", third)}},
		"dropped, no ranges": {
			func(h *hub, _ download) { h.drop, h.noRange = 1, true }, []string{"", fmt.Sprintf("bytes=%d-", third)},
		},
		"overloaded twice": {func(h *hub, _ download) { h.status, h.statuses = 503, 2 }, []string{"", "", ""}},
		"resumes an earlier run": {func(h *hub, d download) {
			write(d.part(), h.data[:1000])
			write(d.etag(), []byte(h.etag))
		}, []string{"bytes=1000-"}},
		"the file changed since": {func(h *hub, d download) {
			write(d.part(), []byte("of another version"))
			write(d.etag(), []byte(`"v0"`))
		}, []string{"bytes=18-"}}, // If-Range makes the server answer with the whole
		"the part is the whole": {
			func(h *hub, d download) { write(d.part(), h.data) }, []string{fmt.Sprintf("bytes=%d-", len(weights()))},
		},
		"the part is too long": {
			func(h *hub, d download) { write(d.part(), append(weights(), 1)) },
			[]string{fmt.Sprintf("bytes=%d-", len(weights())+1), ""},
		},
		"fetched before": {func(h *hub, d download) { write(d.path(), h.data) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			d := h.download(t.TempDir())
			c.set(h, d)
			if err := d.fetch(t.Context(), func(string) {}); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(d.path()); !bytes.Equal(got, h.data) {
				t.Errorf("%d bytes, want the %d of the hub", len(got), len(h.data))
			}
			if !slices.Equal(h.ranges, c.ranges) {
				t.Errorf("asked for %q, want %q", h.ranges, c.ranges)
			}
			if err := d.verify(sum(h.data)); err != nil {
				t.Error(err)
			}
		})
	}
}

func write(path string, data []byte) {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		panic(err)
	}
}

func TestFetchFails(t *testing.T) {
	quick(t)
	for name, c := range map[string]struct {
		set   func(h *hub)
		want  string
		asked int
	}{
		"not found":         {func(h *hub) { h.status = 404 }, "the server answers 404 Not Found", 1},
		"always overloaded": {func(h *hub) { h.status = 503 }, "503 Service Unavailable", maxStalls},
		"gone":              {func(h *hub) { h.Close() }, "connection refused", 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			c.set(h)
			err := h.download(t.TempDir()).fetch(t.Context(), func(string) {})
			var f *fault.Error
			if !errors.As(err, &f) || !strings.Contains(err.Error(), c.want) || f.Next == "" {
				t.Errorf("got %v, want a fault with %q", err, c.want)
			}
			if len(h.ranges) != c.asked {
				t.Errorf("asked %d times, want %d", len(h.ranges), c.asked)
			}
		})
	}
}

// TestStalledConnection guards against a server that accepts, sends a little and then nothing: no timeout of net/http
// covers it.
func TestStalledConnection(t *testing.T) {
	quick(t)
	data, asked := weights(), 0
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:5000])
		w.(http.Flusher).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	d := download{client: server.Client(), url: server.URL, dir: t.TempDir(), file: "m", most: maxModel}
	if err := d.fetch(t.Context(), func(string) {}); err != nil {
		t.Fatal(err)
	}
	if asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
	if err := d.verify(sum(data)); err != nil {
		t.Error(err)
	}
}

func TestVerify(t *testing.T) {
	good := weights()
	sha := sha1.Sum(good)
	for name, c := range map[string]struct {
		data []byte
		sum  string
		want string
	}{
		"SHA-256":   {good, sum(good), ""},
		"SHA-1":     {good, hex.EncodeToString(sha[:]), ""},
		"wrong sum": {good, strings.Repeat("0", 40), "its checksum is " + hex.EncodeToString(sha[:])},
		"no model":  {[]byte("<html>sign in</html>"), sum(good), `it is no ggml model: it starts with "<htm"`},
		"empty":     {nil, sum(good), "it is no ggml model"},
	} {
		t.Run(name, func(t *testing.T) {
			d := download{url: "http://hub/m", dir: t.TempDir(), file: "m"}
			write(d.path(), c.data)
			err := d.verify(c.sum)
			_, gone := os.Stat(d.path())
			if c.want == "" {
				if err != nil || gone != nil {
					t.Errorf("got %v, file: %v", err, gone)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || gone == nil {
				t.Errorf("got %v (file kept: %v), want %q and no file", err, gone == nil, c.want)
			}
		})
	}
}

func TestComplete(t *testing.T) {
	project := &types.Project{Name: "p", Volumes: types.Volumes{"whisper-models": {}}}
	for name, c := range map[string]struct {
		o    Options
		want string
		code fault.Code
	}{
		"known": {Options{Name: "tiny"}, "", 0},
		"misspelt": {
			Options{Name: "lagre-v3"}, `unknown model "lagre-v3" (did you mean "large-v3"?)`, fault.Usage,
		},
		"own, with sum": {Options{Name: "french-q8", Sum: strings.Repeat("A", 64)}, "", 0},
		"path": {
			Options{Name: "../etc", Sum: strings.Repeat("a", 64)}, `unknown model "../etc"`, fault.Usage,
		},
		"bad sum": {Options{Name: "tiny", Sum: "abc"}, `checksum "abc" is neither`, fault.Usage},
		"another volume": {
			Options{Name: "tiny", Volume: "whisper-model"},
			`has no volume "whisper-model" (did you mean "whisper-models"?)`, fault.Config,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Project, c.o.Dir = project, t.TempDir()
			_, err := c.o.complete()
			var f *fault.Error
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if !errors.As(err, &f) || f.Code != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestPublishedSumsAreSHA1(t *testing.T) {
	for name, s := range published {
		if b, err := hex.DecodeString(s); err != nil || len(b) != sha1.Size {
			t.Errorf("%s: %q", name, s)
		}
	}
}

func TestContentRange(t *testing.T) {
	for header, want := range map[string]string{
		"bytes 10-99/100": "10 100 true", "bytes */100": "0 100 true", "bytes 10-99/*": "0 -1 false", "": "0 -1 false",
		"bytes x-9/10": "0 10 false",
	} {
		start, total, ok := contentRange(header)
		if got := fmt.Sprint(start, total, ok); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
