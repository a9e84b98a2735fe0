package buildcontext

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkTake walks 20,000 files with the patterns of this repository.
func BenchmarkTake(b *testing.B) {
	dir := b.TempDir()
	for i := range 20000 {
		d := filepath.Join(dir, fmt.Sprintf("service%d", i%10), fmt.Sprintf("package%d", i/10%100))
		if err := os.MkdirAll(d, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, fmt.Sprintf("file%d.go", i)), []byte("package p\n"),
			0o644); err != nil {
			b.Fatal(err)
		}
	}
	patterns, _, err := Ignore(filepath.Join("..", ".."), "")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Take(context.Background(), dir, patterns)
		if err != nil || s.Files != 20000 {
			b.Fatal(s.Files, err)
		}
	}
}
