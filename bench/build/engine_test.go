package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// serve is an engine that answers as handler does.
func serve(t *testing.T, handler http.HandlerFunc) *engineAPI {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return newEngineAPI("unix://" + socket)
}

func TestCounterPassesOnAndCounts(t *testing.T) {
	var got int64
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"Version":"1"}`)
	})
	c, err := e.count(filepath.Join(t.TempDir(), "c"))
	if err != nil {
		t.Fatal(err)
	}
	through := newEngineAPI(c.host)
	body := strings.NewReader(strings.Repeat("x", 1<<20))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://engine/load", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := through.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	through.client.CloseIdleConnections()
	if n := c.close(); got != 1<<20 || n < 1<<20 || n > 1<<20+1000 {
		t.Errorf("the engine got %d bytes, counted %d", got, n)
	}
}

func TestImagesOfTheBenchAreRemoved(t *testing.T) {
	var removed []string
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			removed = append(removed, r.URL.Path)
			return
		}
		if !strings.Contains(r.URL.Query().Get("filters"), "bench-mage/*") {
			t.Errorf("it lists all images: %s", r.URL)
		}
		_, _ = io.WriteString(w, `[{"RepoTags":["bench-mage/a:latest","bench-mage/b:latest"]},{"RepoTags":null}]`)
	})
	if err := e.removeImages(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(removed, " "); got != "/images/bench-mage/a:latest /images/bench-mage/b:latest" {
		t.Errorf("removed %s", got)
	}
}

func TestMissingImagesHaveNoID(t *testing.T) {
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/images/here:latest/json" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"Id":"sha256:1"}`)
	})
	got := e.ids(t.Context(), []string{"here:latest", "gone:latest"})
	if len(got) != 1 || got["here:latest"] != "sha256:1" {
		t.Errorf("got %v", got)
	}
}
