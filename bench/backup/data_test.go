package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestChangesAreSmall fills a directory twice alike, and changes a hundredth of it in both shapes.
func TestChangesAreSmall(t *testing.T) {
	for _, shape := range []string{shapeFiles, shapePages} {
		before, after := t.TempDir(), t.TempDir()
		for _, dir := range []string{before, after} {
			if err := fill(dir, 4<<20+5, 16<<10); err != nil {
				t.Fatal(err)
			}
			if n, err := bytesBelow(dir); err != nil || n != 4<<20+5 {
				t.Fatalf("%d bytes, %v", n, err)
			}
		}
		if n := differing(t, before, after); n != 0 {
			t.Errorf("%s: %d pages differ before the change", shape, n)
		}
		if err := change(after, shape, 0.01, 7); err != nil {
			t.Fatal(err)
		}
		if n := differing(t, before, after); n < 6 || n > 12 {
			t.Errorf("%s: %d of 1024 pages differ", shape, n)
		}
	}
}

// differing counts the pages that are not the same in both directories.
func differing(t *testing.T, one, other string) (n int) {
	t.Helper()
	files, err := listed(one)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		a, err := os.ReadFile(filepath.Join(one, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(other, f.Name()))
		if err != nil || len(a) != len(b) {
			t.Fatal(len(a), len(b), err)
		}
		for i := 0; i < len(a); i += page {
			if !bytes.Equal(a[i:min(i+page, len(a))], b[i:min(i+page, len(b))]) {
				n++
			}
		}
	}
	return n
}

// TestPairsTakeTurns: neither tool is always the first.
func TestPairsTakeTurns(t *testing.T) {
	var order string
	for round := range 3 {
		err := pair(round, func() error { order += "a"; return nil }, func() error { order += "b"; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if order != "abbaab" {
		t.Error(order)
	}
}
