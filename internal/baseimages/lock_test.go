package baseimages

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// store has the registry's files say that it holds the base by this digest.
func store(t *testing.T, dir, name string, d digest.Digest) {
	t.Helper()
	repository, tag, _ := strings.Cut(name, ":")
	root := filepath.Join(dir, "registry/docker/registry/v2")
	manifests := filepath.Join(root, "repositories/library", repository, "_manifests")
	for _, path := range []string{
		filepath.Join(manifests, "tags", tag, "current/link"), filepath.Join(manifests, "revisions/sha256",
			d.Encoded(), "link"),
		filepath.Join(root, "blobs/sha256", d.Encoded()[:2], d.Encoded(), "data"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, d.String())
	}
}

// What setup pushed is what is locked; what the registry says afterwards changes no lock.
func TestBasesAreLockedByWhatSetupPushed(t *testing.T) {
	dir, out := t.TempDir(), ui.New(&daemon.Tail{})
	debian, golang, other := digest.FromString("1"), digest.FromString("go"), digest.FromString("other")
	missing := func(want ...string) {
		t.Helper()
		if got, err := Missing(dir, out); err != nil || !slices.Equal(got, want) {
			t.Errorf("missing: %v, %v; want %v", got, err, want)
		}
	}
	missing(Debian, Golang)
	// Somebody's push into a registry whose lock was lost: nobody knows what setup pushed.
	store(t, dir, Debian, debian)
	missing(Debian, Golang)
	for name, d := range map[string]digest.Digest{Debian: debian, Golang: golang} {
		store(t, dir, name, d)
		if err := Lock(dir, name, d); err != nil {
			t.Fatal(err)
		}
	}
	missing()
	store(t, dir, Debian, other)
	_, err := Missing(dir, out)
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Registry ||
		!strings.Contains(err.Error(), "it was "+debian.String()+", it is "+other.String()) ||
		!strings.HasPrefix(f.Next, "rm "+bases.StateFile(dir)) {
		t.Errorf("another base in the registry: %v", err)
	}
	if d, _ := Locked(dir, out).Digest(Debian); d != debian {
		t.Errorf("the lock followed: %s", d)
	}
	// Deleted by its digest: the tag stays.
	store(t, dir, Debian, debian)
	if err := os.RemoveAll(filepath.Join(dir,
		"registry/docker/registry/v2/repositories/library/debian/_manifests/revisions")); err != nil {
		t.Fatal(err)
	}
	missing(Debian)
	store(t, dir, Debian, other)
	// The next command helps: the base is made anew.
	if err := os.Remove(bases.StateFile(dir)); err != nil {
		t.Fatal(err)
	}
	missing(Debian, Golang)
}

func TestADamagedLockIsNamedAndTheBasesAreMadeAnew(t *testing.T) {
	said := &daemon.Tail{}
	dir, out := t.TempDir(), ui.New(said)
	for _, name := range Names {
		store(t, dir, name, digest.FromString(name))
	}
	write(t, bases.StateFile(dir), "damaged\n")
	if got, err := Missing(dir, out); err != nil || !slices.Equal(got, Names) ||
		!strings.Contains(string(said.Bytes()), "bases.lock:1") {
		t.Errorf("got %v, %v; said %q", got, err, said.Bytes())
	}
	if err := Lock(dir, Debian, digest.FromString(Debian)); err != nil {
		t.Fatal(err)
	}
	if d, ok := Locked(dir, out).Digest(Debian); !ok || d != digest.FromString(Debian) {
		t.Errorf("locked after the damage: %s", d)
	}
	if err := errors.Join(Unlock(dir), Unlock(dir)); err != nil {
		t.Errorf("with the Hub there: %v", err)
	}
	if locked := Locked(dir, out); locked.Len() != 0 {
		t.Errorf("with the Hub there: %v", locked.Refs())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
