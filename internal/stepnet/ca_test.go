package stepnet

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCABundle(t *testing.T) {
	own := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(own, []byte("pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", own)
	if got := CABundle(); got != own {
		t.Errorf("got %q, want SSL_CERT_FILE", got)
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(t.TempDir(), "missing"))
	if got := CABundle(); got != "" {
		if _, err := os.Stat(got); err != nil {
			t.Errorf("got %q, which is not there", got)
		}
	}
}
