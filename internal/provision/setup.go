// Package provision owns what a fresh machine lacks before it can build and run the stack: the engine, the builder, the
// local registry, the base images, the secrets. Setup makes each, unless it is there, and Teardown stops what Setup
// started. It builds and starts no service of the project.
package provision

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/baseimages"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/pinned"
	"github.com/25eloquence/compose-mage/internal/projectfiles"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// freeDisk is how many bytes setup wants free under the state directory.
const freeDisk = 5 << 30

// Options are the surroundings of Setup and Teardown.
type Options struct {
	Out     *ui.Out
	Project *types.Project // whose secrets and .env are made; nil for none
	// ToolsDir is a folder with another go.mod and go.sum for the programs that setup builds; empty for the versions
	// that this module was released with.
	ToolsDir string
	// DryRun has Setup print what it would do, and change nothing.
	DryRun bool
	Restic bool // install restic too, by which volumes are saved
}

// setup is one run, under the state directory's lock.
type setup struct {
	dir      string
	out      *ui.Out
	state    State
	engine   *engine.Engine // nil until it answers
	mirror   string         // a mirror of Docker Hub that the engine has, scheme://host
	programs *pinned.Setup
	checkout bool           // of this repository, whose own tests need a C compiler
	taken    []string       // addresses at which the registry would be, and something else listens
	earlier  string         // the registry's address before this run
	project  *types.Project // may name proxies; nil for none
	// dockerdArgs are for an engine beside the machine's own (tests).
	dockerdArgs []string
}

// Setup makes the machine ready: engine, builder, registry, base images, then the project's secrets. Each part is left
// alone where it is there. After an interruption at any point it goes on where it stopped. A second Setup waits for the
// first. Errors are *fault.Error where the user can act on them.
func Setup(ctx context.Context, o Options) error {
	if o.DryRun {
		return dryRun(ctx, o)
	}
	s, release, err := begin(ctx, o)
	if err != nil {
		return err
	}
	defer release()
	if err := s.checkDisk(freeDisk); err != nil {
		return err
	}
	f, p, err := s.plan(ctx)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, facts, plan) error{
		s.prepare, s.ensureEngine, s.ensureRegistry, s.ensureBuilder, s.ensureBases,
	} {
		if err := step(ctx, f, p); err != nil {
			return err
		}
	}
	if o.Restic {
		if err := Restic(ctx, s.out, false); err != nil {
			return err
		}
	}
	if o.Project == nil {
		return nil
	}
	files, err := projectfiles.Read(o.Project, s.openFiles())
	if err != nil {
		return err
	}
	return files.Write(s.out)
}

// plan looks at the machine and says what is to be done. It changes nothing.
func (s *setup) plan(ctx context.Context) (facts, plan, error) {
	f, err := s.observe(ctx)
	if err != nil {
		return f, plan{}, err
	}
	p, err := decide(f)
	if err != nil {
		return f, plan{}, err
	}
	p.compare(s.registryRuns(ctx, f), s.builderRuns(ctx, f, p))
	return f, p, ctx.Err()
}

// openFiles is how many files a container may open; 0 where no engine says that.
func (s *setup) openFiles() int64 {
	if s.engine == nil {
		return 0
	}
	return s.engine.Machine().OpenFiles
}

// dryRun prints what Setup would do. It takes no lock and makes no directory.
func dryRun(ctx context.Context, o Options) error {
	dir, err := state.Dir()
	if err != nil {
		return err
	}
	s, err := open(dir, o)
	if err != nil {
		return err
	}
	f, p, err := s.plan(ctx)
	if err != nil {
		return err
	}
	operations := p.operations(f)
	if o.Project != nil {
		files, err := projectfiles.Read(o.Project, s.openFiles())
		if err != nil {
			return err
		}
		operations = append(operations, fileOperations(files)...)
	}
	printOperations(o.Out, operations)
	if o.Restic {
		return Restic(ctx, o.Out, true)
	}
	return nil
}

// printOperations prints a plan as a table.
func printOperations(out *ui.Out, operations []operation) {
	rows := make([][]string, len(operations))
	for i, op := range operations {
		rows[i] = []string{op.part, op.action, op.what}
	}
	ui.Table(out.Writer(), []string{"PART", "ACTION", "WHAT"}, rows)
}

// open reads the state and changes nothing.
func open(dir string, o Options) (*setup, error) {
	s := &setup{dir: dir, out: o.Out, checkout: o.ToolsDir != "", project: o.Project}
	var err error
	if s.programs, err = pinned.ForSetup(dir, o.ToolsDir); err == nil {
		s.state, err = loadFrom(dir)
	}
	s.earlier = s.state.Registry
	if err == nil && s.state.Note != "" {
		o.Out.Warn("%s", s.state.Note)
	}
	return s, err
}

// begin takes the state directory and reads the state.
func begin(ctx context.Context, o Options) (*setup, func(), error) {
	dir, err := state.Dir()
	if err != nil {
		return nil, nil, err
	}
	for _, d := range []string{dir, filepath.Join(dir, "logs")} {
		if err := state.MakeDir(d); err != nil {
			return nil, nil, fmt.Errorf("making the state directory: %w", err)
		}
	}
	if info, err := os.Stat(dir); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o002 != 0 {
		return nil, nil, fault.New(fault.Config, "chmod o-w "+fault.Quote(dir),
			"the state directory %q can be written to by every user of this machine: what setup starts from there "+
				"would be theirs", dir)
	}
	release, err := state.Lock(ctx, dir, "setup", o.Out)
	if err != nil {
		return nil, nil, err
	}
	s, err := open(dir, o)
	if err == nil {
		err = s.setAsideDamaged()
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	// Under the lock, so whatever lies here is a killed setup's.
	tmp := filepath.Join(dir, "tmp")
	if err = os.RemoveAll(tmp); err == nil {
		err = os.MkdirAll(tmp, 0o700)
	}
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("emptying %q: %w", tmp, err)
	}
	return s, release, nil
}

// ensureBases makes the base images where the Hub can't be reached.
func (s *setup) ensureBases(ctx context.Context, f facts, p plan) error {
	switch {
	case f.hub:
		s.out.Done("base images: from Docker Hub%s", map[bool]string{true: " through " + s.mirror}[s.mirror != ""])
		return baseimages.Unlock(s.dir)
	case p.registry == none:
		s.out.Info("base images: the builder at %s gets them as it is set up to: Docker Hub does not answer here",
			s.state.Builder)
		return nil
	}
	return s.bases(f).Ensure(ctx, p.bases)
}

// bases makes the base images with this setup's builder.
func (s *setup) bases(f facts) *baseimages.Maker {
	return &baseimages.Maker{
		StateDir: s.dir, Out: s.out, Registry: f.registry, Engine: s.engine, EarlierRegistry: s.earlier,
		Builder: s.state.Builder, Network: s.state.StepNetwork(s.state.Builder), Loaded: s.state.Loaded,
		SaveLoaded: func(name, id string) error {
			if s.state.Loaded == nil {
				s.state.Loaded = map[string]string{}
			}
			s.state.Loaded[name] = id
			return s.state.save(s.dir)
		},
	}
}

func (s *setup) logFile(name string) string { return filepath.Join(s.dir, "logs", name+".log") }

// prepare installs packages and then makes Debian's root file system, while it builds the programs: the first two
// take the network and the disk, the last the processor.
func (s *setup) prepare(ctx context.Context, _ facts, p plan) error {
	var parts []string
	work := map[string]func(context.Context, func(string)) error{}
	if len(p.packages) > 0 {
		parts = append(parts, "installing "+strings.Join(p.packages, ", "))
	}
	if p.rootfs {
		parts = append(parts, "making a Debian root file system")
	}
	if len(parts) > 0 {
		// With the context of the whole: a program that can't be built cuts no dpkg short.
		work["system"] = func(_ context.Context, report func(string)) error { return s.prepareSystem(ctx, p, report) }
	}
	if len(p.programs) > 0 {
		parts = append(parts, "building "+strings.Join(p.programs, ", "))
		work["programs"] = func(ctx context.Context, report func(string)) error {
			return s.programs.Build(ctx, p.programs, report)
		}
	}
	if len(work) == 0 {
		return nil
	}
	title := strings.Join(parts, "; ")
	return s.out.Step(ctx, title, func(ctx context.Context,
		report func(string),
	) error {
		return s.both(ctx, report, work)
	})
}

// prepareSystem installs the plan's packages and makes the root file system, which needs one of them.
func (s *setup) prepareSystem(ctx context.Context, p plan, report func(string)) error {
	if len(p.packages) > 0 {
		if err := s.installPackages(ctx, p, report); err != nil {
			return err
		}
	}
	if !p.rootfs {
		return nil
	}
	return baseimages.MakeRootfs(ctx, s.dir, report)
}

// both runs works at the same time. The first error cancels the others; each says how long it took where there are
// several.
func (s *setup) both(
	ctx context.Context, report func(string), works map[string]func(context.Context, func(string)) error,
) error {
	g, ctx := errgroup.WithContext(ctx)
	for name, work := range works {
		g.Go(func() error {
			begin := time.Now()
			err := work(ctx, func(text string) { report(name + ": " + text) })
			if err == nil && len(works) > 1 {
				s.out.Info("%s: %s", name, ui.Seconds(time.Since(begin)))
			}
			return err
		})
	}
	return g.Wait()
}

// daemonStep prepares and ensures a daemon, as a found thing or as a timed step.
func (s *setup) daemonStep(ctx context.Context, d daemon.Daemon, text string, prepare func() error) error {
	if p, ok := d.Current(ctx, s); ok {
		s.out.Done("%s (already there)", text)
		return s.Record(p)
	}
	return s.out.Step(ctx, text, func(ctx context.Context, report func(string)) error {
		if err := prepare(); err != nil {
			return err
		}
		_, err := d.Ensure(ctx, s, report)
		return err
	})
}
