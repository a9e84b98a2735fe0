//go:build integration

package parity

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakeEngine has every image, no container, and makes networks and volumes by saying so. It refuses to make a
// container, but keeps the labels: only they say which files and directory docker compose has read.
type fakeEngine struct {
	host    string
	mu      sync.Mutex
	created *container
}

// container is what a request to make one says of interest here.
type container struct {
	Name   string
	Image  string
	Labels map[string]string
}

func serveEngine(t *testing.T) *fakeEngine {
	t.Helper()
	// A socket's path must be short.
	dir, err := os.MkdirTemp("", "parity")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	e := &fakeEngine{host: "unix://" + path}
	server := &http.Server{Handler: e}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		_ = os.RemoveAll(dir)
	})
	return e
}

// firstContainer is the one that was asked for first; nil where none was.
func (e *fakeEngine) firstContainer() *container {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.created
}

func (e *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.44")
	w.Header().Set("Content-Type", "application/json")
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/_ping"):
		fmt.Fprint(w, "OK")
	case strings.HasSuffix(path, "/version"):
		fmt.Fprint(w, `{"ApiVersion":"1.44","MinAPIVersion":"1.24","Version":"25.0.0","Os":"linux","Arch":"amd64"}`)
	case strings.HasSuffix(path, "/info"):
		fmt.Fprint(w, `{"OSType":"linux","Architecture":"x86_64","NCPU":2,"MemTotal":8589934592}`)
	case strings.HasSuffix(path, "/containers/create"):
		c := &container{Name: r.URL.Query().Get("name")}
		_ = json.NewDecoder(r.Body).Decode(c)
		e.mu.Lock()
		if e.created == nil {
			e.created = c
		}
		e.mu.Unlock()
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"message":"no container is made here"}`)
	case strings.Contains(path, "/images/") && strings.HasSuffix(path, "/json"):
		fmt.Fprint(w, `{"Id":"sha256:`+strings.Repeat("a", 64)+`","Os":"linux","Architecture":"amd64","Config":{}}`)
	case strings.HasSuffix(path, "/containers/json"), strings.HasSuffix(path, "/images/json"),
		strings.HasSuffix(path, "/networks"):
		fmt.Fprint(w, `[]`)
	case strings.HasSuffix(path, "/volumes"):
		fmt.Fprint(w, `{"Volumes":[]}`)
	case strings.HasSuffix(path, "/networks/create"):
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"Id":"n"}`)
	case strings.HasSuffix(path, "/volumes/create"):
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"Name":"v"}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message":"no such thing: `+r.Method+" "+path+`"}`)
	}
}
