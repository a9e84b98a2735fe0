package enginetest

import (
	"os"
	"testing"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest/current"
)

// Current starts a current engine for this test, beside the machine's own, and makes DOCKER_HOST name it until the
// test ends. registry is a host:port on this machine's loopback, Docker Hub's mirror there. It fails the test where
// the engine can't be had.
func Current(t testing.TB, registry string) *engine.Engine {
	t.Helper()
	dir, err := os.MkdirTemp("", "current") // t.TempDir holds the test's name: too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("removing the current engine's files: %v", err)
		}
	})
	e, err := current.Start(t.Context(), current.Options{Dir: dir, Registry: registry})
	if err != nil {
		t.Fatalf("this test needs a current engine: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Errorf("stopping the current engine: %v", err)
		}
	})
	t.Setenv("DOCKER_HOST", e.Host)
	return Connect(t)
}
