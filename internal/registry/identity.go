// Package registry owns whether a registry answers and which digest a reference has there, by the rules of who will
// use it: the keys of the registry that setup started (Local), a builder's mirrors and settings (Builder, Probe), or
// this machine's own way (Status, Answers). How the local registry and its clients know each other is here too;
// starting it, and what is in it, are provision's.
package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Identity are the certificates of a local registry and of its clients, in files of mode 0600. Whoever listens on the
// registry's port without the registry's key is no registry to its clients, and whoever asks without the clients' key
// is given nothing: other users of the machine reach the port, but neither key.
type Identity struct{ dir string }

// IdentityAt is one whose files are in dir.
func IdentityAt(dir string) Identity { return Identity{dir} }

// IdentityIn is the identity that the state directory holds, or will hold once Ensure has made it.
func IdentityIn(stateDir string) Identity { return Identity{filepath.Join(stateDir, "registry-keys")} }

// CA is the file of the certificate that signed the others, whose key was thrown away.
func (i Identity) CA() string { return filepath.Join(i.dir, "ca.pem") }

// ServerCert is the file of the registry's certificate.
func (i Identity) ServerCert() string { return filepath.Join(i.dir, "server.pem") }

// ServerKey is the file of its key.
func (i Identity) ServerKey() string { return filepath.Join(i.dir, "server.key") }

// ClientCert is the file of the certificate that clients show.
func (i Identity) ClientCert() string { return filepath.Join(i.dir, "client.pem") }

// ClientKey is the file of its key.
func (i Identity) ClientKey() string { return filepath.Join(i.dir, "client.key") }

const (
	validFor   = 10 * 365 * 24 * time.Hour
	renewsWith = 30 * 24 * time.Hour // left
)

// Ensure makes the identity where it is missing, damaged or about to expire, and says whether it did.
func (i Identity) Ensure() (made bool, err error) {
	if i.usable(time.Now().Add(renewsWith)) == nil {
		return false, nil
	}
	// Whole or not at all: a kill in between leaves no pair of files that do not fit.
	work := i.dir + ".new"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o700)); err != nil {
		return false, fmt.Errorf("making the registry's keys: %w", err)
	}
	if err := (Identity{work}).write(time.Now()); err != nil {
		return false, fmt.Errorf("making the registry's keys: %w", err)
	}
	if err := errors.Join(os.RemoveAll(i.dir), os.Rename(work, i.dir)); err != nil {
		return false, fmt.Errorf("making the registry's keys: %w", err)
	}
	return true, nil
}

// Fingerprint tells this identity from one that was made before or after; empty where there is none.
func (i Identity) Fingerprint() string {
	data, err := bounded.ReadFile(i.CA())
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// write makes a CA, signs both certificates with it, and forgets its key.
func (i Identity) write(now time.Time) error {
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "compose-mage local registry"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validFor),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	if err := state.WriteFile(i.CA(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		0o600); err != nil {
		return err
	}
	for _, leaf := range []struct {
		serial    int64
		name      string
		usage     x509.ExtKeyUsage
		cert, key string
	}{
		{2, "registry", x509.ExtKeyUsageServerAuth, i.ServerCert(), i.ServerKey()},
		{3, "client", x509.ExtKeyUsageClientAuth, i.ClientCert(), i.ClientKey()},
	} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(leaf.serial), Subject: pkix.Name{CommonName: leaf.name},
			NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{leaf.usage},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		if err := writeLeaf(template, ca, caKey, leaf.cert, leaf.key); err != nil {
			return err
		}
	}
	return nil
}

func writeLeaf(template, ca *x509.Certificate, caKey *ecdsa.PrivateKey, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		state.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		state.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// usable says why the files can't be used at that time; nil where they can.
func (i Identity) usable(at time.Time) error {
	pool, err := i.pool()
	if err != nil {
		return err
	}
	for _, leaf := range []struct {
		cert, key string
		usage     x509.ExtKeyUsage
	}{
		{i.ServerCert(), i.ServerKey(), x509.ExtKeyUsageServerAuth},
		{i.ClientCert(), i.ClientKey(), x509.ExtKeyUsageClientAuth},
	} {
		pair, err := tls.LoadX509KeyPair(leaf.cert, leaf.key)
		if err != nil {
			return err
		}
		_,
			err = pair.Leaf.Verify(x509.VerifyOptions{
			Roots: pool, CurrentTime: at,
			KeyUsages: []x509.ExtKeyUsage{leaf.usage},
		})
		if err != nil {
			return err
		}
	}
	return i.private()
}

// private says whose files are not for the owner alone.
func (i Identity) private() error {
	for _, path := range []string{i.dir, i.ServerKey(), i.ClientKey()} {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && !windows {
			return fmt.Errorf("%q is open to others: %s", path, info.Mode())
		}
	}
	return nil
}

func (i Identity) pool() (*x509.CertPool, error) {
	data, err := bounded.ReadFile(i.CA())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%q holds no certificate", i.CA())
	}
	return pool, nil
}

// TLS is how a client of the registry connects: it knows no other CA, and shows the clients' certificate.
func (i Identity) TLS() (*tls.Config, error) {
	pool, err := i.pool()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the local registry has no keys, which go tool mage setup makes: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the registry's keys: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(i.ClientCert(), i.ClientKey())
	if err != nil {
		return nil, fmt.Errorf("reading the registry's keys: %w", err)
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}, nil
}
