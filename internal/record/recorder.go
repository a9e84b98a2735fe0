package record

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/history"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// Recorder writes what an observer sees into the project's history, and reads from there. Where another process writes
// that history the Recorder reads only, until the other one has ended.
type Recorder struct {
	dir string
	say func(format string, args ...any)

	mutex  sync.Mutex
	store  *history.Store
	writes bool
	tried  time.Time // when it was last looked whether the other process has ended
}

// retryEvery is how often a Recorder that reads only looks whether it may write.
const retryEvery = time.Minute

// Open opens the history of a project. What keeps it from being written is no error, and is told through say, once.
func Open(project string, say func(format string, args ...any)) (*Recorder, error) {
	dir, err := history.Dir(project)
	if err != nil {
		return nil, err
	}
	r := &Recorder{dir: dir, say: say, tried: time.Now()}
	if r.store, err = history.Open(dir); err == nil {
		r.writes = true
		return r, nil
	}
	if errors.Is(err, history.ErrTaken) {
		say("%v: this one only reads it", err)
	} else {
		say("nothing is recorded: %v", err)
	}
	r.store, err = history.ReadOnly(dir)
	return r, err
}

// Run records what the observer sees, until ctx ends. A full disk, and whatever else keeps it from writing, is told
// once, and again when it writes again.
func (r *Recorder) Run(ctx context.Context, from Follower) {
	snapshots, stop := from.Follow()
	defer stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-snapshots:
			err := r.add(s)
			switch {
			case err != nil && !failed:
				r.say("recording stops, and goes on as soon as it can: %v", err)
			case err == nil && failed:
				r.say("recording goes on")
			}
			failed = err != nil
		}
	}
}

func (r *Recorder) add(s monitor.Snapshot) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.writes {
		if time.Since(r.tried) < retryEvery {
			return nil
		}
		r.tried = time.Now()
		store, err := history.Open(r.dir)
		if err != nil {
			return nil //nolint:nilerr // Open has said it, and another minute passes
		}
		r.store, r.writes = store, true
		r.say("this process records the project's history now")
	}
	err := error(nil)
	if values := Values(s); len(values) > 0 {
		err = r.store.Add(s.Time, values)
	}
	for _, note := range r.store.Notes() {
		r.say("%s", note)
	}
	return err
}

// Query is the history's.
func (r *Recorder) Query(service, metric string, from, to time.Time, step time.Duration) ([]history.Point, error) {
	return r.now().Query(service, metric, from, to, step)
}

// Select is the history's.
func (r *Recorder) Select(selected history.Selection, from, to time.Time,
	step time.Duration,
) (map[history.Series][]history.Point, error) {
	return r.now().Select(selected, from, to, step)
}

func (r *Recorder) now() *history.Store {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.store
}

// Close writes what is not yet written, and lets others write.
func (r *Recorder) Close() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if err := r.store.Close(); err != nil {
		r.say("the last half a minute is not recorded: %v", err)
	}
}

// Follower is where snapshots come from; *monitor.Observer is one.
type Follower interface {
	Follow() (snapshots <-chan monitor.Snapshot, stop func())
}

// While records what from sees while show runs, and gives show's error; show is given the history. What there is to
// say of the recording goes to out, where
// late is set after show has ended: meanwhile the screen is show's.
func While(ctx context.Context, project string, from Follower, out *ui.Out, late bool,
	show func(*Recorder) error,
) error {
	var said []string
	var mutex sync.Mutex
	r, err := Open(project, func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if !late {
			out.Warn("history: %s", text)
			return
		}
		mutex.Lock()
		defer mutex.Unlock()
		said = append(said, text)
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { r.Run(ctx, from) })
	err = show(r)
	cancel()
	group.Wait()
	r.Close()
	for _, text := range said {
		out.Warn("history: %s", text)
	}
	return err
}
