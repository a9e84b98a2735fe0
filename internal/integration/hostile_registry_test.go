//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/fault"
	registries "github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// manifestType is what a registry says of an image's manifest.
const manifestType = "application/vnd.oci.image.manifest.v1+json"

// hostileRegistry answers each request as no registry should.
type hostileRegistry struct {
	slow   bool // takes as long as it is waited for
	answer func(w http.ResponseWriter, r *http.Request, elsewhere string)
}

// body answers with a manifest's headers and these bytes.
func body(kind, text string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, text)
	}
}

func refuse(code int) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) {
		http.Error(w, "connection refused; code = Unavailable", code)
	}
}

func redirect(to string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, r *http.Request, elsewhere string) {
		w.Header().Set("Location", strings.ReplaceAll(to, "ELSEWHERE", elsewhere)+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// endless writes pieces until the other side has enough.
func endless(begin string, piece []byte, pause time.Duration) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, r *http.Request, _ string) {
		w.Header().Set("Content-Type", manifestType)
		_, err := io.WriteString(w, begin)
		for err == nil && r.Context().Err() == nil {
			_, err = w.Write(piece)
			w.(http.Flusher).Flush()
			time.Sleep(pause)
		}
	}
}

var hostileRegistries = map[string]hostileRegistry{
	"silent": {
		slow: true, answer: func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() },
	},
	"slow": {slow: true, answer: endless(`{"schemaVersion":2`, []byte(" "), time.Second)},
	"endless": {
		slow: true, answer: endless(`{"schemaVersion":2,"x":"`, bytes.Repeat([]byte("x"), 64<<10), 10*time.Millisecond),
	},
	"metadata":      {slow: true, answer: redirect("http://169.254.169.254/latest/meta-data")},
	"redirect-loop": {answer: redirect("")},
	"file":          {answer: redirect("file:///etc/passwd")},
	"elsewhere":     {answer: redirect("ELSEWHERE")},
	"giant":         {answer: body(manifestType, `{"schemaVersion":2,"x":"`+strings.Repeat("x", 64<<20)+`"}`)},
	"wrong-digest": {answer: func(w http.ResponseWriter, r *http.Request, _ string) {
		w.Header().Set("Docker-Content-Digest", digest.FromString("another").String())
		body(manifestType, `{"schemaVersion":2,"mediaType":"`+manifestType+`"}`)(w, r, "")
	}},
	"wrong-type": {answer: body("text/html", "<html>pull access denied</html>")},
	"401-loop": {answer: func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("WWW-Authenticate", `Basic realm="again"`)
		w.WriteHeader(http.StatusUnauthorized)
	}},
	"realm-elsewhere": {answer: func(w http.ResponseWriter, _ *http.Request, elsewhere string) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+elsewhere+`/token",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}},
	"500": {answer: refuse(http.StatusInternalServerError)},
	"503": {answer: refuse(http.StatusServiceUnavailable)},
	"truncated": {answer: func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Content-Type", manifestType)
		w.Header().Set("Content-Length", "5000")
		_, _ = io.WriteString(w, `{"schemaVersion":2`)
		panic(http.ErrAbortHandler)
	}},
	"no-json": {answer: body(manifestType, "{no space left on device")},
	"closes":  {answer: func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) }},
	"moves": {answer: func() func(http.ResponseWriter, *http.Request, string) {
		var asked atomic.Int64
		return func(w http.ResponseWriter, r *http.Request, _ string) {
			text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"%s","annotations":{"n":"%d"}}`, manifestType,
				asked.Add(1))
			w.Header().Set("Docker-Content-Digest", digest.FromString(text).String())
			body(manifestType, text)(w, r, "")
		}
	}()},
	"garbage": {}, // no HTTP at all
}

// serveHostile starts one registry of each kind and gives their addresses. given counts what the other host was sent
// of credentials, other than by the token protocol.
func serveHostile(t *testing.T) (addresses map[string]string, given *atomic.Int64) {
	t.Helper()
	given = &atomic.Int64{}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" && r.URL.Path != "/token" {
			given.Add(1)
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(func() { _ = other.Config.Close() })
	addresses = map[string]string{}
	for kind, h := range hostileRegistries {
		if h.answer == nil {
			addresses[kind] = serveGarbage(t)
			continue
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" && kind != "silent" && kind != "closes" {
				return
			}
			if kind == "elsewhere" && r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			if r.Method != http.MethodGet && r.Method != http.MethodHead && kind != "silent" && kind != "closes" {
				http.Error(w, "nothing is written here", http.StatusMethodNotAllowed)
				return
			}
			// to Go another port alone is no other host
			h.answer(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1))
		}))
		t.Cleanup(func() { _ = server.Config.Close() }) // without a wait for those who are never answered
		addresses[kind] = server.Listener.Addr().String()
	}
	return addresses, given
}

func serveGarbage(t *testing.T) string {
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
			_, _ = conn.Write([]byte("\x16\x03\x01\x00\x02\x01\x00\xff\x00garbage\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// kindsOfRegistry are all in the long form (HOSTILE=1), else those that end by themselves.
func kindsOfRegistry() []string {
	var kinds []string
	for kind, h := range hostileRegistries {
		if !h.slow || os.Getenv("HOSTILE") != "" {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// loggedIn gives the docker configuration a login at each address.
func loggedIn(t *testing.T, addresses map[string]string) {
	t.Helper()
	var auths []string
	for _, address := range addresses {
		auths = append(auths, fmt.Sprintf(`%q: {"auth": "bGVhcm5lcjpzM2NyZXQ="}`, address))
	}
	dir, old := t.TempDir(), config.Dir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths": {`+strings.Join(auths, ",")+`}}`),
		0o600); err != nil {
		t.Fatal(err)
	}
	config.SetDir(dir)
	t.Cleanup(func() { config.SetDir(old) })
}

// isRegistrys fails where the error is not one of a registry's, with a next command and within the time.
func isRegistrys(t *testing.T, what string, err error, begun time.Time) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Registry || f.Next == "" {
		t.Errorf("%s: got %v", what, err)
	}
	if err != nil &&
		(strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "bGVhcm5lcj") ||
			strings.Contains(err.Error(), "root:x:")) {
		t.Errorf("%s: it tells a secret: %v", what, err)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("%s: it took %s", what, took)
	}
}

// TestIntegrationHostileRegistries asks registries of each kind for a base image and for the digest of one: what they
// do is a registry's fault, exit code 6, whatever is in their answers, and ends within a minute.
func TestIntegrationHostileRegistries(t *testing.T) {
	addresses, given := serveHostile(t)
	var text strings.Builder
	text.WriteString("services:\n")
	for _, kind := range kindsOfRegistry() {
		fmt.Fprintf(&text, "  r-%s: {build: {context: ., dockerfile_inline: \"FROM %s/x:1\"}}\n", kind, addresses[kind])
	}
	f := newFixture(t, "compose.yaml", text.String())
	loggedIn(t, addresses)
	var both sync.WaitGroup
	both.Go(func() {
		begun := time.Now()
		results, err := f.build(context.Background(), "")
		isRegistrys(t, "a base: all", err, begun)
		for _, r := range results {
			isRegistrys(t, "a base: "+r.Target.Service, r.Err, begun.Add(-r.Took+time.Since(begun)))
		}
	})
	b, err := builder.Connect(context.Background(), os.Getenv(verify.BuilderVariable))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, kind := range kindsOfRegistry() {
		both.Go(func() {
			begun := time.Now()
			got, err := registries.Builder{
				Client: b.Client,
			}.Resolve(context.Background(), []string{addresses[kind] + "/y:1"})
			if err == nil && (kind == "moves" || kind == "wrong-digest") { // each answer by itself was in order
				return
			}
			if err == nil {
				t.Logf("lock: %s: %v", kind, got)
			}
			isRegistrys(t, "lock: "+kind, err, begun)
		})
	}
	both.Wait()
	if n := given.Load(); n > 0 {
		t.Errorf("another host was sent credentials %d times", n)
	}
}

// TestIntegrationAStepsWords builds steps that print, and fail with, what other failures say: each is the step's own
// failure.
func TestIntegrationAStepsWords(t *testing.T) {
	words := []string{
		"connection refused", "no space left on device", "401 Unauthorized",
		"rpc error: code = Unavailable desc = error reading from server: EOF",
		"failed to resolve source metadata for docker.io/library/x", "github.com/containerd/errdefs: unavailable",
	}
	var text strings.Builder
	text.WriteString("services:\n")
	for i, w := range words {
		fmt.Fprintf(&text,
			"  s%d: {build: {context: ., dockerfile_inline: \"FROM scratch\\nCOPY service /service\\nENV "+
				"EXIT_CODE=1\\nRUN [\\\"/service\\\", \\\"%s\\\"]\"}}\n", i, w)
	}
	f := newFixture(t, "compose.yaml", text.String()).withService()
	results, err := f.build(context.Background(), "")
	if err == nil || len(results) != len(words) {
		t.Fatalf("%v, %v", results, err)
	}
	for i, r := range results {
		var failure *fault.Error
		if !errors.As(r.Err, &failure) || failure.Code != fault.Failed ||
			!strings.Contains(r.Err.Error(), "    "+words[i]) {
			t.Errorf("%s: got %v", words[i], r.Err)
		}
	}
}
