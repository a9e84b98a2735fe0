package history

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

// What is kept, how fine, and how soon it is on the disk.
const (
	fineStep   = 15 * time.Second // for fineFor
	fineFor    = 24 * time.Hour
	coarseStep = 5 * time.Minute // for Kept
	// Kept is how long a history goes back.
	Kept = 7 * 24 * time.Hour

	flushEvery = 30 * time.Second // what is lost by a kill is at most this and the time between two measurements
	logFor     = time.Hour        // then a log is closed
	mostBlock  = 64               // times in a frame of a log
)

// writer brings measurements to the files. Its times are those of the measurements, so that a clock that is set, or one
// of a test, makes no difference.
type writer struct {
	dir     string
	pending map[Series][]sample // not yet in a file
	oldest  time.Time           // of the pending ones; zero where there are none
	newest  time.Time           // the time of the last measurement; zero before the first
	clock   clock
	log     *os.File // nil where there is none yet, or the one that there was can't be written to
	number  int      // of the log, or of the last one that there was
	began   time.Time
	size    int64 // of what is whole in the log
	tidied  bool  // since the writer was made
	failed  error // why the last flush failed; nil where it did not
	untidy  error // why the files could not be put in order; the next log tries again
	notes   []string
}

// add keeps the measurements, and writes them where it is time.
func (w *writer) add(at time.Time, values []Value) error {
	back := at.Before(w.newest)
	rare := !w.newest.IsZero() && at.Sub(w.newest) >= fineStep
	if back { // the pending ones are whole: what comes now is of another time
		_ = w.flush(w.newest, true)
	}
	w.clock.tick(w.newest, at)
	w.newest = at
	for _, v := range values {
		key := Series{v.Service, v.Metric}
		if _, known := w.pending[key]; known || len(w.pending) < mostSeries {
			w.pending[key] = append(w.pending[key], sample{at.UnixMilli(), 1, v.V, v.V, v.V})
		}
	}
	if w.oldest.IsZero() {
		w.oldest = at
	}
	if rare || at.Sub(w.oldest) >= flushEvery {
		_ = w.flush(at, rare)
	}
	if w.failed != nil {
		return w.failed
	}
	return w.untidy
}

// flush writes what is pending: the steps that are over, or all. What can't be written stays pending, summed up, for an
// hour.
func (w *writer) flush(at time.Time, all bool) error {
	over := at.UnixMilli() - mod(at.UnixMilli(), fineStep.Milliseconds())
	if all {
		over = math.MaxInt64
	}
	closed, open := map[Series][]Point{}, map[Series][]sample{}
	for key, samples := range w.pending {
		var before []sample
		for _, s := range samples {
			if s.at < over {
				before = append(before, s)
			} else {
				open[key] = append(open[key], s)
			}
		}
		if len(before) > 0 {
			closed[key] = points(before, fineStep)
		}
	}
	w.oldest = time.Time{}
	if len(open) > 0 {
		w.oldest = time.UnixMilli(over)
	}
	w.pending = open
	if len(closed) == 0 {
		return nil
	}
	if w.failed = w.append(at, closed); w.failed == nil {
		return nil
	}
	w.oldest = at // the next try is not before flushEvery
	for key, points := range closed {
		var again []sample
		for _, p := range points {
			if at.Sub(p.Time).Abs() < logFor {
				again = append(again, sample{p.Time.UnixMilli(), fineStep.Seconds(), p.Min, p.Mean, p.Max})
			}
		}
		if again = append(again, w.pending[key]...); len(again) > 0 {
			w.pending[key] = again
		}
	}
	return w.failed
}

// append writes points to the log and waits until they are on the disk.
func (w *writer) append(at time.Time, all map[Series][]Point) error {
	if err := w.openLog(at); err != nil {
		return err
	}
	var frames []byte
	for _, b := range split(newBlock(fineStep, all), all) {
		frame, err := newFrame("", b)
		if err != nil {
			return err
		}
		frames = append(frames, frame...)
	}
	_, err := w.log.WriteAt(frames, w.size)
	if err := errors.Join(err, w.log.Sync()); err != nil {
		err = state.Unwritable(w.log.Name(), fmt.Errorf("writing the history: %w", err))
		if w.log.Truncate(w.size) != nil { // a reader leaves out the frame that is not whole, and so does the next log
			w.closeLog()
		}
		return err
	}
	w.size += int64(len(frames))
	return nil
}

// split makes several blocks of one with many times.
func split(b block, all map[Series][]Point) []block {
	if len(b.times) <= mostBlock {
		return []block{b}
	}
	var out []block
	for from := 0; from < len(b.times); from += mostBlock {
		low, high := b.times[from], b.times[min(from+mostBlock, len(b.times))-1]
		part := map[Series][]Point{}
		for key, points := range all {
			for _, p := range points {
				if at := p.Time.UnixMilli(); low <= at && at <= high {
					part[key] = append(part[key], p)
				}
			}
		}
		out = append(out, newBlock(fineStep, part))
	}
	return out
}

// openLog sees to it that there is a log for this time.
func (w *writer) openLog(at time.Time) error {
	if w.log != nil && !at.Before(w.began) && at.Sub(w.began) < logFor {
		if !w.tidied {
			w.tidy(at)
		}
		return nil
	}
	w.closeLog()
	w.tidy(at)
	if err := state.MakeDir(w.dir); err != nil { // it may have been removed meanwhile
		return err
	}
	path := filepath.Join(w.dir, numbered(w.number+1, logTier))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return state.Unwritable(path, fmt.Errorf("writing the history: %w", err))
	}
	if _, err := file.WriteString(header); err != nil {
		err = errors.Join(err, file.Close(), os.Remove(path))
		return state.Unwritable(path, fmt.Errorf("writing the history: %w", err))
	}
	syncDir(w.dir)
	w.number++
	w.log, w.began, w.size = file, at, int64(len(header))
	return nil
}

func (w *writer) closeLog() {
	if w.log != nil {
		_ = w.log.Close()
		w.log = nil
	}
}

// clock knows whether the time can be believed, for nothing is removed on the word of a clock that was just set.
type clock struct {
	before time.Time // the time before the clock went forward by more than mostPause; zero where it went back
	since  time.Time // when it was set so; zero where it runs evenly
}

// mostPause is how long nobody may have recorded until that looks like a clock that was set.
const mostPause = 24 * time.Hour

func (c *clock) tick(last, now time.Time) {
	switch {
	case last.IsZero():
	case now.Before(last):
		*c = clock{since: now}
	case now.Sub(last) > mostPause:
		*c = clock{before: last, since: now}
	case !c.since.IsZero() && now.Sub(c.since) >= logFor:
		*c = clock{}
	}
}

// outdated says whether figures whose newest is of this time are no longer kept.
func (c *clock) outdated(newest, now time.Time) bool {
	if !c.since.IsZero() {
		return !c.before.IsZero() && c.before.Sub(newest) > Kept
	}
	return now.Sub(newest).Abs() > Kept
}
