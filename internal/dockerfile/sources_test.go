package dockerfile

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatASourceTakes(t *testing.T) {
	for _, c := range []struct {
		src      string
		how      selection
		takes    string
		leaves   string
		topTakes string // which of the paths the source itself names
	}{
		{src: ".", takes: "a a/b", leaves: "", topTakes: ""},
		{src: "/", takes: "a a/b"},
		{src: "a", takes: "a a/b a/b/c", leaves: "ab b", topTakes: "a"},
		{src: "./a/", takes: "a a/b", leaves: "ab", topTakes: "a"},
		{src: "a/b", takes: "a/b a/b/c", leaves: "a a/bc", topTakes: "a/b"},
		{src: "a/../b", takes: "b", leaves: "a", topTakes: "b"},
		{src: "*.go", takes: "x.go x.go/y", leaves: "a/x.go x.md", topTakes: "x.go"},
		{src: "a/*", takes: "a/b a/b/c", leaves: "a b/b", topTakes: "a/b"},
		{src: "a/?/c", takes: "a/b/c", leaves: "a/b a/bb/c", topTakes: "a/b/c"},
		{src: "*.go", how: selection{plain: true}, takes: "*.go", leaves: "x.go", topTakes: "*.go"},
		{src: "[", takes: "anything", leaves: ""},
		{src: "[", how: selection{plain: true}, takes: "[", leaves: "anything", topTakes: "["},
		{
			src: "a", how: selection{exclude: []string{"**/*.md"}}, takes: "a a/b.go", leaves: "a/x.md a/b/x.md",
			topTakes: "a",
		},
		{src: "a", how: selection{exclude: []string{"["}}, takes: "a b anything"},
		{src: "a/b", how: selection{parents: true}, takes: "a/b a/b/c", leaves: "a b", topTakes: ""},
		{src: "./a/./b", how: selection{parents: true}, takes: "a/b a/b/c", leaves: "a/c b", topTakes: "a"},
		{src: "a/**/c", how: selection{parents: true}, takes: "a/x/c a/x/y/c", leaves: "a/x b/c"},
		{src: "[", how: selection{parents: true}, takes: "anything"},
	} {
		s := newSource("", c.src, c.how)
		for _, p := range strings.Fields(c.takes) {
			if !s.Matches(p) {
				t.Errorf("%q %+v leaves %q", c.src, c.how, p)
			}
		}
		for _, p := range strings.Fields(c.leaves) {
			if s.Matches(p) {
				t.Errorf("%q %+v takes %q", c.src, c.how, p)
			}
		}
		for _, p := range strings.Fields(c.takes + " " + c.leaves) {
			if len(c.how.exclude) == 0 && s.top(p) != slices.Contains(strings.Fields(c.topTakes), p) && !c.how.parents {
				t.Errorf("%q %+v: whether it names %q itself: %v", c.src, c.how, p, s.top(p))
			}
		}
	}
}

func TestLinksAreFollowed(t *testing.T) {
	links := map[string]string{
		"link": "a/b", "deep/up": "../x", "abs": "/y/z", "loop": "loop", "one": "two",
		"two": "one", "self": "self/more",
	}
	for src, want := range map[string]string{
		"link":       "link>a/b",
		"link/c":     "link>a/b/c",
		"linked":     "",
		"deep/up/f":  "deep/up>x/f",
		"abs/f":      "abs>y/z/f",
		"l*k":        "link>a/b",
		"l*k/c":      "",
		"loop":       "",
		"loop/x":     "",
		"one":        "one>two two>one",
		"other/link": "",
		".":          "",
	} {
		sources := []Source{newSource("ctx", src, selection{})}
		followed := Followed(sources, links)
		seen := map[string]bool{}
		for i := 1; i+1 < len(followed); i += 2 {
			if followed[i].Context != "ctx" || followed[i+1].Context != "ctx" {
				t.Errorf("%q: another context: %+v", src, followed)
			}
			seen[followed[i].Path+">"+followed[i+1].Path] = true
		}
		var got []string
		for k := range seen {
			got = append(got, k)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want || followed[0].Path != sources[0].Path {
			t.Errorf("%q: %q, want %q", src, got, want)
		}
		if len(followed) > 2*maxLinks+1 {
			t.Errorf("%q: a circle is followed without end: %d", src, len(followed))
		}
	}
	moved, ok := (&Source{Path: "l*k", wild: true}).through("link", "a[b")
	if !ok || moved.wild || moved.Path != "a[b" {
		t.Errorf("a link's target is no pattern: %+v, %v", moved, ok)
	}
	all := []Source{{All: true}}
	if got := Followed(all, links); len(got) != 1 {
		t.Errorf("all of a context leads further: %+v", got)
	}
	if (&Source{All: true}).top("x") {
		t.Error("all of a context names each file itself")
	}
}

func TestSourcesOfOneContext(t *testing.T) {
	p, err := Parse("FROM base\nCOPY a /\nCOPY --from=Lib b c /\nFROM scratch\nCOPY d /\n", Options{Target: "0"})
	if err != nil {
		t.Fatal(err)
	}
	for context, want := range map[string]string{"": "a", "lib": "b c", "none": "", "BASE": "*"} {
		var got []string
		for _, s := range p.SourcesOf(context) {
			if s.All {
				s.Path = "*"
			}
			got = append(got, s.Path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q", context, got)
		}
	}
}

func TestWhatAnADDFetches(t *testing.T) {
	for p, want := range map[string]bool{
		"http://x/y": true, "https://x/y": true, "git@example.com:a/b.git": true, "https://x/y.git": true, "a/b": false,
		"ftp:x": false, "github.com/a/b": false,
	} {
		if fetched(p) != want {
			t.Errorf("%s: %v", p, !want)
		}
	}
}
