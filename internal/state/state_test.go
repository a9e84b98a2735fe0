package state

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/ui"
)

// lockedBuffer is written to by the one that waits while the test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestSecondSetupWaitsAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	var text lockedBuffer
	out := ui.New(&text)
	release, err := Lock(t.Context(), dir, "setup", out)
	if err != nil {
		t.Fatal(err)
	}
	if got := text.String(); got != "" {
		t.Errorf("the first says %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, dir, "setup", out); err == nil {
		t.Fatal("two have the lock")
	}
	if got := text.String(); !strings.Contains(got, "another setup (pid ") {
		t.Errorf("the second says %q", got)
	}
	release()
	again, err := Lock(t.Context(), dir, "setup", out)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	again()
}

func TestStateDirectory(t *testing.T) {
	t.Setenv(Variable, "")
	t.Setenv("XDG_CACHE_HOME", "/cache")
	t.Setenv("HOME", "/home/x")
	dir, err := Dir()
	if err != nil || filepath.Base(dir) != "compose-mage" {
		t.Errorf("got %q, %v", dir, err)
	}
	t.Setenv(Variable, "relative")
	if dir, err = Dir(); err != nil || !filepath.IsAbs(dir) {
		t.Errorf("got %q, %v, want an absolute path", dir, err)
	}
}
