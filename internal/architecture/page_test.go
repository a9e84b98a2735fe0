package architecture

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/sources"
)

// row is a package's line in a table of the page.
var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\|$")

func page(t *testing.T) (path, text string) {
	t.Helper()
	path = filepath.Join(sources.Root(t), "docs", "architecture.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(data)
}

// rooms are the packages of the page from the roof to the ground.
func rooms(text string) []string {
	var out []string
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestPageHasEveryPackageWithItsFirstSentence is what writes the sentences of the page too, with UPDATE=1; a
// package's place in the house is for a person to choose.
func TestPageHasEveryPackageWithItsFirstSentence(t *testing.T) {
	comments := map[string]string{}
	sources.Files(t, func(f sources.File) {
		if strings.HasSuffix(f.Path, "_test.go") {
			return
		}
		if comments[f.Dir()] += ""; f.Doc != nil {
			comments[f.Dir()] = firstSentence(f.Doc.Text())
		}
	})
	path, text := page(t)
	listed := rooms(text)
	for dir, comment := range comments {
		if !slices.Contains(listed, dir) {
			t.Errorf("%s has no line in docs/architecture.md: %s", dir, comment)
		}
		if comment == "" {
			t.Errorf("%s has no package comment", dir)
		}
	}
	for i, dir := range listed {
		if _, there := comments[dir]; !there || slices.Contains(listed[:i], dir) {
			t.Errorf("%s of docs/architecture.md is not there, or twice", dir)
		}
	}
	want := row.ReplaceAllStringFunc(text, func(line string) string {
		dir := row.FindStringSubmatch(line)[1]
		return "| `" + dir + "` | " + comments[dir] + " |"
	})
	if want != text && os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != text {
		t.Error("docs/architecture.md has other sentences than the packages: UPDATE=1 go test ./internal/architecture")
	}
}

// opening is what package comments begin with, and the page does not repeat.
var opening = regexp.MustCompile(`^(Package|Command) \S+ (owns )?`)

// firstSentence is a package comment's, without its opening.
func firstSentence(comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	if end := strings.Index(text+" ", ". "); end >= 0 {
		text = text[:end]
	}
	return strings.ReplaceAll(opening.ReplaceAllString(text, ""), "|", `\|`)
}

// TestAnswersNameFiles: each file that the page names is there.
func TestAnswersNameFiles(t *testing.T) {
	_, text := page(t)
	names := regexp.MustCompile("`([a-z]+/[^` ]*\\.[a-z]+)`").FindAllStringSubmatch(text, -1)
	if len(names) < 6 {
		t.Fatalf("%d files are named: the answers are gone", len(names))
	}
	for _, m := range names {
		if _, err := os.Stat(filepath.Join(sources.Root(t), filepath.FromSlash(m[1]))); err != nil {
			t.Errorf("docs/architecture.md names %s: %v", m[1], err)
		}
	}
}

// internalImports are the packages of this module that a file imports, by their directories.
func internalImports(f sources.File) []string {
	var out []string
	for _, i := range f.Imports {
		if path, err := strconv.Unquote(i.Path.Value); err == nil && strings.HasPrefix(path, sources.Module+"/") {
			out = append(out, strings.TrimPrefix(path, sources.Module+"/"))
		}
	}
	return out
}

// TestImportsGoDown: a package imports what stands below it on the page, never what is beside or above it.
func TestImportsGoDown(t *testing.T) {
	_, text := page(t)
	order := rooms(text)
	sources.Files(t, func(f sources.File) {
		if f.Test {
			return
		}
		from := slices.Index(order, f.Dir())
		for _, dir := range internalImports(f) {
			if to := slices.Index(order, dir); to >= 0 && to <= from {
				t.Errorf("%s imports %s, which stands above it in docs/architecture.md", f.Path, dir)
			}
		}
	})
}

// TestForbiddenArrows holds who may import what is not for everybody.
func TestForbiddenArrows(t *testing.T) {
	sources.Files(t, func(f sources.File) {
		for _, i := range f.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			switch {
			case strings.HasPrefix(path, "github.com/magefile/mage") &&
				!strings.HasPrefix(f.Path, "magefiles/") && !strings.HasPrefix(f.Path, "cmd/mage/"):
				t.Errorf("%s imports Mage: the libraries are usable without it", f.Path)
			case strings.HasPrefix(path, "github.com/docker/docker/"):
				t.Errorf("%s imports %s, which is frozen: use github.com/moby/moby", f.Path, path)
			case path == "testing" && !f.Test:
				t.Errorf("%s imports testing", f.Path)
			}
		}
		for _, dir := range internalImports(f) {
			if !f.Test &&
				slices.Contains([]string{
					"internal/sources", "internal/golden", "internal/enginetest",
				}, dir) {
				t.Errorf("%s imports %s, which is for tests", f.Path, dir)
			}
		}
	})
}
