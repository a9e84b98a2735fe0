package swarm

import (
	"os"
	"testing"
)

// New starts a Swarm for this test, in a directory that goes with it. It fails the test where there can be none.
func New(t testing.TB, o Options) *Swarm {
	t.Helper()
	dir, err := os.MkdirTemp("", "swarm") // t.TempDir holds the test's name: too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the nodes' files: %v", err)
		}
	})
	o.Dir = dir
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatalf("this test needs a Swarm: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the Swarm: %v", err)
		}
	})
	return s
}
