package verify

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// adviceArgument is which argument of a call is the text of a command to copy, by the function's name.
var adviceArgument = map[string]int{
	"fault.New": 1, "finding.Fail": 2, "finding.Warn": 1, "finding.Tell": 1, "fail": 1, "say": 0,
}

// adviceName is of variables and fields that hold such a text.
var adviceName = regexp.MustCompile(`^(next|remedy|Next|Remedy)$`)

// plainCalls give text that is no name of the user's: numbers, our own words, and what is quoted already.
var plainCalls = []string{"fault.Quote", "ui.Bytes", "ui.Seconds", "engineCommand", "mirrorCommand", "cmp.Or"}

// plainNames are our own words: constants, a target's key and its options.
var plainNames = regexp.MustCompile(`^(p\.key|known|example|Extension|compose\.Extension|(\w+\.)?\w*Variable|` +
	`builderContainer|unit|byHand|target|[pj]\.(Job\.)?Name|is\.Job|` +
	`labelProject|h\.pid|s\.pid|r\.PID|s\.kind|setting|err)$`)

// TestNamesInCommandsToCopyAreQuoted reads every text that tells a user what to do next: what is put into it from
// outside, as the name of a service, a profile, a file or an image, goes through fault.Quote.
func TestNamesInCommandsToCopyAreQuoted(t *testing.T) {
	root, count := filepath.Join("..", ".."), 0
	for _, top := range []string{"cmd", "internal", "magefiles", "stack"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			for _, text := range adviceTexts(file) {
				count++
				for _, bad := range unquoted(text) {
					t.Errorf("%s: %s stands in a command to copy: fault.Quote it", set.Position(bad.Pos()), source(bad))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if count < 100 {
		t.Errorf("only %d texts found", count)
	}
}

// commandBegins is how the first word of a command to copy begins, wherever it is made.
var commandBegins = regexp.MustCompile(`go tool mage |` +
	`^(docker|sudo|mkdir|rmdir|curl|mv|kill|chmod|rm|less|journalctl|apt-get) `)

// adviceTexts finds the expressions that become a text of what to do next: by where they go, and by the command
// that begins them.
func adviceTexts(file *ast.File) []ast.Expr {
	var out []ast.Expr
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if i, ok := adviceArgument[source(n.Fun)]; ok && i < len(n.Args) {
				out = append(out, n.Args[i])
			} else if format, ok := formatOf(n); ok && commandBegins.MatchString(format) {
				out = append(out, n)
			}
		case *ast.BinaryExpr:
			if first, ok := n.X.(*ast.BasicLit); ok && commandBegins.MatchString(strings.Trim(first.Value, "\"`")) {
				out = append(out, n)
			}
		case *ast.KeyValueExpr:
			if adviceName.MatchString(source(n.Key)) {
				out = append(out, n.Value)
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				name := source(left)
				if adviceName.MatchString(name[strings.LastIndex(name, ".")+1:]) && len(n.Rhs) == len(n.Lhs) {
					out = append(out, n.Rhs[i])
				}
			}
		}
		return true
	})
	return out
}

// formatOf is the format of a call of fmt.Sprintf.
func formatOf(call *ast.CallExpr) (string, bool) {
	if source(call.Fun) != "fmt.Sprintf" {
		return "", false
	}
	format, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	return strings.Trim(format.Value, "\"`"), true
}

// unquoted gives the parts of a text that are neither our own words nor quoted. A text that is a variable by itself
// was looked at where it was made.
func unquoted(text ast.Expr) []ast.Expr {
	switch e := text.(type) {
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return nil
		}
		var out []ast.Expr
		for _, part := range []ast.Expr{e.X, e.Y} {
			if _, whole := part.(*ast.BinaryExpr); whole {
				out = append(out, unquoted(part)...)
			} else if !ownWords(part) {
				out = append(out, part)
			}
		}
		return out
	case *ast.CallExpr:
		if source(e.Fun) != "fmt.Sprintf" && source(e.Fun) != "strings.ReplaceAll" {
			return nil
		}
		var out []ast.Expr
		for _, part := range e.Args[1:] {
			if !ownWords(part) {
				out = append(out, part)
			}
		}
		return out
	}
	return nil
}

func ownWords(part ast.Expr) bool {
	switch e := part.(type) {
	case *ast.BasicLit:
		return true
	case *ast.CallExpr:
		if source(e.Fun) == "fmt.Sprintf" {
			return len(unquoted(e)) == 0
		}
		return slices.Contains(plainCalls, source(e.Fun))
	}
	return plainNames.MatchString(source(part))
}

// source is an expression as it is written, as far as names go.
func source(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return source(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return source(e.Fun) + "()"
	case *ast.IndexExpr:
		return source(e.X) + "[]"
	}
	return "an expression"
}
