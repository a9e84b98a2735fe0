package backup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestChangingFiles: which files are copied, the largest first.
func TestChangingFiles(t *testing.T) {
	dir := t.TempDir()
	volumes := []Volume{{Key: "a", Path: filepath.Join(dir, "a")}, {Key: "b", Path: filepath.Join(dir, "b")}}
	write := func(name string, size int) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"a/still", "a/grown", "b/in/place", "b/replaced", "a/gone", "a/known", "a/short"} {
		write(name, 100+i)
	}
	write("a/small", 99)
	before := largeFiles(volumes, 100)
	if len(before) != 7 {
		t.Fatalf("large: %v", before)
	}
	later := time.Now().Add(time.Second)
	write("a/grown", 1000)
	write("a/new", 500)
	write("a/small", 98)
	write("b/new", 100)
	for _, err := range []error{
		os.Chtimes(filepath.Join(dir, "a/still"), later, before[largeFile{"a", "still"}].ModTime()),
		os.Chtimes(filepath.Join(dir, "b/in/place"), later, later),
		os.Rename(filepath.Join(dir, "b/new"), filepath.Join(dir, "b/replaced")),
		os.Chtimes(filepath.Join(dir, "b/replaced"), later, before[largeFile{"b", "replaced"}].ModTime()),
		os.Remove(filepath.Join(dir, "a/gone")), os.Truncate(filepath.Join(dir, "a/short"), 50),
		os.Symlink("grown", filepath.Join(dir, "a/link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	known := map[largeFile]bool{{"a", "known"}: true, {"a", "gone"}: true}
	text := func(now map[largeFile]fs.FileInfo, most int) string {
		var all []string
		for _, f := range changing(before, now, known, most) {
			all = append(all, fmt.Sprintf("%s/%s", f.key, f.path))
		}
		return strings.Join(all, " ")
	}
	now := largeFiles(volumes, 100)
	if got := text(now, 9); got != "a/grown a/new a/known b/in/place b/replaced" {
		t.Errorf("changing: %s", got)
	}
	if got := text(now, 2); got != "a/grown a/new" {
		t.Errorf("the two largest: %s", got)
	}
}
