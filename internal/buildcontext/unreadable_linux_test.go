package buildcontext

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody runs f on a thread to which the disk answers as to an ordinary user. (Root may read everything.)
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Setfsuid(65534)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestUnreadable(t *testing.T) {
	dir, err := os.MkdirTemp("", "context") // t.TempDir's parents are closed to others
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	write(t, dir, map[string]string{"open/a": "1", "closed/b": "2", "open/key": "3"})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	take := func(patterns ...string) error {
		var err error
		asNobody(t, func() { _, err = Take(context.Background(), dir, patterns) })
		return err
	}
	if err := take(); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{"closed": 0o000, "open/key": 0o200} {
		if err := os.Chmod(filepath.Join(dir, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	defer os.Chmod(filepath.Join(dir, "closed"), 0o755)
	for _, c := range []struct {
		patterns []string
		want     string
	}{
		{[]string{"closed"}, `permission denied on "open/key"; add it to .dockerignore, or fix its permissions`},
		{[]string{"open/key"}, `permission denied on "closed"; add it to .dockerignore, or fix its permissions`},
		{[]string{"open/key", "**", "!open/a"}, ""},
		{[]string{"open/key", "clo*", "!**/a"}, ""}, // the exception makes the walk look into closed
		{[]string{"open/key", "closed"}, ""},
	} {
		err := take(c.patterns...)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("without %q: %v, want %q", c.patterns, err, c.want)
		}
	}
}
