// Package sources walks this repository's own Go sources, for tests of rules that each file has to keep. The package
// knows no rule.
package sources

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Module is the path of the module that the sources are of.
const Module = "github.com/25eloquence/compose-mage"

// File is a source file.
type File struct {
	*ast.File
	Path   string // below the repository's root, with slashes
	Source string
	Set    *token.FileSet
	Test   bool // compiled for tests alone: its name says so, or no target runs what its package has
}

// Dir is the package's directory below the root.
func (f File) Dir() string { return path.Dir(f.Path) }

// Line is where a node of the file begins.
func (f File) Line(n ast.Node) int { return f.Set.Position(n.Pos()).Line }

// Call is a call in a source file.
type Call struct {
	*ast.CallExpr
	File string // below the repository's root, with slashes
	Line int
	Func string // in which it stands: "ReadFile", "Limit.ReadFile"
	Name string // what is called: "io.ReadAll", "command.Output"
}

// String says where the call stands.
func (c Call) String() string {
	return fmt.Sprintf("%s:%d: %s calls %s", c.File, c.Line, c.Func, c.Name)
}

// Place is what a list of exceptions names: file and function.
func (c Call) Place() string { return c.File + " " + c.Func }

// Root is the repository's root directory.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("the sources are not here")
	}
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// trees are the directories of the module whose code this package walks, as far as they are there.
var trees = []string{"cmd", "internal", "magefiles", "stack"}

// forTests are the packages whose code no target runs.
var forTests = []string{
	"architecture", "composetest", "enginetest", "fixture", "golden", "integration", "mutants", "parity", "sources",
}

// mageOutput is the program that Mage writes beside the targets while it compiles them.
const mageOutput = "mage_output_file.go"

// Files calls visit with each Go file of the module's packages, tests included, in the order of their paths.
func Files(t testing.TB, visit func(File)) {
	t.Helper()
	top := Root(t)
	set := token.NewFileSet()
	for _, dir := range trees {
		if _, err := os.Stat(filepath.Join(top, dir)); err != nil {
			continue
		}
		err := filepath.WalkDir(filepath.Join(top, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || d.Name() == mageOutput {
				return nil
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(top, path)
			if err != nil {
				return err
			}
			parsed, err := parser.ParseFile(set, path, source, parser.ParseComments)
			if err != nil {
				return err
			}
			f := File{File: parsed, Path: filepath.ToSlash(rel), Source: string(source), Set: set}
			f.Test = strings.HasSuffix(f.Path, "_test.go") ||
				slices.ContainsFunc(strings.Split(f.Dir(), "/"), func(part string) bool {
					return slices.Contains(forTests, part)
				})
			visit(f)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Calls calls visit with each call in what is compiled for the product: neither tests nor what only they use.
func Calls(t testing.TB, visit func(Call)) {
	t.Helper()
	Files(t, func(f File) {
		if f.Test {
			return
		}
		for _, decl := range f.Decls {
			ast.Inspect(decl, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					visit(Call{call, f.Path, f.Line(call), Function(decl), Text(call.Fun)})
				}
				return true
			})
		}
	})
}

// Function names a function, after its receiver's type where it has one; "a variable" for another declaration.
func Function(decl ast.Decl) string {
	f, ok := decl.(*ast.FuncDecl)
	if !ok {
		return "a variable"
	}
	if f.Recv == nil {
		return f.Name.Name
	}
	kind := f.Recv.List[0].Type
	if pointer, ok := kind.(*ast.StarExpr); ok {
		kind = pointer.X
	}
	return Text(kind) + "." + f.Name.Name
}

// Text is an expression's names, as far as it has any: "os.ReadFile", "b.out.Writer()".
func Text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return Text(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return Text(e.Fun) + "()"
	case *ast.UnaryExpr:
		return e.Op.String() + Text(e.X)
	case *ast.IndexExpr:
		return Text(e.X)
	}
	return "…"
}

// Allowed checks that each call stands in one of the places, which have a reason each, and that none of these is out
// of date.
func Allowed(t testing.TB, calls []Call, places map[string]string, remedy string) {
	t.Helper()
	used := map[string]bool{}
	for _, c := range calls {
		if used[c.Place()] = true; places[c.Place()] == "" {
			t.Errorf("%s: %s, or list %q with a reason", c, remedy, c.Place())
		}
	}
	for place := range places {
		if !used[place] {
			t.Errorf("%q is listed and not there", place)
		}
	}
}
