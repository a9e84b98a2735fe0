// Package backup saves a project's volumes with the project's own files, so that they can be restored on an empty
// machine, and restores them.
package backup

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/backup"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/freezer"
	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/internal/volumes"
)

// Options are the choices of a backup. The zero value saves the data of the project of the working directory.
type Options struct {
	Files  []string  // Compose files, as -f of docker compose takes them; found where none is named
	Caches []string  // volumes that are saved though they hold no data, by their key or their name
	Output io.Writer // os.Stdout where it is nil
}

func (o Options) out() *ui.Out {
	if o.Output == nil {
		o.Output = os.Stdout
	}
	return ui.New(o.Output)
}

// Result is what a backup came to.
type Result struct {
	Snapshot string    // the beginning of its ID in the repository
	Time     time.Time // of the snapshot
	Bytes    int64     // that the snapshot holds
	Added    int64     // that the repository did not have
	Frozen   time.Duration
}

// opened is a project and the engine that has its volumes.
type opened struct {
	engine *engine.Engine
	model  *compose.Model
	out    *ui.Out
}

// open connects, ends what runs that were killed have left, and reads the project with all its profiles.
func open(ctx context.Context, files []string, out *ui.Out) (opened, error) {
	e, err := engine.Connect(ctx)
	if err != nil {
		return opened{}, err
	}
	if err := freezer.ThawLeft(ctx, e); err != nil {
		return opened{}, err
	}
	model, err := compose.Load(ctx, compose.Request{
		Files: files, Machine: e.Machine(), CLI: e.CLI, NoEnvFiles: true, AllProfiles: true,
	})
	return opened{engine: e, model: model, out: out}, err
}

// lock keeps other runs of ours from the project, and starts what one that was killed has left stopped.
func (o opened) lock(ctx context.Context, project string) (func(), error) {
	release, err := state.LockProject(ctx, project, o.out)
	if err != nil {
		return nil, err
	}
	sweep(ctx, o.engine, project, o.out)
	names, err := volumes.StartLeft(ctx, o.engine, project)
	if names != "" {
		o.out.Warn("a run that was killed had left these stopped, and they are started: %s", names)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// Prepare makes the plan of a backup, and changes nothing.
func Prepare(ctx context.Context, o Options) (Plan, error) {
	s, err := open(ctx, o.Files, o.out())
	if err != nil {
		return Plan{}, fault.Exit(ctx, err)
	}
	plan, err := backup.Prepare(ctx, backup.Options{Engine: s.engine, Model: s.model, Out: s.out, Caches: o.Caches})
	if err != nil {
		return Plan{}, fault.Exit(ctx, err)
	}
	out, err := planOf(plan)
	return out, fault.Exit(ctx, err)
}

// Make saves the project's data in a snapshot, and forgets the snapshots that are too many.
func Make(ctx context.Context, o Options) (Result, error) {
	result, err := run(ctx, o)
	return result, fault.Exit(ctx, err)
}

func run(ctx context.Context, o Options) (Result, error) {
	s, err := open(ctx, o.Files, o.out())
	if err != nil {
		return Result{}, err
	}
	project := s.model.Project
	release, err := s.lock(ctx, project.Name)
	if err != nil {
		return Result{}, err
	}
	defer release()
	options := backup.Options{Engine: s.engine, Model: s.model, Out: s.out, Caches: o.Caches}
	plan, err := backup.Prepare(ctx, options)
	if err != nil {
		return Result{}, err
	}
	plan.Print(s.out)
	made, err := backup.Run(ctx, options, plan)
	if err != nil {
		return Result{}, err
	}
	s.out.Done("snapshot %s: %s, %s of it new, in %s", made.Snapshot, ui.Bytes(made.Bytes), ui.Bytes(made.Added),
		ui.Seconds(time.Duration(made.Seconds*float64(time.Second))))
	result := Result{
		Snapshot: made.Snapshot, Time: made.Time, Bytes: made.Bytes, Added: made.Added,
		Frozen: time.Duration(made.Frozen * float64(time.Second)),
	}
	if snapshots.SheetMissing(project.Name) {
		s.out.Warn("the password of these backups is on this machine alone: go tool mage backup -key prints a " +
			"recovery sheet")
	}
	return result, backup.Tidy(ctx, made.Target, project, s.out, false)
}

// List gives the project's snapshots. It needs no engine.
func List(ctx context.Context, o Options) (Snapshots, error) {
	found, err := list(ctx, o)
	return found, fault.Exit(ctx, err)
}

func list(ctx context.Context, o Options) (Snapshots, error) {
	project, target, err := openTarget(ctx, o)
	if err != nil {
		return Snapshots{}, err
	}
	out := Snapshots{Project: project.Name, Repository: fault.Redact(target.Repository.Location)}
	if out.found, err = target.List(ctx, project.Name); err != nil {
		return out, err
	}
	out.Snapshots, err = shape.Into[[]Snapshot](out.found)
	return out, err
}

// openTarget opens the project's repository without an engine.
func openTarget(ctx context.Context, o Options) (*types.Project, snapshots.Target, error) {
	model, err := compose.Load(ctx, compose.Request{Files: o.Files, NoEnvFiles: true, AllProfiles: true})
	if err != nil {
		return nil, snapshots.Target{}, err
	}
	target, err := snapshots.Open(ctx, model.Project, o.out(), false)
	return model.Project, target, err
}

// Prune forgets the snapshots that are too many, removes what none has any more, and checks the repository.
func Prune(ctx context.Context, o Options) error {
	project, target, err := openTarget(ctx, o)
	if err == nil {
		err = prune(ctx, o, project, target)
	}
	return fault.Exit(ctx, err)
}

func prune(ctx context.Context, o Options, project *types.Project, target snapshots.Target) error {
	release, err := state.LockProject(ctx, project.Name, o.out())
	if err != nil {
		return err
	}
	defer release()
	return backup.Tidy(ctx, target, project, o.out(), true)
}

// Key prints the recovery sheet: where the backups are, their password, and the commands that restore them.
func Key(ctx context.Context, o Options) error { return fault.Exit(ctx, key(ctx, o)) }

func key(ctx context.Context, o Options) error {
	model, err := compose.Load(ctx, compose.Request{Files: o.Files, NoEnvFiles: true, AllProfiles: true})
	if err != nil {
		return err
	}
	out := o.out()
	sheet, err := snapshots.SheetOf(ctx, model.Project, ui.New(os.Stderr))
	if err != nil {
		return err
	}
	sheet.Print(out.Writer())
	return sheet.Printed()
}
