//go:build integration

package stack

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/provision"
	"github.com/25eloquence/compose-mage/internal/registry"
	"github.com/25eloquence/compose-mage/internal/state"
)

// stackFrom goes to a folder with a stack of one service whose image starts from ref, with a builder and a state
// directory of its own.
func stackFrom(t *testing.T, ref string) {
	t.Helper()
	builder := enginetest.Builder(t) // before the state directory changes: setup's program is in it
	t.Chdir(t.TempDir())
	for name, v := range map[string]string{
		"BUILDKIT_HOST": builder.Address, "COMPOSE_PROJECT_NAME": "lock", "COMPOSE_FILE": "", "COMPOSE_PROFILES": "",
		bases.FileVariable: "", state.Variable: t.TempDir(),
	} {
		t.Setenv(name, v)
		if v == "" {
			_ = os.Unsetenv(name)
		}
	}
	from(t, ref)
}

func from(t *testing.T, ref string) {
	t.Helper()
	compose := "services:\n  app:\n    profiles: [rare]\n    build:\n      context: .\n" +
		"      dockerfile_inline: |\n        FROM " + ref + "\n"
	if err := os.WriteFile("compose.yaml", []byte(compose), 0o600); err != nil {
		t.Fatal(err)
	}
}

func lock(ctx context.Context, check bool) error {
	_, err := LockBases(ctx, LockOptions{Check: check})
	return err
}

func wantCode(t *testing.T, err error, code fault.Code, text string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != code || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want code %d and %q", err, code, text)
	}
}

func TestIntegrationLock(t *testing.T) {
	ref := enginetest.Base(t)
	stackFrom(t, ref)
	ctx := t.Context()
	wantCode(t, lock(ctx, true), fault.Failed,
		"docker/bases.lock is not up to date: 1 of its bases would change\n  next: go tool mage lock")
	if _, err := os.Stat(bases.File()); err == nil {
		t.Fatal("-check wrote the file")
	}
	if err := lock(ctx, false); err != nil {
		t.Fatal(err)
	}
	locked, err := bases.Read(filepath.Join("docker", "bases.lock"))
	if err != nil {
		t.Fatal(err)
	}
	want := enginetest.BaseDigest(t)
	if got, _ := locked.Digest(ref); got != want {
		t.Errorf("%s is locked to %q, and the registry has %q", ref, got, want)
	}
	if err := lock(ctx, true); err != nil {
		t.Errorf("-check right after a lock: %v", err)
	}
	before, err := os.ReadFile(bases.File())
	if err != nil {
		t.Fatal(err)
	}
	from(t, "127.0.0.1:1/no/such:1")
	wantCode(t, lock(ctx, false), fault.Registry, "127.0.0.1:1/no/such:1")
	if after, err := os.ReadFile(bases.File()); err != nil || string(after) != string(before) {
		t.Errorf("a registry that is away changed the file: %v\n%s", err, after)
	}
	from(t, "scratch")
	wantCode(t, lock(ctx, true), fault.Failed, "1 of its bases would change")
	t.Setenv(bases.FileVariable, "other.lock")
	if err := lock(ctx, true); err != nil {
		t.Errorf("with another file, which lacks nothing: %v", err)
	}
}

// localRegistry stands for the registry that a setup with that state directory started: it has one digest for every
// name.
func localRegistry(t *testing.T, dir string, d digest.Digest) string {
	t.Helper()
	keys := registry.IdentityIn(dir)
	if _, err := keys.Ensure(); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(keys.ServerCert(), keys.ServerKey())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Content-Digest", d.String())
	}))
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert,
		MinVersion: tls.VersionTLS13,
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "https://")
}

// The digests of bases that setup made are worth nothing elsewhere: they must not get into the project's file, neither
// where setup wrote them down nor where an older one did not.
func TestIntegrationLockNeverTakesThisMachinesDigests(t *testing.T) {
	const ref = "debian:bookworm-slim"
	base := enginetest.BaseDigest(t)
	stackFrom(t, ref)
	dir, err := state.Dir()
	if err != nil {
		t.Fatal(err)
	}
	state, err := json.Marshal(provision.State{Registry: localRegistry(t, dir, base)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), state, 0o600); err != nil {
		t.Fatal(err)
	}
	wantCode(t, lock(t.Context(), false), fault.Config, "made on this machine")
	made, err := bases.New(map[string]digest.Digest{ref: base})
	if err == nil {
		err = made.Write(bases.StateFile(dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := lock(t.Context(), false); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(bases.File()); err == nil {
		t.Error("a file was written")
	}
}
