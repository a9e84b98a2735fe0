package backup

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restic"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// lastPass saves what has changed since the first pass while the users stand still, within the time for which they may.
func (r *run) lastPass(ctx context.Context, s *stage, before restic.Saved, users []User) (restic.Saved, time.Duration,
	error,
) {
	if len(users) == 0 {
		saved, err := r.pass(ctx, s, before.ID, "saving "+r.what())
		if err == nil {
			err = errors.Join(r.noOthers(ctx), r.release())
		}
		return saved, 0, err
	}
	var last error
	for range attempts {
		saved, took, err := r.frozenPass(ctx, s, before.ID, users)
		if err == nil || !errors.Is(err, errTooLong) {
			return saved, took, err
		}
		last = err
		if before, err = r.pass(ctx, s, before.ID, "saving once more what changes meanwhile"); err != nil {
			return before, 0, err
		}
	}
	return before, 0, fault.New(fault.Failed, stopInstead, "the services can't stand still for long enough, which is "+
		"as long as freeze of %s.backup and their health checks allow: %w", extension.Key, last)
}

// errTooLong is of a pass that took longer than the services may stand still.
var errTooLong = errors.New("reading what had changed took longer than they may stand still")

// frozenPass saves what has changed while the users stand still. Copies of large files are brought up to date then, and
// read once the users go on.
func (r *run) frozenPass(ctx context.Context, s *stage, parent string, users []User) (saved restic.Saved,
	took time.Duration, err error,
) {
	reading, err := r.prepare(ctx, s, parent)
	defer func() {
		if reading.saved.ID != "" {
			r.parts = append(r.parts, reading.saved.ID)
		}
		reading.cancel(nil)
		err = errors.Join(err, reading.copies.close())
	}()
	if err != nil {
		return saved, 0, err
	}
	still, err := r.freeze(ctx, users)
	if err != nil {
		reading.abandon(err)
		return saved, 0, err
	}
	err = reading.volumes(still.deadline())
	err = errors.Join(err, still.end())
	took = time.Since(still.began)
	if err != nil {
		reading.abandon(err)
		return reading.saved, took, err
	}
	r.out.Done("stood still for %.2fs: %s", took.Seconds(), containerNames(users))
	err = r.rest(ctx, reading)
	r.confirmed = reading.confirms()
	return reading.saved, took, err
}

// gate is what restic stands before until it is opened.
type gate interface {
	Reached(ctx context.Context) error
	Open() error
}

// reading is a run of restic that waits to read the volumes.
type reading struct {
	gate   gate // before which restic stands; nil where restic can't be held up, and was not started
	late   gate // the one behind the volumes, before the copies; nil where gate is nil or not of this machine
	copies *copies
	source restic.Source
	pid    chan int // restic's process, once there is one
	start  func()
	ended  chan struct{}
	ctx    context.Context // of the run
	cancel context.CancelCauseFunc
	saved  restic.Saved
	err    error
}

// confirms says whether restic makes a good snapshot of it at once: it stands before the late gate until all is known
// to be well, and reads nothing behind it.
func (g *reading) confirms() bool { return g.late != nil && g.copies == nil }

// The files by which restic is held up: gateName is the first of a snapshot's paths, and lateGateName comes after the
// volumes and before the copies of large files.
const (
	gateName     = ".gate"
	lateGateName = snapshots.VolumesDir + "-end"
)

// prepare starts restic where it can be held up before it reads: opening the repository takes it longer than reading
// what has changed, and nobody need stand still for that.
func (r *run) prepare(ctx context.Context, s *stage, parent string) (*reading, error) {
	g := &reading{ended: make(chan struct{}), pid: make(chan int, 2)}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	g.source = s.source(r.plan.Volumes, parent, r.partTags())
	g.source.Started = func(pid int) {
		select {
		case g.pid <- pid:
		default: // there are no more than two attempts
		}
	}
	g.start = func() {
		go func() {
			defer close(g.ended)
			g.saved, g.err = r.target.Repository.Backup(g.ctx, g.source)
		}()
	}
	if r.helper != nil {
		if err := r.prepareElsewhere(ctx, s, g); err != nil {
			return g, err
		}
	} else {
		first, err := r.target.Repository.NewGate(filepath.Join(s.dir, gateName))
		if err != nil {
			return g, nil //nolint:nilerr // it goes without
		}
		g.gate = first
		g.source.Paths = append([]string{gateName}, g.source.Paths...)
		if err := r.prepareLarge(ctx, s, g); err != nil {
			_ = g.gate.Open() // nobody stands there
			return g, err
		}
	}
	if g.confirms() {
		g.source.Tags = r.goodTags()
	}
	g.source.Unread = func(path string) {
		if g.confirms() {
			g.cancel(fault.New(fault.Failed, "go tool mage backup", "saving: restic could not read %q", path))
		}
	}
	g.start()
	if err := g.wait(g.ctx, g.gate); err != nil {
		g.abandon(err)
		if g.err == nil {
			g.err = fault.New(fault.Failed, "go tool mage backup", "restic read without waiting until it was told to")
		}
		return g, g.err
	}
	return g, nil
}

// prepareLarge copies what takes long to read, and has restic read the copies behind a gate of their own, which is
// there without copies too: services go on while restic writes the snapshot.
func (r *run) prepareLarge(ctx context.Context, s *stage, g *reading) (err error) {
	s.manifest.Format = snapshots.Format
	if g.copies, err = r.copyLarge(ctx, s); err != nil {
		return err
	}
	late, err := r.target.Repository.NewGate(filepath.Join(s.dir, lateGateName))
	if err != nil {
		return err
	}
	g.late = late
	g.source.Paths = append(g.source.Paths, lateGateName)
	if g.copies != nil {
		s.manifest.Format = snapshots.LargeFormat
		g.copies.addTo(&g.source)
	}
	return s.write()
}

// wait waits until restic stands before a gate. That it has ended before is an error.
func (g *reading) wait(ctx context.Context, before gate) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-g.ended:
			stop()
		case <-ctx.Done():
		}
	}()
	return before.Reached(ctx)
}

// abandon ends restic. It stands before the late gate until it has ended: behind that it would make a snapshot.
func (g *reading) abandon(why error) {
	g.cancel(why)
	if g.gate == nil {
		return
	}
	_ = g.gate.Open()
	<-g.ended
	if g.late != nil {
		_ = g.late.Open()
	}
}

// volumes lets restic read the volumes, and brings the copies up to date. It ends when both is done, and ends restic at
// the deadline.
func (g *reading) volumes(deadline time.Time) error {
	timer := time.AfterFunc(time.Until(deadline), func() { g.cancel(errTooLong) })
	defer timer.Stop()
	if g.gate == nil {
		g.start()
	} else if err := g.gate.Open(); err != nil {
		g.cancel(err)
	}
	copied := make(chan error, 1)
	go func() { copied <- g.copies.update(g.ctx) }()
	g.waitForVolumes()
	err := <-copied
	if cause := context.Cause(g.ctx); cause != nil {
		<-g.ended
		return cause
	}
	select {
	case <-g.ended:
		err = errors.Join(g.err, err)
	default:
	}
	if err == nil && time.Now().After(deadline) {
		err = errTooLong
	}
	return err
}

// waitForVolumes waits until restic has read the volumes, or has ended.
func (g *reading) waitForVolumes() {
	if g.late == nil {
		<-g.ended
		return
	}
	if err := g.wait(g.ctx, g.late); err != nil {
		<-g.ended // with an error of its own
		return
	}
	pid := <-g.pid
	select {
	case pid = <-g.pid: // the first one was locked out
	default:
	}
	for {
		// It has opened all files of the volumes by now, and reads on in some.
		reads, err := restic.Reads(pid, g.source.Mounts)
		if err != nil {
			g.cancel(err)
		}
		if err != nil || !reads || wait.For(g.ctx, 2*time.Millisecond) != nil {
			return
		}
	}
}

// rest lets those start that were stopped, has restic go on now that nobody stands still, and waits for its end.
func (r *run) rest(ctx context.Context, g *reading) error {
	err := r.noOthers(ctx)
	if g.late == nil {
		return errors.Join(err, r.release())
	}
	goOn := func(context.Context, func(string)) error {
		if err == nil {
			err = g.late.Open()
		}
		if err = errors.Join(err, r.release()); err != nil {
			g.abandon(err)
		}
		<-g.ended
		return errors.Join(err, g.err)
	}
	if g.copies == nil {
		return goOn(ctx, nil)
	}
	err = errors.Join(err, g.copies.set.Finish())
	return r.out.Step(ctx, "saving the copies of large files", goOn)
}
