package cache

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, folder string, limit int64) *Cache {
	t.Helper()
	c, err := Open(folder, limit)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t *testing.T, c *Cache, key string, content []byte) {
	t.Helper()
	if err := c.Put(key, content); err != nil {
		t.Fatal(err)
	}
}

func TestKeyKeepsBordersAndOrder(t *testing.T) {
	keys := map[string]bool{}
	for _, parts := range [][]string{{"ab", "c"}, {"a", "bc"}, {"c", "ab"}, {"ab", "c", ""}, {`ab","c`}} {
		keys[Key(parts...)] = true
	}
	if len(keys) != 5 {
		t.Errorf("5 different lists of parts have %d keys", len(keys))
	}
	if first, again := Key("a", "b"), Key("a", "b"); first != again {
		t.Error("the same parts have two keys")
	}
}

func TestAnswersOutliveTheProcess(t *testing.T) {
	folder := t.TempDir()
	put(t, open(t, folder, 1<<20), "k", []byte("speech"))
	again := open(t, folder, 1<<20)
	if got := again.Get("k"); string(got) != "speech" {
		t.Errorf("got %q", got)
	}
	if count, size := again.Stock(); count != 1 || size != 32+6 {
		t.Errorf("got %d entries of %d bytes", count, size)
	}
	put(t, again, "k", []byte("longer speech")) // replaced, not added
	if count, size := again.Stock(); count != 1 || size != 32+13 {
		t.Errorf("got %d entries of %d bytes", count, size)
	}
}

func TestDamageCountsAsAbsent(t *testing.T) {
	for name, damage := range map[string]func(file []byte) []byte{
		"flipped bit": func(f []byte) []byte { f[len(f)-1] ^= 1; return f },
		"cut off":     func(f []byte) []byte { return f[:len(f)-2] },
		"too short":   func(f []byte) []byte { return f[:10] },
		"empty":       func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, t.TempDir(), 1<<20)
			put(t, c, "k", []byte("speech"))
			file, err := os.ReadFile(c.path("k"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(c.path("k"), damage(file), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := c.Get("k"); got != nil {
				t.Fatalf("got %q", got)
			}
			if count, _ := c.Stock(); count != 0 {
				t.Errorf("the damaged entry still counts")
			}
			put(t, c, "k", []byte("speech"))
			if got := c.Get("k"); string(got) != "speech" {
				t.Errorf("after another Put: got %q", got)
			}
		})
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	folder := t.TempDir()
	c := open(t, folder, 10_000)
	content := bytes.Repeat([]byte("x"), 1000-32)
	old := time.Now().Add(-time.Hour)
	for i := range 10 {
		key := fmt.Sprint("k", i)
		put(t, c, key, content)
		when := old.Add(time.Duration(i) * time.Second)
		if err := os.Chtimes(c.path(key), when, when); err != nil {
			t.Fatal(err)
		}
	}
	if c.Get("k0") == nil { // makes it the youngest
		t.Fatal("k0 is missing")
	}
	put(t, c, "new", content) // 11,000 bytes: down to 9,000
	var kept []string
	for _, key := range []string{"k0", "k1", "k2", "k3", "k9", "new"} {
		if c.Get(key) != nil {
			kept = append(kept, key)
		}
	}
	if got := strings.Join(kept, " "); got != "k0 k3 k9 new" {
		t.Errorf("kept %s", got)
	}
	if count, size := c.Stock(); count != 9 || size != 9000 {
		t.Errorf("got %d entries of %d bytes", count, size)
	}
}

func TestOpenCleansAndShrinks(t *testing.T) {
	folder := t.TempDir()
	c := open(t, folder, 10_000)
	for i := range 5 {
		put(t, c, fmt.Sprint("k", i), bytes.Repeat([]byte("x"), 1000))
	}
	leftover, foreign := filepath.Join(folder, partial+"123"), filepath.Join(folder, "notes.txt")
	for _, path := range []string{leftover, foreign} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	smaller := open(t, folder, 2_500)
	if count, size := smaller.Stock(); count != 2 || size > 2_500 {
		t.Errorf("got %d entries of %d bytes", count, size)
	}
	if _, err := os.Stat(leftover); err == nil {
		t.Error("an interrupted write's file is still there")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error("a foreign file was removed")
	}
	put(t, smaller, "huge", bytes.Repeat([]byte("x"), 2_000))
	if smaller.Get("huge") != nil {
		t.Error("an answer larger than a quarter of the limit was kept")
	}
}

func TestOpenNeedsAFolderToWrite(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "missing"), 1000); err == nil {
		t.Error("a missing folder was opened")
	}
}
