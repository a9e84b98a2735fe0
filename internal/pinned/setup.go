package pinned

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/state"
)

// Copies of files of the module under tools: a module's archive leaves nested modules out, so who imports the targets
// has no tools folder. A test keeps them equal.
//
//go:generate cp ../../tools/go.mod tools.mod
//go:generate cp ../../tools/go.sum tools.sum
//go:generate cp ../../tools/registry/main.go registry.go.txt
var (
	//go:embed tools.mod
	toolsMod []byte
	//go:embed tools.sum
	toolsSum []byte
	//go:embed registry.go.txt
	registryMain []byte
)

// CNIPlugins are the programs by which buildkitd gives its steps a network.
var CNIPlugins = []string{"bridge", "loopback", "host-local"}

// unused are the packages that the programs import and that setup's configuration has nobody call: the registry's
// cache in Redis, the builder's cache in object stores. They are not optimized, which halves their compile time
// (Redis 17 s to 9 s).
var unused = []string{
	"github.com/redis/go-redis/...", "github.com/aws/aws-sdk-go-v2/...", "github.com/Azure/azure-sdk-for-go/...",
}

// setupPrograms are all that setup builds, in the order in which a plan names them.
var setupPrograms = append([]string{"registry", "buildkitd"}, CNIPlugins...)

// Setup builds the programs that setup needs into a state directory.
type Setup struct {
	stateDir string
	mod, sum []byte
	flags    string // for the linker
	// Stamp identifies the versions that are built.
	Stamp string
}

// ForSetup gives the programs of the state directory. toolsDir is a folder with another go.mod and go.sum to build
// them from; empty for the versions that this module was released with.
func ForSetup(stateDir, toolsDir string) (*Setup, error) {
	s := &Setup{stateDir: stateDir, mod: toolsMod, sum: toolsSum}
	var err error
	if toolsDir != "" {
		s.mod, err = bounded.ReadFile(filepath.Join(toolsDir, "go.mod"))
		if err == nil {
			s.sum, err = bounded.ReadFile(filepath.Join(toolsDir, "go.sum"))
		}
	}
	if err == nil {
		s.flags, err = linkFlags(s.mod)
	}
	if err != nil {
		return nil, fault.New(fault.Config, fault.Correct, "reading the pinned programs: %w", err)
	}
	hash := sha256.New()
	for _, part := range [][]byte{s.mod, s.sum, registryMain, []byte(s.flags), []byte(strings.Join(unused, " "))} {
		hash.Write(part)
	}
	s.Stamp = hex.EncodeToString(hash.Sum(nil))
	return s, nil
}

// Path is where the program of that name is built.
func (s *Setup) Path(name string) string { return filepath.Join(s.stateDir, "bin", name) }

// Stale names the programs that are not built, or from other versions than are pinned now.
func (s *Setup) Stale() ([]string, error) {
	var stale []string
	for _, name := range setupPrograms {
		built, err := bounded.ReadFile(s.Path(name) + ".stamp")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("looking for %s: %w", name, err)
		}
		if _, err := os.Stat(s.Path(name)); err != nil || string(built) != s.Stamp {
			stale = append(stale, name)
		}
	}
	return stale, nil
}

// linkFlags has the programs know their versions, as their own release builds do, and leaves out their symbols: a third
// smaller. Only the link differs by them, so that Go's cache serves other builds too.
func linkFlags(mod []byte) (string, error) {
	file, err := modfile.Parse("go.mod", mod, nil)
	if err != nil {
		return "", err
	}
	flags := "-s -w"
	for _, name := range slices.Sorted(slices.Values(setupPrograms)) {
		p := programs[name]
		for _, r := range file.Require {
			if r.Mod.Path == p.module && p.version != "" {
				flags += " -X " + p.module + "/" + p.version + "=" + r.Mod.Version
			}
		}
	}
	return flags, nil
}

// Build builds the programs with one go build, so that what they share is compiled once. A program is replaced whole,
// and its stamp comes last: after a kill it is built again, from Go's cache. report gets the package that is
// compiled.
func (s *Setup) Build(ctx context.Context, names []string, report func(string)) error {
	module, work := filepath.Join(s.stateDir, "tools"), filepath.Join(s.stateDir, "tmp", "bin")
	if err := s.writeModule(module, work, filepath.Join(s.stateDir, "bin")); err != nil {
		return err
	}
	// -v: the package that is compiled is all that a setup of some minutes has to show.
	args := []string{"go", "build", "-v", "-mod=readonly", "-ldflags=" + s.flags}
	for _, pattern := range unused {
		args = append(args, "-gcflags="+pattern+"=-N -l")
	}
	args = append(args, "-o", work+string(filepath.Separator))
	for _, name := range names {
		args = append(args, programs[name].path())
	}
	// Caged: after a kill its compilers would work on for nobody, and beside those of the next setup.
	build := daemon.Command{
		Args: args, Dir: module, Log: filepath.Join(s.stateDir, "logs", "go-build.log"), Caged: true,
		Env: append(likeThisProgram(), "GOTMPDIR="+filepath.Join(s.stateDir, "tmp")),
	}
	if _, err := daemon.Run(ctx, build, report); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.New(fault.Failed, "go tool mage setup", "building %s: %w", strings.Join(names, ", "), err).
			WithDetail(daemon.OutputOf(err)...)
	}
	for _, name := range names {
		if err := s.putInPlace(filepath.Join(work, name), name); err != nil {
			return fmt.Errorf("putting %s in place: %w", name, err)
		}
	}
	return nil
}

// likeThisProgram is the environment of a go build that finds in Go's cache what this program was compiled from.
// Whether cgo is used counts: a C compiler that setup has just installed would have all of it compiled again.
func likeThisProgram() []string {
	env := []string{"GOWORK=off", "GOOS=", "GOARCH="}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "CGO_ENABLED" {
				env = append(env, "CGO_ENABLED="+setting.Value)
			}
		}
	}
	return env
}

// writeModule makes the directories and writes the module that the programs are built from.
func (s *Setup) writeModule(module string, others ...string) error {
	for _, dir := range append(others, filepath.Join(module, "registry")) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making %q: %w", dir, err)
		}
	}
	return errors.Join(
		state.WriteIfChanged(filepath.Join(module, "go.mod"), s.mod, 0o600),
		state.WriteIfChanged(filepath.Join(module, "go.sum"), s.sum, 0o600),
		state.WriteIfChanged(filepath.Join(module, "registry", "main.go"), registryMain, 0o600),
	)
}

// putInPlace moves a program that was built to its path.
func (s *Setup) putInPlace(built, name string) error {
	stamp := s.Path(name) + ".stamp"
	if err := os.Remove(stamp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(built, s.Path(name)); err != nil {
		return err
	}
	return state.WriteFile(stamp, []byte(s.Stamp), 0o600)
}
