package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one fault in one file. The zero mutant of a directory changes nothing.
type mutant struct {
	dir, file string // file is a path; "" for no change
	line      int
	what      string // is planted: "inverts if a < b"
	source    []byte // of the file, as it was when the fault was found
	edits     []edit
}

// edit replaces the bytes [from, to) of the file.
type edit struct {
	from, to int
	text     string
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d: %s", filepath.ToSlash(m.file), m.line, m.what)
}

// apply gives the source with the fault in it, on as many lines.
func (m mutant) apply() []byte {
	var out bytes.Buffer
	at := 0
	for _, e := range m.edits {
		out.Write(m.source[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(m.source[at:])
	return out.Bytes()
}

// mutants lists the faults of a package, in the files that this system compiles without build tags, in the order of
// files and lines.
func mutants(dir string) ([]mutant, error) {
	p, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the package in %s: %w", dir, err)
	}
	var all []mutant
	for _, name := range p.GoFiles {
		path := filepath.Join(dir, name)
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		in, err := mutantsOf(path, source)
		if err != nil {
			return nil, err
		}
		for i := range in {
			in[i].dir = dir
		}
		all = append(all, in...)
	}
	return all, nil
}

// finder collects the faults of a file.
type finder struct {
	path   string
	source []byte
	files  *token.FileSet
	all    []mutant
}

func mutantsOf(path string, source []byte) ([]mutant, error) {
	f := &finder{path: path, source: source, files: token.NewFileSet()}
	parsed, err := parser.ParseFile(f.files, path, source, 0)
	if err != nil {
		return nil, err
	}
	for _, decl := range parsed.Decls {
		if d, ok := decl.(*ast.FuncDecl); ok && d.Body != nil && !takesContext(d.Type) {
			f.function(d.Type, d.Body)
		}
	}
	slices.SortStableFunc(f.all, func(a, b mutant) int { return cmp.Compare(a.line, b.line) })
	return f.all, nil
}

// takesContext says whether a function has a parameter of type context.Context: it does things, and integration tests
// are for those.
func takesContext(t *ast.FuncType) bool {
	for _, p := range t.Params.List {
		if s, ok := p.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Context" {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "context" {
				return true
			}
		}
	}
	return false
}

// function finds the faults of a function's body; functions inside it have results of their own.
func (f *finder) function(kind *ast.FuncType, body *ast.BlockStmt) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			if !takesContext(n.Type) {
				f.function(n.Type, n.Body)
			}
			return false
		case *ast.IfStmt:
			f.ifStatement(n)
		case *ast.SwitchStmt:
			f.cases(n.Body, n.Tag == nil)
		case *ast.TypeSwitchStmt:
			f.cases(n.Body, false)
		case *ast.BinaryExpr:
			f.operator(n)
		case *ast.ReturnStmt:
			f.returned(kind, n)
		}
		return true
	})
}

// ifStatement inverts the condition, and drops a statement that leaves early. That an error is passed on is no rule.
func (f *finder) ifStatement(s *ast.IfStmt) {
	if errorCheck(s.Cond) {
		return
	}
	f.add(s.Cond, "inverts if "+f.text(s.Cond), f.around(s.Cond, "!(", ")"))
	if last := len(s.Body.List) - 1; last >= 0 && s.Else == nil {
		switch s.Body.List[last].(type) {
		case *ast.ReturnStmt, *ast.BranchStmt:
			f.add(s.Cond, "drops if "+f.text(s.Cond), f.around(s.Cond, "false && (", ")"))
		}
	}
}

// errorCheck says whether the condition is "err != nil" or "err == nil" and nothing else.
func errorCheck(e ast.Expr) bool {
	b, ok := e.(*ast.BinaryExpr)
	if !ok || b.Op != token.NEQ && b.Op != token.EQL {
		return false
	}
	x, isName := b.X.(*ast.Ident)
	y, isNil := b.Y.(*ast.Ident)
	return isName && isNil && y.Name == "nil" && strings.HasPrefix(strings.ToLower(x.Name), "err")
}

// cases drops each case of a switch: bare says that the cases are conditions.
func (f *finder) cases(body *ast.BlockStmt, bare bool) {
	for _, s := range body.List {
		c, ok := s.(*ast.CaseClause)
		if !ok {
			continue
		}
		if c.List == nil {
			f.add(c, "drops the default", f.blank(c))
			continue
		}
		what := "drops case " + string(f.source[f.offset(c.List[0].Pos()):f.offset(c.Colon)])
		if !bare {
			f.add(c, what, f.blank(c))
			continue
		}
		var edits []edit
		for _, e := range c.List {
			edits = append(edits, f.around(e, "false && (", ")")...)
		}
		f.add(c, what, edits)
	}
}

// swaps are the operators that are easily mistaken for each other.
var swaps = map[token.Token]string{
	token.LAND: "||", token.LOR: "&&", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
}

func (f *finder) operator(e *ast.BinaryExpr) {
	if other := swaps[e.Op]; other != "" {
		at := f.offset(e.OpPos)
		f.addAt(e.OpPos, fmt.Sprintf("takes %s for %s in %s", other, e.Op, f.text(e)),
			[]edit{{at, at + len(e.Op.String()), other}})
	}
}

// returned negates each bool that a return statement gives.
func (f *finder) returned(kind *ast.FuncType, s *ast.ReturnStmt) {
	if kind.Results == nil || len(s.Results) != kind.Results.NumFields() {
		return // nothing, or another function's results
	}
	i := 0
	for _, field := range kind.Results.List {
		name, _ := field.Type.(*ast.Ident)
		for range max(len(field.Names), 1) {
			if e := s.Results[i]; name != nil && name.Name == "bool" {
				f.add(e, "negates the returned "+f.text(e), f.around(e, "!(", ")"))
			}
			i++
		}
	}
}

func (f *finder) add(n ast.Node, what string, edits []edit) { f.addAt(n.Pos(), what, edits) }

func (f *finder) addAt(at token.Pos, what string, edits []edit) {
	const longest = 100 // bytes of what is printed
	what = strings.Join(strings.Fields(what), " ")
	if len(what) > longest {
		what = strings.ToValidUTF8(what[:longest], "") + "…"
	}
	f.all = append(f.all,
		mutant{file: f.path, line: f.files.Position(at).Line, what: what, source: f.source, edits: edits})
}

func (f *finder) offset(p token.Pos) int { return f.files.Position(p).Offset }

func (f *finder) text(n ast.Node) string {
	return string(f.source[f.offset(n.Pos()):f.offset(n.End())])
}

func (f *finder) around(n ast.Node, before, after string) []edit {
	from, to := f.offset(n.Pos()), f.offset(n.End())
	return []edit{{from, from, before}, {to, to, after}}
}

// blank takes a node out and keeps its lines.
func (f *finder) blank(n ast.Node) []edit {
	return []edit{{f.offset(n.Pos()), f.offset(n.End()), strings.Repeat("\n", strings.Count(f.text(n), "\n"))}}
}
