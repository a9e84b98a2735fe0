package registry

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestVersionURL(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:5000": "http://127.0.0.1:5000/v2/", "localhost:5000": "http://localhost:5000/v2/",
		"registry.example":      "https://registry.example/v2/",
		"registry.example:5000": "https://registry.example:5000/v2/", "http://r.example/": "http://r.example/v2/",
		"ghcr.io/owner/cache": "https://ghcr.io/v2/", "127.0.0.1:5000/a/b": "http://127.0.0.1:5000/v2/",
		"https://r.example/a": "https://r.example/v2/", "[::1]:5000": "http://[::1]:5000/v2/",
	} {
		if got := versionURL(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestAnswers(t *testing.T) {
	denies := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request,
	) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
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
		err := Answers(t.Context(), prefix)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) &&
			!strings.Contains(err.Error(), "lookup") {
			t.Errorf("%s: %v, want %q", prefix, err, want)
		}
	}
	if plain, err := net.Listen("tcp", outside+":0"); outside != "" && err == nil {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Listener = plain
		server.Start()
		defer server.Close()
		if err := Answers(t.Context(), plain.Addr().String()); err != nil {
			t.Errorf("plain HTTP is the builder's to allow: %v", err)
		}
	}
}
