package answer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/extension"
)

// web is a server of HTTP; requests are those that it got.
func web(t *testing.T, secure bool) (address string, requests *atomic.Pointer[http.Request]) {
	t.Helper()
	requests = &atomic.Pointer[http.Request]{}
	mux := http.NewServeMux()
	handle := func(path string, f http.HandlerFunc) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			requests.Store(r)
			f(w, r)
		})
	}
	for status, path := range map[int]string{200: "/ok", 401: "/private", 404: "/lost", 500: "/broken", 503: "/busy"} {
		handle(path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	handle("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1/secret", http.StatusFound)
	})
	handle("/slow", func(w http.ResponseWriter, _ *http.Request) { time.Sleep(60 * time.Millisecond) })
	handle("/endless", func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	handle("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	handle("/head", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", strings.Repeat("x", 2*maxHead))
	})
	handle("/closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	server := httptest.NewUnstartedServer(mux)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.URL, requests
}

// askAt asks an address that a Compose file names.
func askAt(t *testing.T, address string, status ...int) (Answer, bool) {
	t.Helper()
	target, ok := Of(Service{Named: &extension.Answers{Address: address, Status: status}}, on("", nil), nil, here)
	if !ok {
		t.Fatalf("%s can't be asked", address)
	}
	return target.ask(t.Context())
}

func TestAnswersOverHTTP(t *testing.T) {
	plain, _ := web(t, false)
	secure, _ := web(t, true)
	for _, c := range []struct {
		address string
		status  []int
		want    string // the error
	}{
		{plain + "/ok", nil, ""},
		{secure + "/ok", nil, ""},
		{plain + "/private", nil, ""},
		{plain + "/lost?token=t", nil, ""},
		{plain + "/broken", nil, "HTTP 500 Internal Server Error"},
		{plain + "/busy", nil, "HTTP 503 Service Unavailable"},
		{plain + "/busy", []int{200, 503}, ""},
		{plain + "/lost", []int{200}, "HTTP 404 Not Found"},
		{plain + "/away", nil, ""},
		{plain + "/away", []int{200}, "HTTP 302 Found"},
		{plain + "/slow", nil, ""},
		{plain + "/endless", nil, ""},
		{plain + "/stream", nil, ""},
		{plain + "/closed", nil, "closes the connection without an answer"},
		{"http://127.0.0.1:1/", nil, "refuses the connection"},
	} {
		began := time.Now()
		got, ok := askAt(t, c.address, c.status...)
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("%s took %s", c.address, took)
		}
		of, _, _ := strings.Cut(c.address, "?")
		if !ok || got.Error != c.want || got.Of != of || !got.Named || got.At.Before(began) {
			t.Errorf("%s: got %+v, %v", c.address, got, ok)
		}
		if had := c.want == "" || strings.HasPrefix(c.want, "HTTP"); had != (got.MS > 0) {
			t.Errorf("%s: it took %f ms", c.address, got.MS)
		}
	}
	if got, _ := askAt(t, plain+"/slow"); got.MS < 60 {
		t.Errorf("an answer after 60 ms took %f ms", got.MS)
	}
	if got, _ := askAt(t, plain+"/head"); got.Error == "" {
		t.Errorf("a head without an end: got %+v", got)
	}
	if got, _ := askAt(t, strings.Replace(plain, "http:", "https:", 1)+"/ok"); got.Error == "" {
		t.Errorf("HTTPS of a server of HTTP: got %+v", got)
	}
}

// TestNothingIsGivenAway has the request as the service sees it.
func TestNothingIsGivenAway(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://user:geheim@127.0.0.1:1")
	plain, requests := web(t, false)
	if got, ok := askAt(t, plain+"/ok?a=b"); !ok || got.Error != "" {
		t.Fatalf("got %+v", got)
	}
	r := requests.Load()
	if r.Method != http.MethodGet || r.RequestURI != "/ok?a=b" || r.UserAgent() != "compose-mage" {
		t.Errorf("got %s %s of %s", r.Method, r.RequestURI, r.UserAgent())
	}
	for key := range r.Header {
		if key != "User-Agent" && key != "Connection" {
			t.Errorf("the header %s is sent", key)
		}
	}
}

// TestAServiceThatSaysNothing is not waited for without end.
func TestAServiceThatSaysNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	began := time.Now()
	got, ok := askAt(t, "http://"+listener.Addr().String()+"/")
	if took := time.Since(began); took < Timeout || took > 2*Timeout {
		t.Errorf("it took %s", took)
	}
	if !ok || got.Error != "no answer within 2s" || got.MS != 0 {
		t.Errorf("got %+v", got)
	}
}

// closing accepts and closes at once, as the engine's proxy does for a container that refuses.
func closing(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// TestConnecting has what follows from each place of a port, and which port counts.
func TestConnecting(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	open, shut, closes := listener.Addr().String(), "127.0.0.1:1", closing(t)
	for name, c := range map[string]struct {
		ports [][]place
		want  string // what was asked, and its error; empty where nothing could be
	}{
		"it accepts":                {[][]place{{{open, own}}}, open},
		"it accepts behind a proxy": {[][]place{{{open, published}}}, open},
		"it refuses":                {[][]place{{{shut, own}, {open, published}}}, shut + " refuses the connection"},
		"it refuses behind a proxy": {
			[][]place{{{closes, published}}}, closes + " closes the connection without an answer",
		},
		"it is published elsewhere": {[][]place{{{shut, published}}}, ""},
		"it can't be reached":       {[][]place{{{"[fe80::1%nowhere]:80", own}, {open, published}}}, open},
		"there is no such name":     {[][]place{{{"nowhere.invalid:80", published}}}, ""},
		"the second port accepts":   {[][]place{{{shut, own}}, {{open, own}}}, open},
		"both refuse": {
			[][]place{{{shut, own}}, {{closes, published}}}, shut + " refuses the connection",
		},
		"a person wrote it":          {[][]place{{{shut, written}}}, shut + " refuses the connection"},
		"what a person wrote closes": {[][]place{{{closes, written}}}, closes},
	} {
		got, ok := Target{scheme: "tcp", ports: c.ports}.ask(t.Context())
		if said := strings.TrimSpace(strings.TrimPrefix(got.Of, "tcp://") + " " + got.Error); said != c.want ||
			ok != (c.want != "") || ok && (got.Error == "") != (got.MS > 0) {
			t.Errorf("%s: got %+v, %v", name, got, ok)
		}
	}
}

// TestProxied has what reading from the engine's port proxy means.
func TestProxied(t *testing.T) {
	for want, errs := range map[Said][]error{
		Accepted: {nil, fmt.Errorf("reading: %w", os.ErrDeadlineExceeded)},
		Refused:  {io.EOF, fmt.Errorf("reading: %w", syscall.ECONNRESET)},
		Unknown:  {errors.New("no route")},
	} {
		for _, err := range errs {
			if got := proxied(err); got != want {
				t.Errorf("%v: got %v, want %v", err, got, want)
			}
		}
	}
}

// TestReasonsAreShort has an error that somebody else has written.
func TestReasonsAreShort(t *testing.T) {
	got := reason(errors.New("\x1b[2J" + strings.Repeat("x", 1<<20)))
	if len(got) > 5<<10 || strings.Contains(got, "\x1b") {
		t.Errorf("%d bytes: %.100s", len(got), got)
	}
}
