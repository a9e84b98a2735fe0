package backup

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/backup"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/freezer"
	"github.com/25eloquence/compose-mage/internal/restore"
	"github.com/25eloquence/compose-mage/internal/shape"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// RestoreOptions are the choices of a restore. The zero value restores the newest snapshot of the project of the
// working directory, beside what is there.
type RestoreOptions struct {
	Volumes []string // only these, by their key or their name; empty is all
	At      string   // the newest snapshot at or before this time, or the beginning of an ID; "" is the newest
	Swap    bool     // put the data in the place of what the volumes have, which stays in another volume
	Paths   []string // VOLUME:PATH: only these, below the directory restored; no volume is touched
	From    string   // the repository; "" is the project's own
	Project string   // the project's name, where its Compose files are not here
	Input   io.Reader
	Output  io.Writer // os.Stdout where it is nil
}

// Restore restores a snapshot. It overwrites nothing: a volume that is not there, or is empty, gets its data under its
// own name, and the data of one that has some goes into a new volume beside it, or with Swap the other way round. Files
// of the project that are missing are written again.
func Restore(ctx context.Context, o RestoreOptions) (Restored, error) {
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.Input == nil {
		o.Input = os.Stdin
	}
	found, err := bringBack(ctx, o, ui.New(o.Output))
	if err != nil {
		return Restored{}, fault.Exit(ctx, err)
	}
	out, err := shape.Into[Restored](found)
	return out, fault.Exit(ctx, err)
}

func bringBack(ctx context.Context, o RestoreOptions, out *ui.Out) (restore.Restored, error) {
	s, project, err := openToRestore(ctx, o, out)
	if err != nil {
		return restore.Restored{}, err
	}
	release, err := s.lock(ctx, project.Name)
	if err != nil {
		return restore.Restored{}, err
	}
	defer release()
	options := restore.Options{
		Engine: s.engine, Out: out, Project: project.Name, At: o.At, Volumes: o.Volumes, Swap: o.Swap,
		Order: backup.DependantsFirst(project),
	}
	done := func(bool) {}
	if o.From != "" {
		options.Target, done, err = snapshots.OpenFrom(ctx, o.From, project, o.Input, out)
	} else {
		options.Target, err = snapshots.Open(ctx, project, out, false)
	}
	if err != nil {
		return restore.Restored{}, err
	}
	if len(o.Paths) > 0 {
		_, err = restore.Extract(ctx, options, o.Paths, "restored-"+time.Now().Format("20060102-150405"))
		done(err == nil)
		return restore.Restored{}, err
	}
	options.Root = backup.RootOf(project)
	restored, err := restore.Run(ctx, options)
	done(err == nil)
	if err == nil {
		say(out, restored)
	}
	return restored, err
}

// openToRestore opens the project; where its name is given, its Compose files need not be there.
func openToRestore(ctx context.Context, o RestoreOptions, out *ui.Out) (opened, *types.Project, error) {
	if o.Project == "" {
		s, err := open(ctx, nil, out)
		if err != nil {
			return s, nil, err
		}
		return s, s.model.Project, nil
	}
	e, err := engine.Connect(ctx)
	if err != nil {
		return opened{}, nil, err
	}
	if err := freezer.ThawLeft(ctx, e); err != nil {
		return opened{}, nil, err
	}
	project, err := backup.Bare(o.Project)
	return opened{engine: e, out: out}, project, err
}

// say tells what to do next.
func say(out *ui.Out, r restore.Restored) {
	beside := 0
	for _, v := range r.Volumes {
		switch {
		case v.Before != "":
			out.Info("  when it is well: docker volume rm %s", fault.Quote(v.Before))
		case v.Copy:
			beside++
		}
	}
	if beside > 0 {
		out.Info("  next: go tool mage restore -swap puts the data in the place of what is there now")
	}
	out.Done("restored from snapshot %s in %s", r.Snapshot, ui.Seconds(time.Duration(r.Seconds*float64(time.Second))))
}
