package provision

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Copies of tools/go.mod and tools/go.sum: a module's archive leaves nested modules out, so who imports the targets has
// no tools folder. A test keeps them equal.
//
//go:generate cp ../../tools/go.mod tools.mod
//go:generate cp ../../tools/go.sum tools.sum
var (
	//go:embed tools.mod
	toolsMod []byte
	//go:embed tools.sum
	toolsSum []byte
)

// pinned is where a program that tools/go.mod pins and setup builds comes from.
type pinned struct {
	module, pkg string
	version     string // the variable, below module, that its own release build sets; "" where it knows none
}

var programs = map[string]pinned{
	"buildkitd": {module: "github.com/moby/buildkit", pkg: "cmd/buildkitd", version: "version.Version"},
	"registry":  {module: "github.com/distribution/distribution/v3", pkg: "cmd/registry", version: "version.version"},
	// By which buildkitd gives its steps a network.
	"bridge":     {module: "github.com/containernetworking/plugins", pkg: "plugins/main/bridge"},
	"loopback":   {module: "github.com/containernetworking/plugins", pkg: "plugins/main/loopback"},
	"host-local": {module: "github.com/containernetworking/plugins", pkg: "plugins/ipam/host-local"},
}

// cniPlugins are those programs.
var cniPlugins = []string{"bridge", "loopback", "host-local"}

func (s *setup) bin(name string) string { return filepath.Join(s.dir, "bin", name) }

// tools gives the go.mod and go.sum that the programs are built from.
func (s *setup) tools() (mod, sum []byte, err error) {
	if s.toolsDir == "" {
		return toolsMod, toolsSum, nil
	}
	mod, err = bounded.ReadFile(filepath.Join(s.toolsDir, "go.mod"))
	if err == nil {
		sum, err = bounded.ReadFile(filepath.Join(s.toolsDir, "go.sum"))
	}
	if err != nil {
		return nil, nil, fault.New(fault.Config, fault.Correct, "reading the pinned programs: %w", err)
	}
	return mod, sum, nil
}

// stalePrograms names the programs that are not built, or from other versions than are pinned now.
func (s *setup) stalePrograms(context.Context) ([]string, error) {
	mod, sum, err := s.tools()
	if err != nil {
		return nil, err
	}
	flags, err := linkFlags(mod)
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	hash.Write(mod)
	hash.Write(sum)
	hash.Write([]byte(flags))
	s.stamp = hex.EncodeToString(hash.Sum(nil))
	var stale []string
	for _, name := range append([]string{"registry", "buildkitd"}, cniPlugins...) {
		built, err := bounded.ReadFile(s.bin(name) + ".stamp")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("looking for %s: %w", name, err)
		}
		if _, err := os.Stat(s.bin(name)); err != nil || string(built) != s.stamp {
			stale = append(stale, name)
		}
	}
	return stale, nil
}

// linkFlags has the programs know their versions, as their own release builds do, and leaves out their symbols: a third smaller. Only
// the link differs by it, so that Go's cache serves other builds too.
func linkFlags(mod []byte) (string, error) {
	file, err := modfile.Parse("go.mod", mod, nil)
	if err != nil {
		return "", fault.New(fault.Config, fault.Correct, "reading the pinned programs: %w", err)
	}
	flags := "-s -w"
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		p := programs[name]
		for _, r := range file.Require {
			if r.Mod.Path == p.module && p.version != "" {
				flags += " -X " + p.module + "/" + p.version + "=" + r.Mod.Version
			}
		}
	}
	return flags, nil
}

// buildPrograms builds the programs with one go build, so that what they share is compiled once. A program is replaced
// whole, and its stamp comes last: after a kill it is built again, from Go's cache.
func (s *setup) buildPrograms(ctx context.Context, names []string, report func(string)) error {
	mod, sum, err := s.tools()
	if err != nil {
		return err
	}
	module, work := filepath.Join(s.dir, "tools"), filepath.Join(s.dir, "tmp", "bin")
	for _, dir := range []string{module, work, filepath.Join(s.dir, "bin")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making %q: %w", dir, err)
		}
	}
	if err := errors.Join(state.WriteIfChanged(filepath.Join(module, "go.mod"), mod, 0o600),
		state.WriteIfChanged(filepath.Join(module, "go.sum"), sum, 0o600)); err != nil {
		return err
	}
	flags, err := linkFlags(mod)
	if err != nil {
		return err
	}
	// -v: the package that is compiled is all that a setup of some minutes has to show.
	args := []string{"go", "build", "-v", "-mod=readonly", "-ldflags=" + flags, "-o", work + string(filepath.Separator)}
	for _, name := range names {
		args = append(args, programs[name].module+"/"+programs[name].pkg)
	}
	// Caged: after a kill its compilers would work on for nobody, and beside those of the next setup.
	build := child{
		args: args, dir: module, log: s.logFile("go-build"), caged: true,
		env: []string{"GOWORK=off", "GOOS=", "GOARCH=", "GOTMPDIR=" + filepath.Join(s.dir, "tmp")},
	}
	if _, err := run(ctx, build, report); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.Failed, "go tool mage setup", "building %s: %w", strings.Join(names, ", "), err).WithDetail(tailOf(err)...)
	}
	for _, name := range names {
		err := os.Remove(s.bin(name) + ".stamp")
		if err != nil && errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err == nil {
			err = os.Rename(filepath.Join(work, name), s.bin(name))
		}
		if err == nil {
			err = state.WriteFile(s.bin(name)+".stamp", []byte(s.stamp), 0o600)
		}
		if err != nil {
			return fmt.Errorf("putting %s in place: %w", name, err)
		}
	}
	return nil
}
