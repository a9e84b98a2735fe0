package drill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/restore"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/state"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Options are what a drill goes by.
type Options struct {
	Engine  *engine.Engine
	Out     *ui.Out
	Target  snapshots.Target
	Project string
	At      string // which snapshot, as restore.Choose has it
	// Timeout bounds the start; 0 is within.
	Timeout time.Duration
}

// within is how long the services may take to get ready, where nobody says otherwise.
const within = 15 * time.Minute

// Result is what a drill came to.
type Result struct {
	Snapshot string         `json:"snapshot"`
	Time     time.Time      `json:"time"`     // of the snapshot
	Services []string       `json:"services"` // that were started and got ready
	Volumes  []string       `json:"volumes"`  // by key
	Dumps    []string       `json:"dumps"`    // the services whose dump was read into them
	Facts    int            `json:"facts"`    // that were compared, and are the same
	Smoke    map[string]any `json:"smoke"`    // what the smoke test measured; nil where there is none
	Notes    []string       `json:"notes"`    // what was otherwise than where the snapshot was made
	Seconds  float64        `json:"seconds"`
}

// Name is the name of the project that a drill starts.
func Name(project string) string { return project + "-drill" }

// drill is one at work.
type drill struct {
	Options
	name     string // of the project that it starts
	dir      string // what it is made of, in the state directory
	snapshot snapshots.Snapshot
	manifest snapshots.Manifest
	project  *types.Project
	result   Result
}

// Run restores a snapshot into throw-away volumes, starts the snapshot's project on them and asks it what it holds.
// Everything that it made is removed at the end, and what one that was killed has left is removed before. The outcome
// is recorded.
func Run(ctx context.Context, o Options) (Result, error) {
	began := time.Now()
	known, err := snapshots.Dir(o.Project)
	if err != nil {
		return Result{}, err
	}
	d := &drill{Options: o, name: Name(o.Project), dir: filepath.Join(known, "drill")}
	release, err := state.LockProject(ctx, d.name, o.Out)
	if err != nil {
		return Result{}, err
	}
	defer release()
	err = d.run(ctx)
	d.result.Seconds = time.Since(began).Seconds()
	if ctx.Err() != nil {
		return d.result, err // nobody knows what would have come of it
	}
	record := snapshots.ReadDrill(known)
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		record.Failed, record.FailedAt = bounded.Line(line), time.Now()
		return d.result, errors.Join(err, record.Keep(known))
	}
	record = snapshots.Drill{Last: time.Now(), Snapshot: d.snapshot.ID, Seconds: d.result.Seconds}
	return d.result, record.Keep(known)
}

func (d *drill) run(ctx context.Context) (err error) {
	if err := d.open(ctx); err != nil {
		return err
	}
	if err := d.remove(ctx); err != nil { // of one that was killed
		return err
	}
	if err := d.refuseOthers(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.remove(context.WithoutCancel(ctx))) }()
	if err := d.load(ctx); err != nil {
		return err
	}
	room, err := roomOf(d.Engine, d.project, d.manifest)
	if err != nil {
		return err
	}
	if err := room.refuse(); err != nil {
		return err
	}
	for _, note := range d.result.Notes {
		d.Out.Info("%s", note)
	}
	if err := d.fill(ctx); err != nil {
		return err
	}
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := d.loadDumps(ctx); err != nil {
		return err
	}
	if err := d.compare(ctx); err != nil {
		return err
	}
	return d.smoke(ctx)
}

// open chooses the snapshot.
func (d *drill) open(ctx context.Context) (err error) {
	// What restic has kept of the repository on this machine would hide what is missing there.
	d.Target.Repository.CacheDir = ""
	if d.snapshot, d.manifest, err = restore.Choose(ctx, d.Target, d.Project, d.At); err != nil {
		return err
	}
	d.result.Snapshot, d.result.Time = d.snapshot.ID, d.snapshot.Time
	d.Out.Title("drill of %s: snapshot %s of %s, as project %s", d.Project, d.snapshot.ID,
		d.snapshot.Time.Local().Format(time.DateTime), d.name)
	return nil
}

// load fetches the project's files and makes a project of them that meets nobody.
func (d *drill) load(ctx context.Context) error {
	if err := state.MakeDir(d.dir); err != nil {
		return err
	}
	err := d.Target.Repository.Restore(ctx, d.snapshot.ID, d.dir,
		[]string{"/" + snapshots.FilesDir, "/" + snapshots.OutsideDir}, nil)
	if err != nil {
		return fmt.Errorf("restoring the project's files: %w", err)
	}
	if err := onlyFiles(d.dir); err != nil {
		return err
	}
	root := filepath.Join(d.dir, snapshots.FilesDir)
	model, err := compose.Load(ctx, compose.Request{Dir: root, Machine: d.Engine.Machine(), CLI: d.Engine.CLI})
	if err != nil {
		return fmt.Errorf("loading the Compose files of the snapshot: %w", err)
	}
	if err := missing(model.Project, d.manifest); err != nil {
		return err
	}
	if err := d.emptied(ctx); err != nil {
		return err
	}
	d.outside(model.Project)
	if err := lacking(model.Project, d.dir); err != nil {
		return err
	}
	images, notes, err := d.images(ctx, model.Project)
	if err != nil {
		return err
	}
	d.project = model.Project
	d.result.Notes = slices.Concat(notes, isolate(d.project, d.Project, root, d.manifest.Root, images))
	return nil
}

// outside leads secrets and configs whose files were not below the project to where they are now.
func (d *drill) outside(project *types.Project) {
	stored := map[string]string{}
	for _, f := range d.manifest.Files {
		if filepath.IsAbs(f.Path) {
			stored[f.Path] = filepath.Join(d.dir, f.Stored)
		}
	}
	for name, s := range project.Secrets {
		if at := stored[s.File]; at != "" {
			s.File = at
			project.Secrets[name] = s
		}
	}
	for name, c := range project.Configs {
		if at := stored[c.File]; at != "" {
			c.File = at
			project.Configs[name] = c
		}
	}
}

// start starts the services, and waits until each is ready.
func (d *drill) start(ctx context.Context) error {
	limit := d.Timeout
	if limit == 0 {
		limit = within
	}
	err := lifecycle.Start(ctx, d.Engine, d.project, lifecycle.StartOptions{
		Out: d.Out, Timeout: limit, Records: recreate.In(d.dir, d.name),
	})
	if err != nil {
		return d.explain(ctx, err)
	}
	d.result.Services = slices.Sorted(maps.Keys(d.project.Services))
	return nil
}

// remove removes the throw-away project, with its volumes, and the files.
func (d *drill) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return errors.Join(sweep(ctx, d.Engine, d.Project), os.RemoveAll(d.dir))
}

// Last is when the last good drill of the project ended; the zero time where there was none.
func Last(project string) time.Time {
	dir, err := snapshots.Dir(project)
	if err != nil {
		return time.Time{}
	}
	return snapshots.ReadDrill(dir).Last
}

// Sweep removes what a drill of the project that was killed has left, where none is at work.
func Sweep(ctx context.Context, e *engine.Engine, project string) error {
	release := state.TryLockProject(Name(project))
	if release == nil {
		return nil
	}
	defer release()
	return sweep(ctx, e, project)
}
