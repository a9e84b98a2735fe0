//go:build integration

package enginetest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/verify"
)

// Where Docker Hub is there, setup pushes no base to the local registry: here that is played by one that first denies
// it.
func TestIntegrationBaseIsCopiedWhereTheRegistryLacksIt(t *testing.T) {
	real := Registry(t)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: real})
	denied, pushed := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && strings.HasSuffix(r.URL.Path, "/debian/manifests/bookworm-slim") &&
			pushed == 0 {
			denied++
			http.NotFound(w, r)
			return
		}
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/library/debian/manifests/") {
			// Not into the real registry: its base is everybody's.
			pushed++
			w.WriteHeader(http.StatusCreated)
			return
		}
		r.Host = real
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	front := strings.TrimPrefix(server.URL, "http://")
	t.Setenv(verify.RegistryVariable, front)
	if got := Base(t); got != front+"/library/debian:bookworm-slim" || denied == 0 || pushed == 0 {
		t.Errorf("got %s, denied %d times, pushed %d times", got, denied, pushed)
	}
}
