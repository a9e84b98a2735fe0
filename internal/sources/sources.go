// Package sources walks this repository's own Go sources, for tests of rules that each file has to keep. It knows no rule.
package sources

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

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

// root is the repository's.
func root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("the sources are not here")
	}
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Calls calls visit with each call in what is compiled of internal and magefiles for the product: neither tests nor what only they use.
func Calls(t testing.TB, visit func(Call)) {
	t.Helper()
	top := root(t)
	files := token.NewFileSet()
	for _, dir := range []string{"internal", "magefiles"} {
		err := filepath.WalkDir(filepath.Join(top, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "testdata" || d.Name() == "enginetest" || d.Name() == "golden" || d.Name() == "pinned" || d.Name() == "sources") {
				return fs.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			parsed, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(top, path)
			if err != nil {
				return err
			}
			for _, decl := range parsed.Decls {
				ast.Inspect(decl, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok {
						visit(Call{call, filepath.ToSlash(rel), files.Position(call.Pos()).Line, function(decl), Text(call.Fun)})
					}
					return true
				})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// function names a function, after its receiver's type where it has one; "" for another declaration.
func function(decl ast.Decl) string {
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

// Allowed checks that each call stands in one of the places, which have a reason each, and that none of these is out of date.
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
