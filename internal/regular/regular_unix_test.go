//go:build unix

package regular

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReadTakesRegularFilesOnly(t *testing.T) {
	dir, err := os.MkdirTemp("", "r") // t.TempDir's path may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := func(name string) string { return filepath.Join(dir, name) }
	listener, err := net.Listen("unix", path("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := errors.Join(
		os.WriteFile(path("file"), []byte("x"), 0o600), os.Symlink("file", path("link")),
		os.WriteFile(path("most"), make([]byte, 100), 0o600),
		os.WriteFile(path("large"), make([]byte, 101), 0o600), os.Symlink("/dev/zero", path("zero")),
		os.Symlink("loop", path("loop")),
		syscall.Mkfifo(path("pipe"), 0o600), os.Mkdir(path("dir"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"file": "", "link": "", "most": "", "large": "larger", "zero": "device", "pipe": "pipe", "dir": "directory",
		"socket": "socket",
	} {
		begun := time.Now()
		_, err := Read(path(name), 100)
		var refusal *Refusal
		if (want != "") != errors.As(err, &refusal) || want == "" && err != nil || want != "" &&
			!strings.Contains(refusal.Why, want) {
			t.Errorf("%s: got %v", name, err)
		}
		if name == "dir" && !refusal.Dir {
			t.Error("a directory is not told")
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
	}
	if _, err := Read(path("none"), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := Read(path("loop"), 1); err == nil {
		t.Error("a loop was read")
	}
	if _, err := os.Stat("/proc/kmsg"); err == nil && os.Geteuid() == 0 {
		begun := time.Now()
		if _, err := Read("/proc/kmsg", 1<<20); time.Since(begun) > 10*time.Second {
			t.Errorf("a file of the kernel's: %v after %s", err, time.Since(begun))
		}
	}
}
