// Package golden compares what a test printed with a file under the test's testdata. UPDATE=1 writes the files anew.
// Only tests import it.
package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// Check compares got with testdata/name, byte for byte.
func Check(t testing.TB, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") == "1" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; UPDATE=1 writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; UPDATE=1 accepts it. got:\n%s\nwant:\n%s", file, got, want)
	}
}
