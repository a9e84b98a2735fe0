package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/sources"
)

// judgements are the functions outside internal/fault, or the files of them, that decide something by an error's
// text, with the reason.
var judgements = map[string]string{
	"internal/compose/locate.go": "which file and line a message of Compose's library is about: a place, no cause",
	"internal/compose/redact.go": "what of such a message may be shown: it quotes files that may be secret",

	"internal/lifecycle/progress.go progress.set": "the same text is not printed twice",
	"internal/solve/failure.go wrap":              "words of ours, which are not said twice",
}

// TestErrorTextsAreJudgedInFault fails where a text that an error gave is compared, searched or matched outside of
// internal/fault. The text is followed through variables, the functions of package strings, and functions and methods
// of the same package.
func TestErrorTextsAreJudgedInFault(t *testing.T) {
	packages := map[string][]sources.File{}
	sources.Files(t, func(f sources.File) {
		if !f.Test && f.Dir() != "internal/fault" {
			packages[f.Dir()] = append(packages[f.Dir()], f)
		}
	})
	found := map[string][]string{}
	for _, files := range packages {
		for _, j := range judgementsIn(files) {
			found[j.place] = append(found[j.place], j.what)
		}
	}
	used := map[string]bool{}
	for _, place := range slices.Sorted(maps.Keys(found)) {
		file, _, _ := strings.Cut(place, " ")
		used[file], used[place] = true, true
		if judgements[place] == "" && judgements[file] == "" {
			t.Errorf("%s decides by an error's text (%s): classify the error in internal/fault", place,
				strings.Join(found[place], ", "))
		}
	}
	for place := range judgements {
		if !used[place] {
			t.Errorf("%q is listed and not there", place)
		}
	}
}

// judgement is a place that decides by an error's text.
type judgement struct{ place, what string }

// follower follows the texts of errors through one package.
type follower struct {
	functions map[string]*ast.FuncDecl // by name; methods too, whosever they are
	files     map[string]sources.File  // in which they stand
	texts     map[string]map[string]bool
	waiting   []string // functions to look at again
	found     map[judgement]bool
}

func judgementsIn(files []sources.File) []judgement {
	w := &follower{
		functions: map[string]*ast.FuncDecl{}, files: map[string]sources.File{}, texts: map[string]map[string]bool{},
		found: map[judgement]bool{},
	}
	for _, f := range files {
		for _, decl := range f.Decls {
			if d, ok := decl.(*ast.FuncDecl); ok && d.Body != nil {
				name := sources.Function(d)
				w.functions[name], w.files[name], w.texts[name] = d, f, map[string]bool{}
				w.waiting = append(w.waiting, name)
			}
		}
	}
	for len(w.waiting) > 0 {
		name := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.look(name)
	}
	return slices.SortedFunc(maps.Keys(w.found),
		func(a, b judgement) int { return strings.Compare(a.place+a.what, b.place+b.what) })
}

// look goes through a function until no other variable has an error's text, and then for what is decided by one.
func (w *follower) look(name string) {
	body, texts := w.functions[name].Body, w.texts[name]
	for before := -1; before != len(texts); {
		before = len(texts)
		ast.Inspect(body, func(n ast.Node) bool {
			if a, ok := n.(*ast.AssignStmt); ok {
				for i, right := range a.Rhs {
					if !w.isText(right, texts) {
						continue
					}
					for j, left := range a.Lhs {
						if x, ok := left.(*ast.Ident); ok && x.Name != "_" && (len(a.Lhs) != len(a.Rhs) || i == j) {
							texts[x.Name] = true
						}
					}
				}
			}
			if r, ok := n.(*ast.RangeStmt); ok && w.isText(r.X, texts) {
				for _, left := range []ast.Expr{r.Key, r.Value} {
					if x, ok := left.(*ast.Ident); ok && x.Name != "_" {
						texts[x.Name] = true
					}
				}
			}
			return true
		})
	}
	ast.Inspect(body, func(n ast.Node) bool {
		if what := w.decides(n, texts); what != "" {
			w.found[judgement{w.files[name].Path + " " + name, what}] = true
		}
		if call, ok := n.(*ast.CallExpr); ok {
			w.pass(call, texts)
		}
		return true
	})
}

// pass hands texts on to the functions of the package that are called with them.
func (w *follower) pass(call *ast.CallExpr, texts map[string]bool) {
	for _, callee := range w.callees(call) {
		var params []string
		for _, p := range w.functions[callee].Type.Params.List {
			for _, name := range p.Names {
				params = append(params, name.Name)
			}
		}
		for i, arg := range call.Args {
			if i < len(params) && w.isText(arg, texts) && !w.texts[callee][params[i]] {
				w.texts[callee][params[i]] = true
				w.waiting = append(w.waiting, callee)
			}
		}
	}
}

// callees are the functions of the package that a call may be of.
func (w *follower) callees(call *ast.CallExpr) []string {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		if w.functions[fun.Name] != nil {
			return []string{fun.Name}
		}
	case *ast.SelectorExpr:
		var out []string
		for name := range w.functions {
			if strings.HasSuffix(name, "."+fun.Sel.Name) {
				out = append(out, name)
			}
		}
		return out
	}
	return nil
}

// shaping are the functions of package strings whose result is still the text, and searching those that decide by it.
var (
	shaping   = []string{"ToLower", "ToUpper", "Trim", "Replace", "Split", "Cut", "Fields", "Lines", "Map", "Join"}
	searching = []string{"Contains", "HasPrefix", "HasSuffix", "EqualFold", "Index", "LastIndex", "Count", "Compare"}
)

func begins(name string, with []string) bool {
	return slices.ContainsFunc(with, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// isText says whether an expression is an error's text, or made of one.
func (w *follower) isText(e ast.Expr, texts map[string]bool) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return texts[e.Name]
	case *ast.ParenExpr:
		return w.isText(e.X, texts)
	case *ast.IndexExpr:
		return w.isText(e.X, texts)
	case *ast.SliceExpr:
		return w.isText(e.X, texts)
	case *ast.CallExpr:
		s, ok := e.Fun.(*ast.SelectorExpr)
		switch {
		case ok && s.Sel.Name == "Error" && len(e.Args) == 0:
			return true
		case ok && sources.Text(s.X) == "strings" && begins(s.Sel.Name, shaping), !ok && len(w.callees(e)) > 0 &&
			w.givesString(e):
			return slices.ContainsFunc(e.Args, func(arg ast.Expr) bool { return w.isText(arg, texts) })
		}
	}
	return false
}

// givesString says whether a call of the package's own gives a string first.
func (w *follower) givesString(call *ast.CallExpr) bool {
	results := w.functions[w.callees(call)[0]].Type.Results
	return results != nil && len(results.List) > 0 && sources.Text(results.List[0].Type) == "string"
}

// decides says by what a node decides on a text; "" where it does not.
func (w *follower) decides(n ast.Node, texts map[string]bool) string {
	text := func(e ast.Expr) bool { return e != nil && w.isText(e, texts) }
	switch n := n.(type) {
	case *ast.CallExpr:
		s, ok := n.Fun.(*ast.SelectorExpr)
		search := ok &&
			(sources.Text(s.X) == "strings" && begins(s.Sel.Name, searching) ||
				begins(s.Sel.Name, []string{"Match", "Find"}))
		if search && slices.ContainsFunc(n.Args, text) {
			return sources.Text(n.Fun)
		}
	case *ast.BinaryExpr:
		if (n.Op == token.EQL || n.Op == token.NEQ) && (text(n.X) || text(n.Y)) && !isEmptyString(n.X) &&
			!isEmptyString(n.Y) {
			return n.Op.String()
		}
	case *ast.SwitchStmt:
		if text(n.Tag) {
			return "switch"
		}
	case *ast.AssignStmt: // before, after, found := strings.Cut(text, sep)
		if len(n.Lhs) == 3 && len(n.Rhs) == 1 && text(n.Rhs[0]) &&
			strings.HasPrefix(sources.Text(n.Rhs[0]), "strings.Cut") &&
			sources.Text(n.Lhs[2]) != "_" {
			return "strings.Cut"
		}
	}
	return ""
}

func isEmptyString(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Value == `""`
}

// TestFollower holds what the rule sees.
func TestFollower(t *testing.T) {
	const source = `package p
func a(err error) bool { return strings.Contains(err.Error(), "x") }
func b(err error) bool { text := strings.ToLower(err.Error()); return known(1, text) }
func known(n int, message string) bool { return word.MatchString(message) }
func c(err error) string { first, _, _ := strings.Cut(err.Error(), "\n"); return first }
func d(err error) bool { switch last(err.Error()) { case "x": return true }; return err.Error() != "" }
func last(s string) string { return s[1:] }
func (k kind) e(err error) bool { return k.is(err.Error()) }
func (k kind) is(s string) bool { return s == k.name }
func f(s string) bool { return s == "x" || strings.Contains(s, "x") }
`
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range judgementsIn([]sources.File{{File: parsed, Path: "p.go", Source: source, Set: set}}) {
		got = append(got, strings.TrimPrefix(j.place, "p.go ")+": "+j.what)
	}
	want := "[a: strings.Contains d: switch kind.is: == known: word.MatchString]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %s\nwant %s", fmt.Sprint(got), want)
	}
}
