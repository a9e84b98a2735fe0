package history

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

// Store is the history of one project. Its methods may be called at the same time.
type Store struct {
	dir     string
	release func() // nil where this process does not write

	writing sync.Mutex
	writer  writer

	mutex sync.Mutex // of the ring: who asks does not wait for the disk
	ring  ring
}

// Dir is the directory of a project's history; it need not exist.
func Dir(project string) (string, error) {
	dir, err := state.ProjectDir(project)
	return filepath.Join(dir, "history"), err
}

// Open opens the history in dir to write it, and makes it where there is none. A history has one writer: where another
// process is, the error is ErrTaken.
func Open(dir string) (*Store, error) {
	if err := state.MakeDir(dir); err != nil {
		return nil, err
	}
	release, err := state.TryLock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	if release == nil {
		return nil, ErrTaken
	}
	s := &Store{dir: dir, release: release, writer: writer{dir: dir, pending: map[Series][]sample{}}}
	if err := s.writer.recover(); err != nil {
		release()
		return nil, state.Unwritable(dir, err)
	}
	return s, nil
}

// ReadOnly opens the history in dir to read what others have written, and write; dir need not be there.
func ReadOnly(dir string) (*Store, error) { return &Store{dir: dir}, nil }

// Close writes what is not yet written and gives the history free for another writer.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.release == nil {
		return nil
	}
	err := s.writer.flush(s.writer.newest, true)
	s.writer.closeLog()
	s.release()
	s.release = nil
	return err
}

// Add keeps what was measured at one moment. Figures that are no numbers, and names that are too long for one, are left
// out. The error says why nothing is written to the disk at the moment; each call has it until something is written
// again. The last hour is known all the same.
func (s *Store) Add(at time.Time, values []Value) error {
	values = slices.DeleteFunc(slices.Clone(values), func(v Value) bool {
		return math.IsNaN(v.V) || math.IsInf(v.V, 0) || len(v.Service) > mostName || len(v.Metric) > mostName
	})
	s.mutex.Lock()
	s.ring.add(at, values)
	s.mutex.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.release == nil {
		return fmt.Errorf("the history in %q is not open to write", s.dir)
	}
	if at.UnixMilli() < 0 || at.UnixMilli() > latest {
		return nil // a clock that is not set at all
	}
	return s.writer.add(at, values)
}

// Notes says, once, what was found damaged and what became of it.
func (s *Store) Notes() []string {
	s.writing.Lock()
	defer s.writing.Unlock()
	notes := s.writer.notes
	s.writer.notes = nil
	return notes
}

// Query gives what a series was from one time to another, in steps that begin at multiples of the step. A step of 0 is
// as fine as is known: each measurement in the last hour of a process that records, else 15 seconds for a day and 5
// minutes for a week. The points are in the order of time; where nothing was measured there is none.
func (s *Store) Query(service, metric string, from, to time.Time, step time.Duration) ([]Point, error) {
	got, err := s.Select(Selection{[]string{service}, []string{metric}}, from, to, step)
	return got[Series{service, metric}], err
}

// Select is Query for several series at once.
func (s *Store) Select(selected Selection, from, to time.Time, step time.Duration) (map[Series][]Point, error) {
	all, err := s.samples(selected, from, to)
	if err != nil {
		return nil, err
	}
	out := make(map[Series][]Point, len(all))
	for key, samples := range all {
		out[key] = points(samples, step)
	}
	return out, nil
}

func (s *Store) samples(selected Selection, from, to time.Time) (map[Series][]sample, error) {
	all, since := s.recent(selected, from, to)
	if !since.After(from) {
		return all, nil
	}
	files, notes, err := read(s.dir)
	if err != nil {
		return nil, err
	}
	s.addNotes(notes)
	for key, samples := range gather(blocks(files, selected, from, since), selected, from, since) {
		all[key] = append(samples, all[key]...)
	}
	return all, nil
}

// recent gives the measurements that are in memory, and the time before which the files are to be asked.
func (s *Store) recent(selected Selection, from, to time.Time) (map[Series][]sample, time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := map[Series][]sample{}
	since, any := s.ring.since()
	if !any || to.Before(since) {
		return all, to
	}
	for key := range s.ring.columns {
		if !selected.has(key) {
			continue
		}
		if samples := s.ring.samples(key, from, to); len(samples) > 0 {
			all[key] = samples
		}
	}
	return all, since
}

// addNotes keeps what a reader found; a writer has put it right, or said it, before.
func (s *Store) addNotes(notes []string) {
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, n := range notes {
		if s.release == nil && !slices.Contains(s.writer.notes, n) {
			s.writer.notes = append(s.writer.notes, n)
		}
	}
}

// Series gives the series that have a measurement from one time to another, by service and metric.
func (s *Store) Series(from, to time.Time) ([]Series, error) {
	all, err := s.samples(Selection{}, from, to)
	if err != nil {
		return nil, err
	}
	out := make([]Series, 0, len(all))
	for key := range all {
		out = append(out, key)
	}
	slices.SortFunc(out, compareSeries)
	return out, nil
}

// Span gives the times of the oldest and the newest figures; zero where there are none.
func (s *Store) Span() (first, last time.Time, err error) {
	files, _, err := read(s.dir)
	if err != nil {
		return first, last, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var low, high int64
	if n := len(s.ring.times); n > 0 {
		low, high = s.ring.times[0], s.ring.times[n-1]
	}
	for _, c := range files {
		for _, f := range c.frames {
			if low == 0 || f.first < low {
				low = f.first
			}
			high = max(high, f.last)
		}
	}
	if low == 0 {
		return first, last, nil
	}
	return time.UnixMilli(low), time.UnixMilli(high), nil
}
