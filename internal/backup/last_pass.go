package backup

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/restic"
)

// lastPass saves what has changed since the first pass while the users stand still, within the time for which they may.
func (r *run) lastPass(ctx context.Context, s *stage, before restic.Saved, users []User) (restic.Saved, time.Duration,
	error,
) {
	if len(users) == 0 {
		saved, err := r.pass(ctx, s, before.ID, "saving "+r.what())
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

// frozenPass saves what has changed while the users stand still.
func (r *run) frozenPass(ctx context.Context, s *stage, parent string, users []User) (saved restic.Saved,
	took time.Duration, err error,
) {
	reading, err := r.prepare(ctx, s, parent)
	defer func() {
		if reading.saved.ID != "" {
			r.parts = append(r.parts, reading.saved.ID)
		}
	}()
	if err != nil {
		return saved, 0, err
	}
	still, err := r.freeze(ctx, users)
	if err != nil {
		reading.abandon(err)
		return saved, 0, err
	}
	saved, err = reading.finish(still.deadline())
	err = errors.Join(err, still.end())
	took = time.Since(still.began)
	if err == nil {
		r.out.Done("stood still for %.2fs: %s", took.Seconds(), containerNames(users))
	}
	return saved, took, err
}

// reading is a run of restic that waits to read the volumes.
type reading struct {
	gate   *restic.Gate // before which restic stands; nil where restic can't be held up, and was not started
	start  func()
	ended  chan struct{}
	cancel context.CancelCauseFunc
	saved  restic.Saved
	err    error
}

// gateName is the first of a snapshot's paths, by which restic is held up.
const gateName = ".gate"

// prepare starts restic where it can be held up before it reads: opening the repository takes it longer than reading
// what has changed, and nobody need stand still for that.
func (r *run) prepare(ctx context.Context, s *stage, parent string) (*reading, error) {
	g := &reading{ended: make(chan struct{})}
	ctx, g.cancel = context.WithCancelCause(ctx)
	source := s.source(r.plan.Volumes, parent, r.partTags())
	g.start = func() {
		go func() {
			defer close(g.ended)
			g.saved, g.err = r.target.Repository.Backup(ctx, source)
		}()
	}
	gate, err := r.target.Repository.NewGate(filepath.Join(s.dir, gateName))
	if err != nil {
		return g, nil //nolint:nilerr // it goes without
	}
	g.gate, source.Paths = gate, append([]string{gateName}, source.Paths...)
	g.start()
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-g.ended:
			stop()
		case <-waiting.Done():
		}
	}()
	if err := gate.Reached(waiting); err != nil {
		g.abandon(err)
		if g.err == nil {
			g.err = fault.New(fault.Failed, "go tool mage backup", "restic read without waiting until it was told to")
		}
		return g, g.err
	}
	return g, nil
}

// abandon ends restic, which has read nothing yet.
func (g *reading) abandon(why error) {
	g.cancel(why)
	if g.gate != nil {
		_ = g.gate.Open()
		<-g.ended
	}
}

// finish lets restic read, and ends it at the deadline.
func (g *reading) finish(deadline time.Time) (restic.Saved, error) {
	timer := time.AfterFunc(time.Until(deadline), func() { g.cancel(errTooLong) })
	defer timer.Stop()
	var opened error
	if g.gate == nil {
		g.start()
	} else if opened = g.gate.Open(); opened != nil {
		g.cancel(opened)
	}
	<-g.ended
	g.cancel(nil)
	switch {
	case opened != nil:
		return g.saved, opened
	case g.err == nil && time.Now().After(deadline):
		return g.saved, errTooLong
	}
	return g.saved, g.err
}
