package history

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

// Store is the history of one project. Its methods may be called at the same time.
type Store struct {
	dir     string
	release func() // nil where this process does not write

	mutex sync.Mutex
	ring  ring
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
	return &Store{dir: dir, release: release}, nil
}

// ReadOnly opens the history in dir to read what others have written, and write; dir need not be there.
func ReadOnly(dir string) (*Store, error) { return &Store{dir: dir}, nil }

// Close writes what is not yet written and gives the history free for another writer.
func (s *Store) Close() error {
	if s.release != nil {
		s.release()
	}
	return nil
}

// Add keeps what was measured at one moment. Figures that are no numbers are left out.
func (s *Store) Add(at time.Time, values []Value) error {
	values = slices.DeleteFunc(slices.Clone(values), func(v Value) bool {
		return math.IsNaN(v.V) || math.IsInf(v.V, 0)
	})
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.ring.add(at, values)
	return nil
}

// Query gives what a series was from one time to another, in steps. A step of 0 is as fine as is known. The points are
// in the order of time; where nothing was measured there is none.
func (s *Store) Query(service, metric string, from, to time.Time, step time.Duration) ([]Point, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return points(s.ring.samples(Series{service, metric}, from, to), step), nil
}

// Series gives the series that have a measurement from one time to another, by service and metric.
func (s *Store) Series(from, to time.Time) ([]Series, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var out []Series
	for key := range s.ring.columns {
		if len(s.ring.samples(key, from, to)) > 0 {
			out = append(out, key)
		}
	}
	sortSeries(out)
	return out, nil
}

func sortSeries(all []Series) {
	slices.SortFunc(all, func(a, b Series) int {
		if c := strings.Compare(a.Service, b.Service); c != 0 {
			return c
		}
		return strings.Compare(a.Metric, b.Metric)
	})
}
