// Package verify owns the checks of a repository's own code: its Go modules' tests, vet for every system, linters. It
// runs the go command in each module it finds and shows what that prints.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/25eloquence/compose-mage/internal/enginetest/mirror"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// What the integration tests find builder and registry by. They fail where these are missing; they never skip.
const (
	BuilderVariable  = "TEST_BUILDER"
	RegistryVariable = "TEST_REGISTRY"
)

// What shares the engine with no other test: it compares the machine's interfaces and firewall before and after.
const aloneTests = "./internal/enginetest/..."

// benchModule is the folder of the benches' module.
const benchModule = "bench"

// besideTests are groups of packages that mostly wait: for containers, for a Swarm of their own, for databases. They
// run beside each other, and beside all other tests.
var besideTests = [][]string{
	{"./internal/integration"},
	{"./internal/integration/swarm"},
	{"./internal/restore", "./internal/drill", "./internal/volumehelper"},
}

// Integration runs all tests of the main module, those behind the build tag integration too. But for besideTests they
// run one package at a time, for they share one engine. They push to a registry of their own, which is gone afterwards,
// or to the one that the environment names: never to the build cache's.
func Integration(ctx context.Context, out *ui.Out, builder string) error {
	// -p=1 would compile one package at a time too, so everything is compiled before.
	if err := run(ctx, out, ".", nil, "build", "-race", "-tags=integration", "./..."); err != nil {
		return err
	}
	registry := os.Getenv(RegistryVariable)
	if registry == "" {
		m, err := mirror.Start(ctx)
		if err != nil {
			return fault.New(fault.Registry, "go tool mage setup", "%w", err)
		}
		defer func() { _ = m.Close() }()
		registry = m.Address
	}
	others, err := otherPackages(ctx, ".")
	if err != nil {
		return err
	}
	test := func(packages ...string) error {
		args := []string{"test", "-race", "-tags=integration", "-p=1", "-count=1", "-timeout=40m"}
		return run(ctx, out, ".", Environment(builder, registry), append(args, packages...)...)
	}
	if err := test(aloneTests); err != nil {
		return err
	}
	failed := make([]error, len(besideTests)+1)
	var all sync.WaitGroup
	for i, group := range besideTests {
		all.Go(func() { failed[i] = test(group...) })
	}
	all.Go(func() {
		err := test(others...)
		if err == nil {
			err = run(ctx, out, benchModule, nil, "test", "-race", "-tags=integration", "./...")
		}
		failed[len(besideTests)] = err
	})
	all.Wait()
	return errors.Join(failed...)
}

// otherPackages lists the module's packages that are neither in besideTests nor run alone.
func otherPackages(ctx context.Context, dir string) ([]string, error) {
	list := func(patterns ...string) ([]string, error) {
		command := exec.CommandContext(ctx, "go", append([]string{"list", "-tags=integration"}, patterns...)...)
		command.Dir, command.Stderr = dir, ui.New(os.Stderr).Writer()
		text, err := command.Output()
		if err != nil {
			return nil, fault.New(fault.Failed, "", "listing the packages of %s: %w", dir, err)
		}
		return strings.Fields(string(text)), nil
	}
	all, err := list("./...")
	if err != nil {
		return nil, err
	}
	apart, err := list(append(slices.Concat(besideTests...), aloneTests)...)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(apart, name) }), nil
}

// Environment is what the tests find builder and registry by, but for what is named already.
func Environment(builder, registry string) []string {
	var env []string
	for _, pair := range [][2]string{{BuilderVariable, builder}, {RegistryVariable, registry}} {
		if os.Getenv(pair[0]) == "" {
			env = append(env, pair[0]+"="+pair[1])
		}
	}
	return env
}

// Lint runs go vet for Linux, macOS and Windows in every module, then the linters pinned under tools: golangci-lint in
// every module, and actionlint where there are workflows.
func Lint(ctx context.Context, out *ui.Out) error {
	for _, system := range []string{"linux", "darwin", "windows"} {
		// Vet needs no C compiler for a foreign system.
		if err := inModules(ctx, out, []string{"GOOS=" + system, "CGO_ENABLED=0"}, "vet", "./..."); err != nil {
			return err
		}
	}
	if modfile, ok := pinned("lint"); ok {
		if err := inModules(ctx, out, nil, "tool", "-modfile="+modfile, "golangci-lint", "run", "./..."); err != nil {
			return err
		}
	}
	modfile, ok := pinned("actionlint")
	if workflows, err := filepath.Glob(filepath.Join(".github", "workflows", "*.y*ml")); !ok || err != nil ||
		len(workflows) == 0 {
		return err
	}
	return run(ctx, out, ".", nil, "tool", "-modfile="+modfile, "actionlint")
}

// pinned gives the go.mod that pins a linter, and whether this repository has it.
func pinned(name string) (string, bool) {
	path, err := filepath.Abs(filepath.Join("tools", name, "go.mod"))
	if err != nil {
		return "", false
	}
	_, err = os.Stat(path)
	return path, err == nil
}

func inModules(ctx context.Context, out *ui.Out, env []string, args ...string) error {
	modules, err := findModules(".")
	if err != nil {
		return err
	}
	return inEach(ctx, out, modules, env, args...)
}

func inEach(ctx context.Context, out *ui.Out, modules, env []string, args ...string) error {
	var failed []error
	for _, dir := range modules {
		if err := run(ctx, out, dir, env, args...); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(failed...)
}

// findModules lists the directories with a go.mod and Go files; modules that only pin tools have no packages.
func findModules(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "tools" ||
			name == "node_modules") {
			return fs.SkipDir
		}
		if name == "go.mod" {
			dirs = append(dirs, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for Go modules: %w", err)
	}
	slices.Sort(dirs)
	return dirs, nil
}

// run runs the go command in dir and passes its output on; it dies with ctx.
func run(ctx context.Context, out *ui.Out, dir string, env []string, args ...string) error {
	said := args
	if many := 10; len(args) > many { // a list of packages
		said = append(slices.Clone(args[:many]), fmt.Sprintf("and %d more", len(args)-many))
	}
	out.Title("%s: %s", dir, strings.TrimSpace(strings.Join(env, " ")+" go "+strings.Join(said, " ")))
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Stdout, command.Stderr = dir, out.Writer(), ui.New(os.Stderr).Writer()
	command.Env = append(os.Environ(), env...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.Failed, "", "go %s in %s: %w", args[0], dir, err)
	}
	return nil
}
