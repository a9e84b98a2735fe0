package provision

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	baselock "github.com/25eloquence/compose-mage/internal/bases"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// baseRegistry answers for the bases' manifests with these digests, by repository; it lacks the others.
func baseRegistry(t *testing.T, digests map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, ok := digests[strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/library/"), "/")[0]]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Docker-Content-Digest", d)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestBasesMadeHereAreLockedInTheStateDirectory(t *testing.T) {
	s := &setup{dir: t.TempDir()}
	first, second, golang := digest.FromString("1"), digest.FromString("2"), digest.FromString("go")
	// A damaged file is no obstacle: setup knows what belongs there.
	if err := os.WriteFile(baselock.StateFile(s.dir), []byte("damaged\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, debian := range []digest.Digest{first, second, second} {
		registry := baseRegistry(t, map[string]string{"debian": debian.String(), "golang": golang.String()})
		if err := s.lockBases(t.Context(), registry); err != nil {
			t.Fatal(err)
		}
		locked, err := baselock.Read(baselock.StateFile(s.dir))
		if err != nil {
			t.Fatal(err)
		}
		if d, _ := locked.Digest(debianBase); d != debian {
			t.Errorf("%s is locked to %q, want %q", debianBase, d, debian)
		}
		if d, _ := locked.Digest(golangBase); d != golang || locked.Len() != 2 {
			t.Errorf("%s is locked to %q, of %v", golangBase, d, locked.Refs())
		}
	}
	if err := s.unlockBases(); err != nil {
		t.Fatal(err)
	}
	if locked, err := baselock.Read(baselock.StateFile(s.dir)); err != nil || locked.Len() != 0 {
		t.Errorf("with the Hub there: %v, %v", locked.Refs(), err)
	}
	if err := s.unlockBases(); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestBasesThatTheRegistryLacksAreNotLocked(t *testing.T) {
	for name, digests := range map[string]map[string]string{
		"one is missing":    {"debian": digest.FromString("1").String()},
		"an answer is junk": {"debian": digest.FromString("1").String(), "golang": "sha256:junk"},
	} {
		s := &setup{dir: t.TempDir()}
		err := s.lockBases(t.Context(), baseRegistry(t, digests))
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Registry || !strings.Contains(err.Error(), "golang") {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := os.Stat(baselock.StateFile(s.dir)); err == nil {
			t.Errorf("%s: half a lock was written", name)
		}
	}
}
