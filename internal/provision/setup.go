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

	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/sync/errgroup"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
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
}

// setup is one run, under the state directory's lock.
type setup struct {
	dir      string
	out      *ui.Out
	state    State
	engine   *engine.Engine // nil until it answers
	mirror   string         // a mirror of Docker Hub that the engine has, scheme://host
	toolsDir string
	stamp    string         // identifies the versions of the programs
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
	s, release, err := begin(ctx, o)
	if err != nil {
		return err
	}
	defer release()
	if err := s.checkDisk(freeDisk); err != nil {
		return err
	}
	f, err := s.observe(ctx)
	if err != nil {
		return err
	}
	p, err := decide(f)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, facts, plan) error{
		func(ctx context.Context, _ facts, p plan) error { return s.packages(ctx, p) },
		s.ensureEngine, s.make, s.ensureRegistry, s.ensureBuilder, s.ensureBases,
	} {
		if err := step(ctx, f, p); err != nil {
			return err
		}
	}
	if o.Project != nil {
		return s.ensureProject(o.Project)
	}
	return nil
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
			"the state directory %q can be written to by every user of this machine: what setup starts from there would be theirs", dir)
	}
	release, err := state.Lock(ctx, dir, "setup", o.Out)
	if err != nil {
		return nil, nil, err
	}
	s := &setup{dir: dir, out: o.Out, toolsDir: o.ToolsDir, project: o.Project}
	if s.state, err = loadFrom(dir); err == nil {
		err = s.state.setAsideDamaged()
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	s.earlier = s.state.Registry
	if s.state.Note != "" {
		o.Out.Warn("%s", s.state.Note)
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

func (s *setup) logFile(name string) string { return filepath.Join(s.dir, "logs", name+".log") }

// make builds the programs and Debian's root file system. The first takes the processor and the second the network and
// the disk, so they run at the same time.
func (s *setup) make(ctx context.Context, _ facts, p plan) error {
	programs := func(ctx context.Context, report func(string)) error { return s.buildPrograms(ctx, p.programs, report) }
	switch {
	case len(p.programs) > 0 && p.rootfs:
		return s.out.Step(ctx, "building "+list(p.programs)+" and a Debian root file system", func(ctx context.Context, report func(string)) error {
			return s.both(ctx, report, map[string]func(context.Context, func(string)) error{
				list(p.programs): programs, "root file system": s.makeRootfs,
			})
		})
	case len(p.programs) > 0:
		return s.out.Step(ctx, "building "+list(p.programs), programs)
	case p.rootfs:
		return s.out.Step(ctx, "making a Debian root file system", s.makeRootfs)
	}
	return nil
}

// both runs works at the same time. The first error cancels the other; each says how long it took.
func (s *setup) both(ctx context.Context, report func(string), works map[string]func(context.Context, func(string)) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for name, work := range works {
		g.Go(func() error {
			took, err := timed(func() error { return work(ctx, func(text string) { report(name + ": " + text) }) })
			if err == nil {
				s.out.Info("%s: %s", name, ui.Seconds(took))
			}
			return err
		})
	}
	return g.Wait()
}

// daemonStep prepares and ensures a daemon, as a found thing or as a timed step.
func (s *setup) daemonStep(ctx context.Context, d daemon, text string, prepare func() error) error {
	if p, ok := s.running(d); ok && p.Configuration == d.configuration() && d.ready(ctx) == nil {
		s.state.record(p)
		s.out.Done("%s (already there)", text)
		return s.state.save(s.dir)
	}
	return s.out.Step(ctx, text, func(ctx context.Context, report func(string)) error {
		if err := prepare(); err != nil {
			return err
		}
		_, err := s.ensure(ctx, d, report)
		return err
	})
}
