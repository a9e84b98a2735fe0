package buildcontext

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// grown makes a directory of sparse files with these sizes in bytes.
func grown(t *testing.T, sizes map[string]int64) string {
	t.Helper()
	dir := t.TempDir()
	for name, size := range sizes {
		write(t, dir, map[string]string{name: ""})
		if err := os.Truncate(filepath.Join(dir, filepath.FromSlash(name)), size); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLargest(t *testing.T) {
	const mb = 1_000_000
	for _, c := range []struct {
		name  string
		sizes map[string]int64
		want  string
	}{
		{"empty", nil, ""},
		{"empty files", map[string]int64{"a": 0}, ""},
		{"one file", map[string]int64{"a/b/c": mb}, "a/b/c 1"},
		{
			"directories",
			map[string]int64{
				"models/a": 400 * mb, "models/b": 500 * mb, "media/x": 90 * mb, "media/y": 90 * mb,
				"src/a": mb,
			},
			"models 2, media 2",
		},
		{
			"a file below",
			map[string]int64{
				"data/old/big": 900 * mb, "data/old/small": 10 * mb, "data/new/c": 10 * mb,
				"src/a": 100 * mb,
			},
			"data/old/big 1, src/a 1",
		},
		{"all in one directory", map[string]int64{
			"app/models/a": 300 * mb, "app/models/b": 300 * mb, "app/node_modules/c": 200 * mb, "app/src/d": 2 * mb,
			"x": 1,
		}, "app/models 2, app/node_modules 1"},
		{
			"kept whole",
			map[string]int64{".git/objects/pack/p": 900 * mb, "node_modules/a/b": 500 * mb, "main.go": 1},
			".git 1, node_modules 1",
		},
		{
			"many",
			map[string]int64{"a/x": 6 * mb, "b/x": 5 * mb, "c/x": 4 * mb, "d/x": 3 * mb, "e/x": 2 * mb, "f/x": 2 * mb},
			"a/x 1, b/x 1, c/x 1, d/x 1, e/x 1",
		},
		{
			"many files",
			map[string]int64{"a/1": mb, "a/2": mb, "a/3": mb, "a/4": mb, "a/5": mb, "a/6": mb, "a/7": mb, "b": mb},
			"a 7, b 1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Take(context.Background(), grown(t, c.sizes), nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range s.Largest {
				got = append(got, fmt.Sprintf("%s %d", e.Path, e.Files))
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got %q, want %q", strings.Join(got, ", "), c.want)
			}
			var bytes int64
			for _, n := range c.sizes {
				bytes += n
			}
			if s.Bytes != bytes || s.Files != len(c.sizes) {
				t.Errorf("%d bytes in %d files, want %d in %d", s.Bytes, s.Files, bytes, len(c.sizes))
			}
		})
	}
}

func TestWarning(t *testing.T) {
	dir := grown(t,
		map[string]int64{
			"models/a": 5_000_000_000, "models/b": 4_800_000_000, "node_modules/x": 300_000_000,
			"#[1]": 200_000_000, "src": 100,
		})
	for i := range 1500 {
		write(t, dir, map[string]string{fmt.Sprintf("models/%d", i): ""})
	}
	s, err := Take(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Warning(s.Bytes, ""); got != "" {
		t.Errorf("a context of the limit's size is warned of: %q", got)
	}
	want := fmt.Sprintf(`build context %q is 10.3 GB in 1,505 files: models (9.8 GB), node_modules (300 MB), `+
		`#[1] (200 MB); add to .dockerignore: models, node_modules, \#\[1\]`, dir)
	// The third is shown only where the first two explain too little.
	want = strings.NewReplacer(", #[1] (200 MB)", "", ", \\#\\[1\\]", "").Replace(want)
	if got := s.Warning(1_000_000_000, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	own := s.Warning(1, filepath.Join(dir, "docker", "x.Dockerfile.dockerignore"))
	if !strings.Contains(own, "add to "+filepath.Join("docker", "x.Dockerfile.dockerignore")+":") {
		t.Errorf("the ignore file is not named: %s", own)
	}
}

// What Warning proposes keeps the path out, and nothing else.
func TestPattern(t *testing.T) {
	names := []string{"a", "!a", "#a", "[ab]", "a*", "a?", `a\b`, "a^", "b/#c", "b/!c", "b/[c]*"}
	dir := t.TempDir()
	for _, n := range names {
		write(t, dir, map[string]string{n: ""})
	}
	for _, n := range names {
		write(t, dir, map[string]string{DefaultIgnoreFile: Pattern(n)})
		patterns, _, err := Ignore(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		if err := Walk(context.Background(), dir, patterns,
			func(f File) error { found[f.Path] = true; return nil }); err != nil {
			t.Fatal(err)
		}
		for _, other := range names {
			if found[other] == (other == n) {
				t.Errorf("%q, to leave out %q: %q is in the context: %v", Pattern(n), n, other, found[other])
			}
		}
	}
}

func TestStamp(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a/b": "1", "c": "2", "left/out": "3"})
	if err := os.Symlink("c", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	stamp := func() string {
		t.Helper()
		s, err := Take(context.Background(), dir, []string{"left", "a/ignored"})
		if err != nil {
			t.Fatal(err)
		}
		return s.Stamp
	}
	path := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	before := stamp()
	for _, edit := range []struct {
		name    string
		changes bool
		do      func() error
	}{
		{"nothing", false, func() error { return nil }},
		{"an ignored file", false, func() error { return os.WriteFile(path("left/out"), []byte("333"), 0o644) }},
		{
			"an ignored file that changes its directory's time", false,
			func() error { return os.WriteFile(path("a/ignored"), nil, 0o644) },
		},
		{"the same bytes, later", true, func() error { return os.Chtimes(path("c"), time.Time{}, time.Unix(5, 6)) }},
		{"the mode", true, func() error { return os.Chmod(path("c"), 0o600) }},
		{"an empty directory", true, func() error { return os.Mkdir(path("empty"), 0o755) }},
		{"a new file", true, func() error { return os.WriteFile(path("new"), nil, 0o644) }},
		{"a rename", true, func() error { return os.Rename(path("new"), path("newer")) }},
		{"a removal", true, func() error { return os.Remove(path("newer")) }},
	} {
		if err := edit.do(); err != nil {
			t.Fatal(edit.name, err)
		}
		after := stamp()
		if (after != before) != edit.changes {
			t.Errorf("%s: changes the stamp: %v", edit.name, after != before)
		}
		before = after
	}
}

func TestOutside(t *testing.T) {
	base := t.TempDir()
	write(t, base, map[string]string{
		"repo/.git/": "", "repo/compose/x": "", "repo/docker/": "", "other/x": "", "plain/compose/": "",
		"plain/src/": "", "flat/x": "", "work/.git": "gitdir: elsewhere", "work/a/": "",
	})
	if err := os.Symlink("../other", filepath.Join(base, "repo", "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		project, context string
		want             bool
	}{
		{"repo", "repo", false},
		{"repo/compose", "repo", false},
		{"repo/compose", "repo/docker", false},
		{"repo/compose", "other", true},
		{"repo/compose", ".", true},
		{"repo", "repo/link", true},
		{"plain/compose", "plain", false},
		{"plain/compose", "plain/src", false},
		{"plain/compose", "other", true},
		{"flat", "flat/missing", false},
		{"flat", ".", true},
		{"flat", "flat-neighbour", true},
		{"work/a", "work", false},
	} {
		if got := Outside(filepath.Join(base, filepath.FromSlash(c.project)),
			filepath.Join(base, filepath.FromSlash(c.context))); got != c.want {
			t.Errorf("Outside(%s, %s) = %v", c.project, c.context, got)
		}
	}
}
