package registry

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestIdentityIsMadeOnceAndAgainWhereItCanNotBeUsed(t *testing.T) {
	dir := t.TempDir()
	i := IdentityIn(dir)
	ensure := func(want bool, why string) {
		t.Helper()
		before := i.Fingerprint()
		made, err := i.Ensure()
		if err != nil || made != want || (before == i.Fingerprint()) == want {
			t.Errorf("%s: made %v, %v, %q then %q", why, made, err, before, i.Fingerprint())
		}
	}
	ensure(true, "nothing there")
	ensure(false, "all there")
	for _, path := range []string{i.ServerKey(), i.ClientKey()} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	for why, spoil := range map[string]func() error{
		"a damaged key":     func() error { return os.WriteFile(i.ClientKey(), []byte("x"), 0o600) },
		"another CA":        func() error { return IdentityAt(t.TempDir()).writeOver(i.CA()) },
		"a missing file":    func() error { return os.Remove(i.ServerCert()) },
		"a key for others":  func() error { return os.Chmod(i.ServerKey(), 0o644) },
		"a folder of all":   func() error { return os.Chmod(i.dir, 0o755) },
		"a kill in between": func() error { return os.Rename(i.dir, i.dir+".new") },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		ensure(true, why)
		ensure(false, "after "+why)
	}
	if err := i.usable(time.Now().Add(validFor)); err == nil {
		t.Error("it never expires")
	}
	// The server's certificate opens nothing, and the clients' serves nothing.
	pool, _ := i.pool()
	for cert, usage := range map[string]x509.ExtKeyUsage{
		i.ServerCert(): x509.ExtKeyUsageClientAuth,
		i.ClientCert(): x509.ExtKeyUsageServerAuth,
	} {
		pair, err := tls.LoadX509KeyPair(cert, strings.TrimSuffix(cert, "pem")+"key")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{
			Roots:     pool,
			KeyUsages: []x509.ExtKeyUsage{usage},
		}); err == nil {
			t.Errorf("%s does for both sides", cert)
		}
	}
}

// writeOver makes an identity and puts its CA in another's place.
func (i Identity) writeOver(ca string) error {
	if err := i.write(time.Now()); err != nil {
		return err
	}
	return os.Rename(i.CA(), ca)
}

// serve is a registry with the identity in dir, or another's.
func serve(t *testing.T, i Identity, handler http.HandlerFunc) string {
	t.Helper()
	if _, err := i.Ensure(); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(i.ServerCert(), i.ServerKey())
	if err != nil {
		t.Fatal(err)
	}
	pool, err := i.pool()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: pool,
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "https://")
}

func TestOnlyTheRegistryPassesForIt(t *testing.T) {
	dir := t.TempDir()
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	}
	ours := serve(t, IdentityIn(dir), answer)
	if err := Open(dir, ours).Answers(t.Context()); err != nil {
		t.Error(err)
	}
	asked := 0
	count := func(w http.ResponseWriter, r *http.Request) { asked++; answer(w, r) }
	plain := httptest.NewServer(http.HandlerFunc(count))
	defer plain.Close()
	other := serve(t, IdentityIn(t.TempDir()), count)
	for name, address := range map[string]string{
		"plain HTTP":          strings.TrimPrefix(plain.URL, "http://"),
		"another certificate": other,
	} {
		if err := Open(dir, address).Answers(t.Context()); !IsOtherServer(err) ||
			!strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked > 0 {
		t.Errorf("strangers were asked %d times", asked)
	}
	if err := Open(dir, "127.0.0.1:1").Answers(t.Context()); err == nil || IsOtherServer(err) {
		t.Errorf("nobody there: %v", err)
	}
	if err := Open(t.TempDir(), ours).Answers(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "go tool mage setup") {
		t.Errorf("without keys: %v", err)
	}
}

// A registry that is the right one can still be wrong: what it gives is checked, and bounded.
func TestAnswersAreCheckedAndBounded(t *testing.T) {
	dir := t.TempDir()
	layer := []byte("layer")
	manifest, err := json.Marshal(ocispecs.Manifest{
		Config: ocispecs.Descriptor{Digest: digest.FromString("config"), Size: 6},
		Layers: []ocispecs.Descriptor{{Digest: digest.FromBytes(layer), Size: int64(len(layer))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	good := digest.FromBytes(manifest)
	var reply func(w http.ResponseWriter)
	address := serve(t, IdentityIn(dir), func(w http.ResponseWriter, _ *http.Request) { reply(w) })
	text := func(data []byte) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = w.Write(data) }
	}
	local := Open(dir, address)
	reply = text(manifest)
	if m, raw, err := local.Manifest(t.Context(), "debian:1", good); err != nil || len(m.Layers) != 1 ||
		!bytes.Equal(raw, manifest) {
		t.Errorf("a manifest: %v", err)
	}
	reply = text(layer)
	var got bytes.Buffer
	of := ocispecs.Descriptor{Digest: digest.FromBytes(layer), Size: int64(len(layer))}
	if err := local.Blob(t.Context(), &got, "debian:1", of); err != nil || got.String() != "layer" {
		t.Errorf("a layer: %q, %v", got.String(), err)
	}
	for name, bad := range map[string]func(http.ResponseWriter){
		"something else": text([]byte("LAYER")), "less": text([]byte("lay")), "more": text([]byte("layer and more")),
		"nothing":  text(nil),
		"an error": func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		"a way to go": func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusFound)
		},
		"without end": func(w http.ResponseWriter) {
			for range 64 << 4 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
	} {
		reply = bad
		if _, _, err := local.Manifest(t.Context(), "debian:1", good); err == nil {
			t.Errorf("a manifest, %s: taken", name)
		}
		got.Reset()
		if err := local.Blob(t.Context(), &got, "debian:1", of); got.Len() > len(layer) || name != "more" &&
			err == nil {
			t.Errorf("a layer, %s: %d bytes, %v", name, got.Len(), err)
		}
		if d, err := local.Digest(t.Context(), "debian:1"); err == nil && d != "" {
			t.Errorf("a digest, %s: %s", name, d)
		}
	}
	none := []byte(`{"config":{"digest":"sha256:../../x"},"layers":[{}]}`)
	reply = text(none)
	if _, _, err := local.Manifest(t.Context(), "debian:1", digest.FromBytes(none)); err == nil {
		t.Error("took a manifest of no image")
	}
	reply = func(w http.ResponseWriter) { w.Header().Set("Docker-Content-Digest", "sha256:junk") }
	if _, err := local.Digest(t.Context(), "debian:1"); err == nil {
		t.Error("took a digest that is none")
	}
}
