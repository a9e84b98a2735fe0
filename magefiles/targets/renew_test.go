package targets

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestNewerSeesWhatTargetsAreCompiledFrom(t *testing.T) {
	then := time.Now().Add(-time.Hour)
	for name, want := range map[string]bool{
		"": false, "go.mod": true, "go.sum": true, "magefiles/magefile.go": true, "internal/a/b.go": true, "lib/x.go": true,
		"internal/a/b_test.go": false, "docs/x.md": false, "services/x/main.go": false,
	} {
		root := t.TempDir()
		for _, file := range []string{"go.mod", "go.sum", "magefiles/magefile.go", "internal/a/b.go", "internal/a/b_test.go", "lib/x.go", "docs/x.md", "services/x/main.go"} {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("module m\nreplace other => ./lib\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			at := then.Add(-time.Hour)
			if file == name {
				at = then.Add(time.Minute)
			}
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		if got := newer(root, then); got != want {
			t.Errorf("%q changed: newer is %t", name, got)
		}
	}
}
