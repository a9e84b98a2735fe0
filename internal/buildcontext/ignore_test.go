package buildcontext

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// write makes files below dir; a name that ends in a slash is a directory.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIgnore(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, c := range []struct {
		name     string
		files    map[string]string
		patterns []string
		file     string // relative; "" for none
		err      string
	}{
		{name: "none", files: map[string]string{"a": ""}},
		{
			name:     "the context's",
			files:    map[string]string{".dockerignore": "\xef\xbb\xbf# comment\n/models\n a/../b/ \r\n\n!/keep\n"},
			patterns: []string{"models", "b", "!keep"}, file: ".dockerignore",
		},
		{
			name:     "the Dockerfile's own first",
			files:    map[string]string{".dockerignore": "a", "docker/x.Dockerfile.dockerignore": "b"},
			patterns: []string{"b"}, file: "docker/x.Dockerfile.dockerignore",
		},
		{
			name:  "the Dockerfile's own, though empty",
			files: map[string]string{".dockerignore": "a", "docker/x.Dockerfile.dockerignore": ""},
			file:  "docker/x.Dockerfile.dockerignore",
		},
		{
			name: "bad pattern", files: map[string]string{".dockerignore": "# x\nok\n[a-"},
			err: ".dockerignore:3: bad pattern \"[a-\": syntax error in pattern",
		},
		{
			name: "bad class, which only a comparison shows", files: map[string]string{".dockerignore": "ok\n[z-a]"},
			err: ".dockerignore:2: bad pattern",
		},
		{
			name: "bad exception", files: map[string]string{".dockerignore": "\n\n!"},
			err: ".dockerignore:3: bad pattern \"!\"",
		},
		{
			name: "bad exception class", files: map[string]string{".dockerignore": "![z-a]"},
			err: ".dockerignore:1: bad pattern",
		},
		{
			name: "long line", files: map[string]string{".dockerignore": "a\n" + long},
			err: ".dockerignore:2: the line is longer than 65535 bytes",
		},
		{
			name: "UTF-16", files: map[string]string{".dockerignore": "\xff\xfem\x00o\x00"},
			err: ".dockerignore:1: there is a zero byte",
		},
		{
			name: "too large", files: map[string]string{".dockerignore": strings.Repeat("#\n", maxIgnoreBytes/2+1)},
			err: "larger than 16777216 bytes",
		},
		{name: "a directory", files: map[string]string{".dockerignore/": ""}, err: ".dockerignore\": "},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, c.files)
			patterns, file, err := Ignore(dir, filepath.Join(dir, "docker", "x.Dockerfile"))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), file) {
					t.Fatalf("error %v, want %q and the file's name", err, c.err)
				}
				return
			}
			want := ""
			if c.file != "" {
				want = filepath.Join(dir, filepath.FromSlash(c.file))
			}
			if err != nil || !slices.Equal(patterns, c.patterns) || file != want {
				t.Fatalf("got %q of %q, %v; want %q of %q", patterns, file, err, c.patterns, want)
			}
		})
	}
}

func TestIgnoreOfInlineDockerfile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{".dockerignore": "a"})
	if patterns, _, err := Ignore(dir, ""); err != nil || !slices.Equal(patterns, []string{"a"}) {
		t.Fatal(patterns, err)
	}
}

// BuildKit would not follow such a link and send everything, secrets included.
func TestIgnoreFileThatLeavesTheContext(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"outside": "a", "context/": ""})
	context := filepath.Join(dir, "context")
	if err := os.Symlink("../outside", filepath.Join(context, ".dockerignore")); err != nil {
		t.Fatal(err)
	}
	if patterns, _, err := Ignore(context, ""); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Fatal(patterns, err)
	}
}

// FuzzIgnore holds Ignore to the parser and the matcher that BuildKit uses: what it accepts they accept and understand
// alike, and what it refuses they refuse, or can't hold a path.
func FuzzIgnore(f *testing.F) {
	for _, seed := range []string{
		"a\n!b\n", "\xef\xbb\xbf/x/**/y.*\n", "[a-\n", "[z-a]", "!", "# c\n \n\t!\t/x",
		"**/\\[a", "a\x00b", "\r\n/\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		name := filepath.Join(dir, DefaultIgnoreFile)
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		got, file, err := Ignore(dir, "")
		want, wantErr := ignorefile.ReadAll(bytes.NewReader(data))
		if err == nil {
			if wantErr != nil || !slices.Equal(got, want) || file != name {
				t.Fatalf("got %q, want %q, %v", got, want, wantErr)
			}
			matcher, err := patternmatcher.New(got)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := matcher.MatchesOrParentMatches("a/b"); err != nil {
				t.Fatal(err)
			}
			return
		}
		if !strings.Contains(err.Error(), name) || wantErr == nil && !bytes.ContainsRune(data, 0) && valid(want) {
			t.Fatalf("refused: %v", err)
		}
	})
}

// valid says whether patternmatcher can work with the patterns.
func valid(patterns []string) bool {
	for _, p := range patterns {
		one, err := patternmatcher.New([]string{"**", p})
		if err == nil {
			_, err = one.MatchesOrParentMatches("x")
		}
		two, err2 := patternmatcher.New([]string{p})
		if err2 == nil {
			_, err2 = two.MatchesOrParentMatches("x")
		}
		if errors.Join(err, err2) != nil {
			return false
		}
	}
	return true
}
