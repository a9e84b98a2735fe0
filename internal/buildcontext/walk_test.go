package buildcontext

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// listed is what Walk finds, a line per path.
func listed(t testing.TB, dir string, patterns []string) ([]string, error) {
	t.Helper()
	var out []string
	err := Walk(context.Background(), dir, patterns, func(f File) error {
		out = append(out, fmt.Sprintf("%s %s %d %d %s", f.Path, f.Mode, f.Size, f.ModTime, f.Link))
		return nil
	})
	return out, err
}

// sent is what BuildKit's own library would send, as listed shows it.
func sent(t testing.TB, dir string, patterns []string) ([]string, error) {
	t.Helper()
	fsys, err := filtered(dir, patterns)
	if err != nil {
		return nil, err
	}
	var out []string
	err = fsys.Walk(context.Background(), "/", func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*types.Stat)
		if st.Uid != 0 || st.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", st.Path, st.Uid, st.Gid)
		}
		size, link := st.Size, st.Linkname
		mode := fs.FileMode(st.Mode)
		switch {
		case mode.IsRegular() && link != "": // a second name
			size, link = 0, ""
		case !mode.IsRegular():
			size = 0
		}
		out = append(out, fmt.Sprintf("%s %s %d %d %s", filepath.ToSlash(st.Path), mode, size, st.ModTime, link))
		return nil
	})
	return out, err
}

// same fails the test where Walk finds other files than BuildKit would send.
func same(t testing.TB, dir string, patterns []string) {
	t.Helper()
	got, err := listed(t, dir, patterns)
	want, wantErr := sent(t, dir, patterns)
	if (err == nil) != (wantErr == nil) || err == nil && !slices.Equal(got, want) {
		t.Fatalf("patterns %q\ngot\n  %s\n%v\nwant\n  %s\n%v", patterns, strings.Join(got, "\n  "), err,
			strings.Join(want, "\n  "), wantErr)
	}
}

// forest has names that patterns trip over.
func forest(t testing.TB) string {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a/a/a": "1", "a/b/a.go": "22", "a/b/c/a_test.go": "3", "b/a": "4", "b/.env.local": "5", "b/.env": "6",
		"ab/.cache/x":    "7",
		".git/objects/x": "8", "a b/ c": "9", "!x/#y": "0", "[a]/b?": "1", "é/ü": "2", "e/": "", "a.go": "3",
		"x/y/z/w.tmp": "4", "ba/ab": "5",
	})
	for name, target := range map[string]string{"loop": "loop", "up": "..", "a/self": "../a", "dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "a.go"), filepath.Join(dir, "b", "second")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWalkIsWhatIsSent(t *testing.T) {
	dir := forest(t)
	for _, patterns := range [][]string{
		nil,
		{"a"},
		{"*", "!a"},
		{"*", "!a/b"},
		{"**", "!a/b/*.go"},
		{"a", "!a/b/c", "a/b/c/a_test.go"},
		{"**/a", "!**/c"},
		{"**/*.go", "!a.go"},
		{"**/.env.*", "**/*_test.go", "**/.cache"},
		{"a/x", "!a"},
		{"!a", "a/b"},
		{"a*", "!ab/**"},
		{"**/b?"},
		{`\[a]`, `\!x`},
		{"é/*"},
		{"loop", "e", "b/second"},
		{"a.go"},
		{"."},
		{"**"},
		{"a b/ c"},
		{"./ ./ c", "a b"},
		{"!!x"},
		{"**b", "a**"},
	} {
		same(t, dir, patterns)
	}
	patterns, _, err := Ignore(filepath.Join("..", ".."), "")
	if err != nil || len(patterns) < 10 {
		t.Fatal(patterns, err)
	}
	same(t, dir, patterns)
}

// TestWalkOfRandomPatterns tries pattern lists that nobody would write.
func TestWalkOfRandomPatterns(t *testing.T) {
	dir := forest(t)
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "b", "c", "*", "**", "/", "/", ".go", "?", "[ab]", "!", ".env", "x", `\a`, "_test", "e", " "}
	for range 2000 {
		var patterns []string
		for range 1 + r.IntN(5) {
			p := ""
			if r.IntN(3) == 0 {
				p = "!"
			}
			for range 1 + r.IntN(5) {
				p += parts[r.IntN(len(parts))]
			}
			if check([]string{p}) == nil {
				patterns = append(patterns, p)
			}
		}
		same(t, dir, patterns)
	}
}

// FuzzWalk holds the walk to the one that sends the files.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{"a\n!b", "**/a*\n!a/b", "[^a]\n!**/x", "a**", `\**`, "\xff*"} {
		f.Add(seed)
	}
	dir := forest(f)
	f.Fuzz(func(t *testing.T, text string) {
		patterns := strings.Split(text, "\n")
		if check(patterns) != nil {
			return
		}
		same(t, dir, patterns)
	})
}

func TestWalkEnds(t *testing.T) {
	if _, err := listed(t, filepath.Join(t.TempDir(), "missing"), nil); err == nil {
		t.Error("a missing context is no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Walk(ctx, t.TempDir(), nil, func(File) error { return nil }); err == nil {
		t.Error("a cancelled walk is no error")
	}
	if _, err := listed(t, t.TempDir(), []string{"["}); err == nil {
		t.Error("a bad pattern is no error")
	}
}

func TestWalkGoesOnAfterAFileThatVanished(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "d"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	err := Walk(t.Context(), dir, nil, func(f File) error {
		got = append(got, f.Path)
		if f.Path == "a" {
			return os.Remove(filepath.Join(dir, "b")) // its directory has been listed
		}
		return nil
	})
	if err != nil || strings.Join(got, " ") != "a c d" {
		t.Errorf("walked %v, %v", got, err)
	}
}

// filtered is the directory dir less what the patterns of its ignore file match, every file owned by user and group
// 0, as BuildKit's client prepares a directory that it sends. Links are not followed.
func filtered(dir string, patterns []string) (fsutil.FS, error) {
	all, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, fmt.Errorf("opening build context %q: %w", dir, err)
	}
	less, err := fsutil.NewFilterFS(all, &fsutil.FilterOpt{
		ExcludePatterns: patterns,
		Map: func(_ string, st *types.Stat) fsutil.MapResult {
			st.Uid, st.Gid = 0, 0
			return fsutil.MapResultKeep
		},
	})
	if err != nil {
		return nil, fmt.Errorf("opening build context %q: %w", dir, err)
	}
	return less, nil
}
