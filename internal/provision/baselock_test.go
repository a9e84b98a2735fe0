package provision

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	baselock "github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// store has the registry's files say that it holds the base by this digest.
func (s *setup) store(t *testing.T, name string, d digest.Digest) {
	t.Helper()
	repository, tag, _ := strings.Cut(name, ":")
	root := filepath.Join(s.dir, "registry/docker/registry/v2")
	manifests := filepath.Join(root, "repositories/library", repository, "_manifests")
	for _, path := range []string{
		filepath.Join(manifests, "tags", tag, "current/link"), filepath.Join(manifests, "revisions/sha256", d.Encoded(), "link"),
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
	s := &setup{dir: t.TempDir(), out: ui.New(&tailBuffer{})}
	debian, golang, other := digest.FromString("1"), digest.FromString("go"), digest.FromString("other")
	missing := func(want ...string) {
		t.Helper()
		if got, err := s.missingBases(); err != nil || !slices.Equal(got, want) {
			t.Errorf("missing: %v, %v; want %v", got, err, want)
		}
	}
	missing(debianBase, golangBase)
	// Somebody's push into a registry whose lock was lost: nobody knows what setup pushed.
	s.store(t, debianBase, debian)
	missing(debianBase, golangBase)
	for name, d := range map[string]digest.Digest{debianBase: debian, golangBase: golang} {
		s.store(t, name, d)
		if err := s.lockBase(name, d); err != nil {
			t.Fatal(err)
		}
	}
	missing()
	s.store(t, debianBase, other)
	_, err := s.missingBases()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.Registry || !strings.Contains(err.Error(), "it was "+debian.String()+", it is "+other.String()) ||
		!strings.HasPrefix(f.Next, "rm "+baselock.StateFile(s.dir)) {
		t.Errorf("another base in the registry: %v", err)
	}
	if d, _ := s.lockedBases().Digest(debianBase); d != debian {
		t.Errorf("the lock followed: %s", d)
	}
	// Deleted by its digest: the tag stays.
	s.store(t, debianBase, debian)
	if err := os.RemoveAll(filepath.Join(s.dir, "registry/docker/registry/v2/repositories/library/debian/_manifests/revisions")); err != nil {
		t.Fatal(err)
	}
	missing(debianBase)
	s.store(t, debianBase, other)
	// The next command helps: the base is made anew.
	if err := os.Remove(baselock.StateFile(s.dir)); err != nil {
		t.Fatal(err)
	}
	missing(debianBase, golangBase)
}

func TestADamagedLockIsNamedAndTheBasesAreMadeAnew(t *testing.T) {
	said := &tailBuffer{}
	s := &setup{dir: t.TempDir(), out: ui.New(said)}
	for _, name := range baseNames {
		s.store(t, name, digest.FromString(name))
	}
	write(t, baselock.StateFile(s.dir), "damaged\n")
	if got, err := s.missingBases(); err != nil || !slices.Equal(got, baseNames) || !strings.Contains(string(said.bytes()), "bases.lock:1") {
		t.Errorf("got %v, %v; said %q", got, err, said.bytes())
	}
	if err := s.lockBase(debianBase, digest.FromString(debianBase)); err != nil {
		t.Fatal(err)
	}
	if d, ok := s.lockedBases().Digest(debianBase); !ok || d != digest.FromString(debianBase) {
		t.Errorf("locked after the damage: %s", d)
	}
	if err := errors.Join(s.unlockBases(), s.unlockBases()); err != nil {
		t.Errorf("with the Hub there: %v", err)
	}
	if locked := s.lockedBases(); locked.Len() != 0 {
		t.Errorf("with the Hub there: %v", locked.Refs())
	}
}
