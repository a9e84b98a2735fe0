package delivery

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/registry"
)

// TestDial speaks to what stands for an engine over each kind of connection, and counts the bytes.
func TestDial(t *testing.T) {
	identity := registry.IdentityAt(filepath.Join(t.TempDir(), "keys"))
	if _, err := identity.Ensure(); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(identity.ServerCert(), identity.ServerKey())
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := identity.TLS()
	if err != nil {
		t.Fatal(err)
	}
	secure := &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: trusted.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	keys := t.TempDir()
	for name, from := range map[string]string{
		"ca.pem": identity.CA(), "cert.pem": identity.ClientCert(), "key.pem": identity.ClientKey(),
	} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(keys, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(t.TempDir(), "s")
	for name, c := range map[string]struct {
		network, at string
		tls         *tls.Config
		keys        string
		fails       bool
	}{
		"unix": {network: "unix", at: socket}, "unix, with keys": {network: "unix", at: socket, keys: keys},
		"tcp": {network: "tcp", at: "127.0.0.1:0"}, "tls": {network: "tcp", at: "127.0.0.1:0", tls: secure, keys: keys},
		"tls, no keys": {network: "tcp", at: "127.0.0.1:0", tls: secure, fails: true},
	} {
		t.Setenv("DOCKER_CERT_PATH", c.keys)
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		l, err := net.Listen(c.network, c.at)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Api-Version", "1.44")
		}))
		_ = server.Listener.Close()
		server.Listener, server.TLS = l, c.tls
		if c.tls == nil {
			server.Start()
		} else {
			server.StartTLS()
		}
		var count traffic
		engine, err := dial(c.network+"://"+l.Addr().String(), &count)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ping, err := engine.Ping(t.Context(), client.PingOptions{})
		if (err != nil) != c.fails || !c.fails && ping.APIVersion != "1.44" {
			t.Errorf("%s: %+v, %v", name, ping, err)
		}
		if count.sent.Load() == 0 || count.received.Load() == 0 {
			t.Errorf("%s: %d bytes sent, %d received", name, count.sent.Load(), count.received.Load())
		}
		_ = engine.Close()
		server.Close()
	}
	if _, err := dial("ssh://u:p@host", &traffic{}); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("with a password: %v", err)
	}
}

// TestAnEngineThatIsSilent holds that a node which accepts a connection and says nothing is given up.
func TestAnEngineThatIsSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for address, want := range map[string]string{
		"tcp://" + l.Addr().String(): "no answer within 50ms", "ssh://u:p@host": "password",
	} {
		n := &nodeEngine{name: "one", address: address, traffic: &traffic{}}
		err := n.connect(t.Context(), 50*time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `node "one"`) {
			t.Errorf("%s: %v", address, err)
		}
		n.close()
	}
}
