package positional

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	_ "unsafe" // for go:linkname

	"github.com/magefile/mage/parse"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/commandline"
)

// mainFunction is the program's main function, which Mage writes beside the magefiles.
//
//go:linkname mainFunction main.main
func mainFunction()

// magefilesName is the directory in which Mage looks for magefiles before it looks in the working directory.
const magefilesName = "magefiles"

// magefileDir is where the magefiles are that this program was compiled from: the working directory does not tell,
// since Mage's -w runs the program elsewhere. Where the sources are not there it is a directory without magefiles.
func magefileDir() string {
	main := runtime.FuncForPC(reflect.ValueOf(mainFunction).Pointer())
	if main == nil {
		return magefilesName
	}
	file, _ := main.FileLine(main.Entry())
	if !filepath.IsAbs(file) { // it was compiled with -trimpath
		return magefilesName
	}
	return filepath.Dir(file)
}

// tableOf gives the targets of the magefiles in dir. Where they can't be read, all of ours are taken for imported,
// and others may be there.
func tableOf(dir string) commandline.Table {
	table, err := readTable(dir)
	if err != nil {
		return commandline.Everything()
	}
	return table
}

// readTable gives the targets that the magefiles in dir define, and those that they import from our packages. Where
// they import others' targets the table is open.
func readTable(dir string) (commandline.Table, error) {
	names, err := magefilesIn(dir)
	if err != nil {
		return commandline.Table{}, err
	}
	own, err := parse.Package(dir, names, false)
	if err != nil {
		return commandline.Table{}, fmt.Errorf("reading the magefiles in %q: %w", dir, err)
	}
	table := commandline.Table{Commands: map[string]commandline.Command{}}
	packages := map[string]string{} // the prefix of their targets, by the name of the package
	for _, file := range own.AstPkg.Files {
		for _, imported := range imports(file) {
			commands, ours := commandline.Packages[path.Base(imported.path)]
			if !ours || path.Dir(imported.path) != ourPackages {
				table.Open = true
				continue
			}
			packages[path.Base(imported.path)] = imported.prefix
			for name, command := range commands {
				table.Commands[imported.prefix+name] = command
			}
		}
	}
	for _, f := range own.Funcs {
		table.Commands[strings.ToLower(f.TargetName())] = foreign(f)
	}
	for _, file := range own.AstPkg.Files {
		for alias, target := range aliases(file) {
			if prefix, ours := packages[path.Dir(target)]; ours {
				target = prefix + path.Base(target)
			}
			target = strings.ReplaceAll(target, "/", ":")
			command, known := table.Commands[target]
			if !known {
				command = commandline.Command{Foreign: true}
			}
			command.Target = target
			table.Commands[strings.ToLower(alias)] = command
		}
	}
	return table, nil
}

// ourPackages is the path that our packages of targets are below: that of this one's parent, also in a copy with
// another name.
var ourPackages = path.Dir(reflect.TypeFor[imported]().PkgPath())

// magefilesIn lists the names of the files in dir that Mage reads: those of package main, and outside a directory
// named magefiles only those that need the build tag mage. A file for another system than this one is listed too.
func magefilesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing magefiles: %w", err)
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || name == mageOutput {
			continue
		}
		text, err := bounded.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("reading a magefile: %w", err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("reading a magefile: %w", err)
		}
		if file.Name.Name == "main" && (filepath.Base(dir) == magefilesName || needsMage(file)) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("no magefiles")
	}
	return names, nil
}

// needsMage says whether the file is compiled with the build tag mage alone.
func needsMage(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if expression, err := constraint.Parse(comment.Text); err == nil {
				with := func(mage bool) bool {
					return expression.Eval(func(tag string) bool { return tag != "mage" || mage })
				}
				return with(true) && !with(false)
			}
		}
	}
	return false
}

// imported is a package whose targets a magefile imports.
type imported struct {
	path   string
	prefix string // of its targets' names: "" or "alias:"
}

// imports lists what the file imports with a comment mage:import, as Mage reads it: in lower case, the last line of
// the comment above an import or behind it, with an alias or without.
func imports(file *ast.File) []imported {
	var out []imported
	for _, d := range file.Decls {
		decl, isImport := d.(*ast.GenDecl)
		if !isImport || decl.Tok != token.IMPORT {
			continue
		}
		for _, spec := range decl.Specs {
			i := spec.(*ast.ImportSpec)
			above := i.Doc
			if above == nil && decl.Lparen == token.NoPos {
				above = decl.Doc
			}
			words := tag(above)
			if words == nil {
				words = tag(i.Comment)
			}
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil || words == nil {
				continue
			}
			prefix := ""
			if len(words) > 1 {
				prefix = words[1] + ":"
			}
			out = append(out, imported{name, prefix})
		}
	}
	return out
}

// tag gives the words of a comment mage:import; nil where it is none.
func tag(comments *ast.CommentGroup) []string {
	if comments == nil || len(comments.List) == 0 {
		return nil
	}
	words := strings.Fields(strings.ToLower(comments.List[len(comments.List)-1].Text[2:]))
	if len(words) == 0 || words[0] != "mage:import" {
		return nil
	}
	return words
}

// foreign is a target that is not ours, as the command line knows it.
func foreign(f *parse.Function) commandline.Command {
	kinds := map[string]commandline.Kind{"bool": commandline.Flag, "time.Duration": commandline.Duration}
	command := commandline.Command{Foreign: true, Options: commandline.Options{}}
	for _, arg := range f.Args {
		if !arg.Optional {
			command.Values = append(command.Values, arg.Name)
			continue
		}
		kind, special := kinds[arg.Type]
		if !special {
			kind = commandline.Text
		}
		command.Options[commandline.Dashed(arg.Name)] = kind
	}
	return command
}

// aliases gives what the file's variable Aliases says: by alias the target, in lower case, with a slash between
// package or namespace and function.
func aliases(file *ast.File) map[string]string {
	out := map[string]string{}
	for _, d := range file.Decls {
		decl, isDecl := d.(*ast.GenDecl)
		if !isDecl || decl.Tok != token.VAR {
			continue
		}
		for _, spec := range decl.Specs {
			v := spec.(*ast.ValueSpec)
			at := slices.IndexFunc(v.Names, func(n *ast.Ident) bool { return n.Name == "Aliases" })
			if at < 0 || at >= len(v.Values) {
				continue
			}
			if list, isList := v.Values[at].(*ast.CompositeLit); isList {
				maps.Copy(out, aliasesIn(list))
			}
		}
	}
	return out
}

func aliasesIn(list *ast.CompositeLit) map[string]string {
	out := map[string]string{}
	for _, element := range list.Elts {
		pair, isPair := element.(*ast.KeyValueExpr)
		if !isPair {
			continue
		}
		key, isText := pair.Key.(*ast.BasicLit)
		if !isText {
			continue
		}
		if alias, err := strconv.Unquote(key.Value); err == nil {
			out[alias] = strings.ToLower(selected(pair.Value))
		}
	}
	return out
}

// selected is a function as it is named, with slashes: Build, targets/Build, DB/Migrate.
func selected(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return selected(e.X) + "/" + e.Sel.Name
	}
	return ""
}
