package stack

import (
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const path = "github.com/25eloquence/compose-mage/stack"

// TestThePublicAPIIsWhole walks everything that this package exports, and each package below it: nobody outside the
// module can name an internal type, so none may be in a signature, a field or a method; and no part of them knows of
// Mage.
func TestThePublicAPIIsWhole(t *testing.T) {
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", path+"/...")
	text, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v", list, err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[name] = file
		if strings.HasPrefix(name, "github.com/magefile/mage") {
			t.Errorf("%s is imported", name)
		}
	}
	open := func(name string) (io.ReadCloser, error) { return os.Open(exports[name]) }
	load := importer.ForCompiler(token.NewFileSet(), "gc", open)
	pkg, err := load.Import(path)
	if err != nil {
		t.Fatal(err)
	}
	doors := 0
	for name := range exports {
		if !ofDoor(name) {
			continue
		}
		door, err := load.Import(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, exported := range door.Scope().Names() {
			if object := door.Scope().Lookup(exported); object.Exported() {
				for _, bad := range internalIn(object.Type(), door.Name()+"."+exported, nil) {
					t.Error(bad)
				}
			}
		}
		doors++
	}
	if doors < 5 {
		t.Errorf("%d packages are looked at", doors)
	}
	for _, want := range []string{
		"Check", "Build", "Start", "Restart", "Stop", "Status", "Logs", "Monitor", "Cleanup", "Smoke", "Explain",
		"Fit", "Lock", "Setup", "Teardown",
	} {
		form, ok := pkg.Scope().Lookup(want).(*types.Func)
		if !ok || form.Type().String() != "func(ctx context.Context) error" {
			t.Errorf("%s is no function of a context alone that gives an error: mg.CtxDeps can't take it", want)
		}
	}
}

// ofDoor says whether a package is this one, or below it.
func ofDoor(name string) bool { return name == path || strings.HasPrefix(name, path+"/") }

// TestInternalTypesAreFound shows that the walk finds what it looks for.
func TestInternalTypesAreFound(t *testing.T) {
	hidden := types.NewPackage("example.com/m/internal/x", "x")
	secret := types.NewNamed(types.NewTypeName(0, hidden, "Secret", nil), types.NewStruct(nil, nil), nil)
	field := func(name string, of types.Type) *types.Var { return types.NewField(0, nil, name, of, false) }
	for what, c := range map[string]struct {
		in   types.Type
		want int
	}{
		"a field": {types.NewStruct([]*types.Var{field("Open",
			types.NewSlice(types.NewPointer(secret)))}, nil), 1},
		"an unexported field": {types.NewStruct([]*types.Var{field("closed", secret)}, nil), 0},
		"a map":               {types.NewMap(types.Typ[types.String], secret), 1},
		"parameter and result": {types.NewSignatureType(nil, nil, nil, types.NewTuple(field("a", secret)),
			types.NewTuple(field("", secret)), false), 2},
	} {
		if found := internalIn(c.in, "x", nil); len(found) != c.want {
			t.Errorf("%s: found %q, want %d", what, found, c.want)
		}
	}
}

// internalIn says where a type names one of an internal package: in exported fields and methods, parameters and
// results. seen are the types that were looked at.
func internalIn(of types.Type, where string, seen []types.Type) []string {
	if slices.Contains(seen, of) {
		return nil
	}
	seen = append(slices.Clone(seen), of)
	var out []string
	in := func(t types.Type, part string) { out = append(out, internalIn(t, where+part, seen)...) }
	switch t := types.Unalias(of).(type) {
	case *types.Named:
		object := t.Obj()
		if object.Pkg() != nil && strings.Contains(object.Pkg().Path()+"/", "/internal/") {
			return []string{fmt.Sprintf("%s mentions %s", where, t)}
		}
		if object.Pkg() == nil || !ofDoor(object.Pkg().Path()) {
			return nil
		}
		in(t.Underlying(), "")
		for m := range t.Methods() {
			if m.Exported() {
				in(m.Type(), "."+m.Name())
			}
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() {
				in(f.Type(), "."+f.Name())
			}
		}
	case *types.Signature:
		for v := range t.Params().Variables() {
			in(v.Type(), "("+v.Name()+")")
		}
		for v := range t.Results().Variables() {
			in(v.Type(), " result")
		}
	case *types.Interface:
		for m := range t.Methods() {
			in(m.Type(), "."+m.Name())
		}
	case *types.Map:
		in(t.Key(), "[key]")
		in(t.Elem(), "[]")
	case interface{ Elem() types.Type }:
		in(t.Elem(), "[]")
	}
	return out
}
