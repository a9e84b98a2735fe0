//go:build integration

package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// authority signs certificates for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue makes a certificate, signed by itself where there is no authority yet.
func (a *authority) issue(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// dir writes a client's ca.pem, cert.pem and key.pem.
func (a *authority) dir(signer *authority) string {
	a.t.Helper()
	dir := a.t.TempDir()
	cert, key := signer.issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem": {Type: "CERTIFICATE", Bytes: a.cert.Raw}, "cert.pem": {Type: "CERTIFICATE", Bytes: cert.Raw},
		"key.pem": {Type: "EC PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return dir
}

// front puts mutual TLS on TCP before the tests' builder, and gives its address.
func (a *authority) front() string {
	a.t.Helper()
	cert, key := a.issue(&x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: clients, NextProtos: []string{"h2"},
		MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = l.Close() })
	socket := strings.TrimPrefix(os.Getenv(verify.BuilderVariable), "unix://")
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				builder, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(builder, client); _ = builder.Close() }()
				_, _ = io.Copy(client, builder)
			}()
		}
	}()
	return "tcp://" + l.Addr().String()
}

func TestIntegrationBuilderBehindMutualTLS(t *testing.T) {
	if !strings.HasPrefix(os.Getenv(verify.BuilderVariable), "unix://") {
		t.Skip("the tests' builder is not on a socket of this machine")
	}
	a := newAuthority(t)
	address := a.front()
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", "FROM scratch\nCOPY file /\n",
		"file", "x")
	connect := func() (*builder.Builder, error) { return builder.Connect(context.Background(), address) }
	t.Setenv(builder.TLSVariable, a.dir(a))
	f.with = func(o *image.Options) {
		b, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		o.Builders = []*builder.Builder{b}
	}
	if got := f.mustBuild()[0]; got.State != image.Loaded {
		t.Errorf("%+v", got)
	}
	t.Setenv(builder.TLSVariable, a.dir(newAuthority(t))) // signed by somebody else
	_, err := connect()
	wants(t, err, fault.Builder, address, "does not answer")
	t.Setenv(builder.TLSVariable, "")
	_, err = connect()
	wants(t, err, fault.Builder, address, "does not answer")
	t.Setenv(builder.TLSVariable, t.TempDir())
	_, err = connect()
	wants(t, err, fault.Builder, address, "ca.pem")
}
