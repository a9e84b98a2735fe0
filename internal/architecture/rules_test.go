package architecture

import (
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/25eloquence/compose-mage/internal/sources"
)

// What a reader can hold in mind.
const (
	mostFiles         = 20   // of a package, without tests
	mostPackageLines  = 2500 // of these files
	mostFileLines     = 400
	mostFunctionLines = 60
	mostColumns       = 120
	tab               = 4 // columns
)

// larger are packages that are larger than others may be, with their reason.
var larger = map[string]string{}

// TestSizes holds packages, files and functions of the product to what a reader can hold in mind.
func TestSizes(t *testing.T) {
	files, lines := map[string]int{}, map[string]int{}
	sources.Files(t, func(f sources.File) {
		if f.Test {
			return
		}
		n := strings.Count(f.Source, "\n")
		files[f.Dir()]++
		lines[f.Dir()] += n
		if n > mostFileLines {
			t.Errorf("%s has %d lines", f.Path, n)
		}
		comments := map[int]bool{}
		for _, group := range f.Comments {
			for line := f.Line(group); line <= f.Set.Position(group.End()).Line; line++ {
				comments[line] = true
			}
		}
		for _, decl := range f.Decls {
			d, ok := decl.(*ast.FuncDecl)
			if !ok || d.Body == nil {
				continue
			}
			n := 0
			for line := f.Line(d) + 1; line < f.Set.Position(d.End()).Line; line++ {
				if !comments[line] {
					n++
				}
			}
			if n > mostFunctionLines {
				t.Errorf("%s: %s has %d lines", f.Path, sources.Function(decl), n)
			}
		}
	})
	for _, dir := range slices.Sorted(maps.Keys(files)) {
		over := files[dir] > mostFiles || lines[dir] > mostPackageLines
		switch {
		case over && larger[dir] == "":
			t.Errorf("%s has %d files and %d lines", dir, files[dir], lines[dir])
		case !over && larger[dir] != "":
			t.Errorf("%s is listed as larger, and is not", dir)
		}
	}
}

func TestLinesFit(t *testing.T) {
	sources.Files(t, func(f sources.File) {
		texts := literalLines(f)
		n := 0
		for line := range strings.Lines(f.Source) {
			n++
			line = strings.TrimRight(line, "\n")
			columns := utf8.RuneCountInString(line) + (tab-1)*strings.Count(line, "\t")
			if columns > mostColumns && !texts[n] {
				t.Errorf("%s:%d has %d columns", f.Path, n, columns)
			}
		}
	})
}

// literalLines are the lines of texts that a literal has as they are, such as Compose files in tests.
func literalLines(f sources.File) map[int]bool {
	lines := map[int]bool{}
	ast.Inspect(f.File, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			first, last := f.Line(lit), f.Set.Position(lit.End()).Line
			for line := first; line <= last && first != last; line++ {
				lines[line] = true
			}
		}
		return true
	})
	return lines
}

// TestLabelsAreSpelledInContainer: what docker compose writes on containers, networks and volumes has its names in
// one place.
func TestLabelsAreSpelledInContainer(t *testing.T) {
	sources.Files(t, func(f sources.File) {
		if f.Test || f.Dir() == "internal/container" {
			return
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING &&
				strings.Contains(lit.Value, "com.docker.compose") {
				t.Errorf("%s:%d spells a label of Compose's: use one of internal/container", f.Path, f.Line(n))
			}
			if s, ok := n.(*ast.SelectorExpr); ok && sources.Text(s.X) == "api" &&
				strings.HasSuffix(s.Sel.Name, "Label") {
				t.Errorf("%s:%d names a label of Compose's: use one of internal/container", f.Path, f.Line(n))
			}
			return true
		})
	})
}
