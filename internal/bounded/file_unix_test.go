//go:build unix

package bounded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
)

func TestReadFile(t *testing.T) {
	within := pipeWithin
	pipeWithin = time.Second
	t.Cleanup(func() { pipeWithin = within })
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	fifo := func(name string, write string) string {
		if err := syscall.Mkfifo(path(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if write != "" {
			go func() { _ = os.WriteFile(path(name), []byte(write), 0o600) }()
		}
		return path(name)
	}
	if err := os.WriteFile(path("small"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path("huge"), nil, 0o600), os.Truncate(path("huge"), MaxFile+1), os.Symlink("/dev/zero", path("link"))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path, want, err string
		refused         bool // by CheckFile too
	}{
		"a file":                   {path("small"), "text", "", false},
		"an empty device":          {os.DevNull, "", "", false},
		"a pipe that is written":   {fifo("written", "by another"), "by another", "", false},
		"a pipe that is not":       {fifo("silent", ""), "", "it is a pipe or a device, and was not written and closed within 1s", false},
		"a device without an end":  {"/dev/zero", "", "it is too large: more than 64MiB", true},
		"a link to one":            {path("link"), "", "it is too large: more than 64MiB", true},
		"a file that is too large": {path("huge"), "", "it is too large: more than 64MiB", true},
		"none":                     {path("none"), "", "no such file", false},
		"a folder":                 {dir, "", "is a directory", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadFile(c.path)
			if c.err == "" && (err != nil || string(got) != c.want) {
				t.Fatalf("got %q, %v", got, err)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
			if err := CheckFile(c.path); (err != nil) != c.refused {
				t.Errorf("checked: %v", err)
			}
			var f *fault.Error
			if c.refused && (!errors.As(err, &f) || f.Code != fault.Config || f.Next == "") {
				t.Errorf("no fault with a next command: %v", err)
			}
		})
	}
	if _, err := ReadFile(path("none")); !errors.Is(err, os.ErrNotExist) {
		t.Error("it does not say that there is no file")
	}
}
