package compose

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// BenchmarkLoad loads this repository's own stack. An unchanged build takes 350 ms in all, so that loading counts.
func BenchmarkLoad(b *testing.B) {
	machine := engine.Machine{CPUs: 2, Memory: 16 << 30}
	for b.Loop() {
		if _, err := Load(context.Background(), Request{Dir: filepath.Join("..", ".."), Machine: machine}); err != nil {
			b.Fatal(err)
		}
	}
}
