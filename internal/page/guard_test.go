package page

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/monitor"
)

const address = "127.0.0.1:8090"

// fixed gives one snapshot, and those that are sent.
type fixed struct {
	snapshot monitor.Snapshot
	sent     chan monitor.Snapshot
}

func (f fixed) Latest() (monitor.Snapshot, bool) { return f.snapshot, !f.snapshot.Time.IsZero() }

func (f fixed) Follow() (<-chan monitor.Snapshot, func()) { return f.sent, func() {} }

// hostile is a text of somebody who would like to run something in whoever looks at it.
const hostile = `</script><script>alert(1)</script><img src=x onerror=alert(2)>`

func someSnapshot() monitor.Snapshot {
	return monitor.Snapshot{Time: time.Now(), Project: "shop", Services: []monitor.Replica{
		{Service: "web", Container: hostile, State: "running", HealthOutput: hostile},
		{Service: "db", State: "running"},
	}}
}

func newTestServer(t *testing.T) *Server {
	t.Helper()
	return New(Options{
		Project: "shop", Address: address, Token: NewToken(), Every: time.Second,
		From: fixed{snapshot: someSnapshot(), sent: make(chan monitor.Snapshot, 1)},
		Logs: func(context.Context, string) ([]string, error) { return []string{hostile}, nil },
		Handlers: map[string]http.Handler{"/metrics": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("up 1\n"))
		})},
	})
}

// call asks the server, with the token.
func call(s *Server, method, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = address
	r.Header.Set("Authorization", "Bearer "+s.Token)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// paths are all that a server answers, and some that it does not.
var paths = []string{
	"/", "/snapshot.json", "/events", "/logs.json?service=web", "/metrics", "/nosuch", "/../snapshot.json", "//metrics",
}

func TestWithoutTheTokenNobodyGetsAnything(t *testing.T) {
	s := newTestServer(t)
	for name, authorization := range map[string]string{
		"none": "", "no scheme": s.Token, "another scheme": "Basic " + s.Token, "another token": "Bearer " + NewToken(),
		"half of it": "Bearer " + s.Token[:32], "an empty one": "Bearer ", "more": "Bearer " + s.Token + "0",
	} {
		for _, path := range paths {
			got := call(s, http.MethodGet, path, func(r *http.Request) {
				r.Header.Set("Authorization", authorization)
				r.URL.RawQuery += "&token=" + s.Token // where logs and histories would keep it
				r.AddCookie(&http.Cookie{Name: "token", Value: s.Token})
			})
			if got.Code != http.StatusUnauthorized || got.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s, %s: %d", name, path, got.Code)
			}
			for _, word := range []string{"shop", "web", "alert(", "up 1", s.Token} {
				if strings.Contains(strings.ReplaceAll(got.Body.String(), string(shell), ""), word) {
					t.Errorf("%s, %s: the answer has %q", name, path, word)
				}
			}
		}
	}
}

// The empty page is the same for every project, so that it may be anybody's.
func TestTheEmptyPageHasNothingOfTheProject(t *testing.T) {
	s := newTestServer(t)
	got := call(s, http.MethodGet, "/", func(r *http.Request) { r.Header.Del("Authorization") })
	if !bytes.Equal(got.Body.Bytes(), shell) || bytes.Contains(shell, []byte("{{")) ||
		bytes.Contains(shell, []byte("shop")) {
		t.Errorf("got %s", got.Body)
	}
}

func TestWithTheToken(t *testing.T) {
	s := newTestServer(t)
	for path, want := range map[string]string{
		"/": "<!doctype html>", "/snapshot.json": `"project": "shop"`, "/metrics": "up 1",
		"/logs.json?service=web": "alert",
	} {
		got := call(s, http.MethodGet, path, nil)
		if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), want) {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
		if head := call(s, http.MethodHead, path, nil); head.Code != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, head.Code)
		}
	}
	if got := call(s, http.MethodGet, "/nosuch", nil); got.Code != http.StatusNotFound {
		t.Errorf("got %d", got.Code)
	}
	without := New(Options{Address: address, Token: s.Token, From: s.From})
	if got := call(without, http.MethodGet, "/logs.json?service=web", nil); got.Code != http.StatusNotFound {
		t.Errorf("logs are given without -logs: %d", got.Code)
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	s := newTestServer(t)
	for _, path := range paths {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"} {
			if got := call(s, method, path, nil); got.Code != http.StatusMethodNotAllowed ||
				got.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %d", method, path, got.Code)
			}
		}
	}
	body := httptest.NewRequest(http.MethodGet, "/", strings.NewReader("x"))
	body.Host = address
	w := httptest.NewRecorder()
	if s.Handler().ServeHTTP(w, body); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a request with a body: %d", w.Code)
	}
}

// A name of somebody else's that leads here must not do (DNS rebinding), also not with the right token.
func TestHostIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		listens, host string
		ok            bool
	}{
		"as printed":               {address, "127.0.0.1:8090", true},
		"by name":                  {address, "localhost:8090", true},
		"in capitals":              {address, "LOCALHOST:8090", true},
		"IPv6":                     {"[::1]:8090", "[::1]:8090", true},
		"rebound":                  {address, "evil.example:8090", false},
		"like localhost":           {address, "localhost.evil.example:8090", false},
		"another port":             {address, "127.0.0.1:8091", false},
		"no port":                  {address, "127.0.0.1", false},
		"none":                     {address, "", false},
		"another address":          {address, "192.0.2.1:8090", false},
		"a dot more":               {address, "localhost.:8090", false},
		"port 80":                  {"127.0.0.1:80", "127.0.0.1", true},
		"everywhere, by loopback":  {"0.0.0.0:8090", "localhost:8090", true},
		"everywhere, rebound":      {"0.0.0.0:8090", "evil.example:8090", false},
		"everywhere, IPv6":         {"[::]:8090", "127.0.0.1:8090", true},
		"one address":              {"192.0.2.1:8090", "192.0.2.1:8090", true},
		"one address, by loopback": {"192.0.2.1:8090", "localhost:8090", false},
	} {
		s := newTestServer(t)
		s.Address = c.listens
		got := call(s, http.MethodGet, "/snapshot.json", func(r *http.Request) { r.Host = c.host })
		if (got.Code == http.StatusOK) != c.ok || !c.ok && got.Code != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d", name, got.Code)
		}
	}
}

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	s := newTestServer(t)
	for _, path := range paths {
		if path == "/events" {
			continue // which has no end
		}
		for _, change := range []func(*http.Request){
			nil, func(r *http.Request) { r.Header.Del("Authorization") },
			func(r *http.Request) { r.Host = "evil.example" }, func(r *http.Request) { r.Method = "POST" },
		} {
			h := call(s, http.MethodGet, path, change).Header()
			for header, want := range map[string]string{
				"Content-Security-Policy": "default-src 'none'; script-src 'sha256-", "Cache-Control": "no-store",
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			} {
				if !strings.HasPrefix(h.Get(header), want) {
					t.Errorf("%s: %s is %q", path, header, h.Get(header))
				}
			}
		}
	}
	for _, word := range []string{"unsafe", "*", "http:", "data:"} {
		if strings.Contains(policy, word) {
			t.Errorf("the policy has %q: %s", word, policy)
		}
	}
	if !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "base-uri 'none'") {
		t.Error(policy)
	}
}

// Who has the token proves that by a word that is of no use to others.
func TestProof(t *testing.T) {
	s := newTestServer(t)
	nonce := NewToken()
	ask := func(nonce, host string) string {
		return call(s, http.MethodGet, "/snapshot.json", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.Header.Set(nonceHeader, nonce)
			r.Host = host
		}).Header().Get(proofHeader)
	}
	got := ask(nonce, address)
	if got != proof(s.Token, nonce, address) || strings.Contains(got, s.Token) {
		t.Errorf("got %q", got)
	}
	if ask(NewToken(), address) == got || ask(nonce, "localhost:8090") == got || ask("short", address) != "" {
		t.Error("a proof does for something else, too")
	}
	if ask(nonce, "127.0.0.1:9999") != "" {
		t.Error("one who listens at another address can pass the question on")
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "0.0.0.0:1": false,
		"[::]:1": false, "192.0.2.1:1": false, "": false, "example.org:1": false,
	} {
		if Loopback(address) != want {
			t.Errorf("%q: %t", address, !want)
		}
	}
}

// The one who holds all connections makes nobody wait, and nothing for him is kept for ever.
func TestConnectionsAreLimited(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limited(inner, 2)
	defer l.Close()
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	dial()
	one, two := <-accepted, <-accepted
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("a third connection is kept")
	}
	_, _ = one.Close(), one.Close() // twice is once
	dial()
	select {
	case <-accepted:
	case <-time.After(10 * time.Second):
		t.Fatal("a connection that ended still counts")
	}
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("closing twice made room for two")
	}
	_ = two.Close()
}
