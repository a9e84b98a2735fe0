package monitor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/sampler"
)

// settle is how long after an event a container is looked at: one change has several events, and the kernel's count of
// kills comes shortly after the event.
const settle = 20 * time.Millisecond

// watcher is what an observer knows while one stream of events lasts.
type watcher struct {
	*Observer
	rows   []*row
	others []container.Checkout

	changed map[string]bool // containers by ID, to be looked at
	relist  bool            // containers have come or gone
	due     *time.Timer     // for that
	// ends is when all that there is to tell of an end is there; pending says that it is set.
	ends    *time.Timer
	pending bool
}

func newWatcher(o *Observer) *watcher {
	due, ends := time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	due.Stop()
	ends.Stop()
	return &watcher{Observer: o, changed: map[string]bool{}, due: due, ends: ends}
}

// watch looks at all, and then at what changes, until the stream of events ends or the engine can't be asked.
// looked says whether the look at all succeeded.
func (w *watcher) watch(ctx context.Context) (looked bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the streams
	stream := w.api.Events(ctx, client.EventsListOptions{
		Filters: client.Filters{}.Add("type", string(events.ContainerEventType)).
			Add("label", container.ProjectLabel+"="+w.project.Name),
	})
	if err := w.lookAtAll(ctx); err != nil {
		return false, err
	}
	disks := followDisk(ctx, w.api)
	disk := <-disks
	w.signals.begin(ctx, w.rows, w.project)
	w.give(w.snapshot(w.rows, disk.now(w.api), w.others))
	tick := time.NewTimer(sampler.Window)
	for {
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case err := <-stream.Err:
			return true, errors.Join(errors.New("listening to the engine's events"), err)
		case m := <-stream.Messages:
			w.hear(m)
			continue
		case disk = <-disks:
			continue
		case <-w.due.C:
			if err := w.lookAtChanged(ctx); err != nil {
				return true, err
			}
		case <-w.ends.C:
			w.explainEnds(ctx)
		case <-tick.C:
			tick.Reset(w.every)
			w.read()
			w.signals.begin(ctx, w.rows, w.project)
		}
		w.signals.take(w.rows, w.now())
		w.give(w.snapshot(w.rows, disk.now(w.api), w.others))
	}
}

// lookAtAll lists and inspects the containers.
func (w *watcher) lookAtAll(ctx context.Context) error {
	list, others, err := w.list(ctx)
	if err != nil {
		return err
	}
	w.others = others
	w.rows, err = w.inspectAll(ctx, list)
	for _, r := range w.rows {
		w.follow(ctx, r)
	}
	return err
}

// hear takes down what an event tells.
func (w *watcher) hear(m events.Message) {
	action, _, _ := strings.Cut(string(m.Action), ":")
	i := slices.IndexFunc(w.rows, func(r *row) bool { return r.ID == m.Actor.ID })
	switch events.Action(action) {
	case events.ActionExecCreate, events.ActionExecDetach, events.ActionTop, events.ActionAttach, events.ActionDetach,
		events.ActionResize, events.ActionCopy, events.ActionArchivePath, events.ActionExtractToDir,
		events.ActionExport, events.ActionCommit:
		return
	case events.ActionExecStart, events.ActionExecDie:
		if i < 0 || !w.rows[i].hearCheck(m) {
			return
		}
	case events.ActionCreate, events.ActionDestroy, events.ActionRename:
		w.relist = true
	case events.ActionOOM:
		if i >= 0 {
			w.rows[i].readKills()
			w.rows[i].count(time.Unix(0, m.TimeNano))
		}
	}
	if len(w.changed) == 0 {
		w.due.Reset(settle)
	}
	w.changed[m.Actor.ID] = true
}

// lookAtChanged inspects the containers that had events.
func (w *watcher) lookAtChanged(ctx context.Context) error {
	if w.relist {
		list, others, err := w.list(ctx)
		if err != nil {
			return err
		}
		w.others, w.relist = others, false
		w.keep(list)
	}
	byStop := container.EndedByStop(w.project.Name)
	var wait sync.WaitGroup
	for _, r := range w.rows {
		if !w.changed[r.ID] {
			continue
		}
		wait.Go(func() {
			r.readKills()
			r.count() // of the run that may have ended
			was := r.Started
			w.inspect(ctx, r, byStop)
			if !r.Running() || !r.Started.Equal(was) {
				r.unfollow()
				w.follow(ctx, r)
			}
		})
	}
	wait.Wait()
	clear(w.changed)
	keepKills(w.project.Name, readKills(w.project.Name), w.rows)
	w.explainLater()
	return lost(ctx, w.rows)
}

// keep makes the rows those of the listed containers: new ones are to be looked at, gone ones forgotten.
func (w *watcher) keep(list []moby.Summary) {
	var rows []*row
	for _, c := range list {
		i := slices.IndexFunc(w.rows, func(r *row) bool { return r.ID == c.ID })
		if i < 0 {
			rows = append(rows, newRow(c))
			w.changed[c.ID] = true
			continue
		}
		rows = append(rows, w.rows[i])
	}
	for _, r := range w.rows {
		if !slices.Contains(rows, r) {
			r.unfollow()
		}
	}
	w.rows = rows
}

// read reads the counters of all.
func (w *watcher) read() {
	for _, r := range w.rows {
		switch {
		case r.group != nil:
			if counters, err := r.group.Read(); err == nil {
				r.measure(counters, w.machine)
			} // else it has ended, and the engine's events will say so
		case r.stream != nil:
			if counters := r.stream.latest(); counters.Read.After(r.Counters.Read) {
				r.Source = sampler.SourceEngine
				r.measure(counters, w.machine)
			}
		}
		if r.checkOverdue() {
			if len(w.changed) == 0 {
				w.due.Reset(settle)
			}
			w.changed[r.ID] = true
		}
	}
}

// follow begins to read a running container's counters.
func (w *watcher) follow(ctx context.Context, r *row) {
	if !r.Running() {
		return
	}
	if w.readFirst(r) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{cancel: cancel}
	r.stream = s
	go func() { _ = sampler.Stream(ctx, w.api, r.ID, s.put) }() // where it fails the row has no figures
}

// unfollow ends that, and forgets the figures.
func (r *row) unfollow() {
	if r.stream != nil {
		r.stream.cancel()
	}
	r.stream, r.asked = nil, nil
	r.unsample()
}

// readKills takes the kernel's count of kills down, without another reading of the rest.
func (r *row) readKills() {
	if r.group == nil {
		return
	}
	if counters, err := r.group.Read(); err == nil {
		r.Counters.OOMKills = max(r.Counters.OOMKills, counters.OOMKills)
	}
}

// stream holds the newest of the readings that the engine sends.
type stream struct {
	cancel context.CancelFunc
	mutex  sync.Mutex
	newest sampler.Counters
}

func (s *stream) put(c sampler.Counters) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.newest = c
}

func (s *stream) latest() sampler.Counters {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.newest
}
