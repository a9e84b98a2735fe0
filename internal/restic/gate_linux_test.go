package restic

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestGate: who opens the file stands before it until it is told to go on.
func TestGate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gate")
	g, err := Program{minor: 14}.NewGate(path)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if g.Reached(short) == nil {
		t.Error("nobody has opened the file yet")
	}
	c := exec.Command("cat", path)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	if err := g.Reached(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Errorf("it went through: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := g.Open(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it stands there still")
		_ = c.Process.Kill()
	}
	again, err := Program{minor: 14}.NewGate(path)
	if err != nil {
		t.Fatal(err)
	}
	again.reached = time.Now().Add(-time.Minute)
	if again.Open() == nil {
		t.Error("whoever stood there for a minute may have gone through by itself")
	}
	if _, err := (Program{minor: 18}).NewGate(path); err == nil {
		t.Error("a gate for a restic of which nothing is known")
	}
	if _, err := (Program{minor: 14}).NewGate(filepath.Join(path, "x")); err == nil || os.IsNotExist(err) {
		t.Errorf("a gate below a file: %v", err)
	}
}
