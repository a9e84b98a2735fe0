package history

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

// How many fine files are made one coarse file, and when fewer are.
const (
	rolledAtOnce = 6
	rolledAnyway = 48 * time.Hour
)

// recover puts right what a kill, a full disk or a damaged one left: it cuts off the end of the last log that was not
// written whole, and sets damaged files aside after it has written anew what is whole in them. Whoever calls it has
// the lock.
func (w *writer) recover() error {
	segments, replaced, err := list(w.dir)
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	remove(w.dir, replaced...)
	w.removeUnfinished()
	for i, s := range segments {
		w.number = max(w.number, s.last)
		c, err := w.repair(s)
		if err != nil {
			return err
		}
		for _, f := range c.frames {
			if newest := time.UnixMilli(f.last); newest.After(w.newest) || i == len(segments)-1 {
				w.newest = newest // the last file's, whatever the clock said before
			}
		}
		if i == len(segments)-1 && s.tier == logTier && len(c.frames) > 0 && !c.damaged {
			w.continueLog(s, c)
		}
	}
	return nil
}

// continueLog opens the last log to append to it.
func (w *writer) continueLog(s segment, c contents) {
	file, err := os.OpenFile(filepath.Join(w.dir, s.name), os.O_RDWR, 0)
	if err != nil {
		return // there will be another
	}
	w.log, w.size, w.began = file, int64(c.whole), time.UnixMilli(c.frames[0].first)
}

// repair reads a file, and puts it right where it is not whole.
func (w *writer) repair(s segment) (contents, error) {
	path := filepath.Join(w.dir, s.name)
	data, err := state.ReadFile(path)
	var unreadable *state.Damaged
	if errors.As(err, &unreadable) {
		to, asideErr := state.SetAside(path)
		w.note("%v: it is now %q", err, filepath.Base(to))
		return contents{}, asideErr
	}
	if err != nil {
		return contents{}, err
	}
	c := parse(data)
	switch {
	case c.foreign:
		w.note("%q is of another version, and is left as it is", s.name)
	case c.damaged, s.tier != logTier && c.whole < len(data):
		c.damaged = true
		return c, w.setAside(s, data, c)
	case c.whole < len(data):
		return c, os.Truncate(path, int64(c.whole))
	}
	return c, nil
}

// setAside keeps a damaged file under another name, and writes what is whole in it anew.
func (w *writer) setAside(s segment, data []byte, c contents) error {
	to := filepath.Join(w.dir, s.name+aside)
	if err := state.WriteFile(to, data, 0o600); err != nil {
		return err
	}
	var frames []byte
	for _, f := range c.frames {
		frames = append(frames, f.raw...)
	}
	w.note("%q is damaged: it is now %q, and the %d parts of it that are whole are kept", s.name, filepath.Base(to),
		len(c.frames))
	if len(frames) == 0 {
		return os.Remove(filepath.Join(w.dir, s.name))
	}
	return writeSegment(w.dir, s.name, frames)
}

func (w *writer) note(format string, args ...any) {
	w.notes = append(w.notes, "the history: "+fmt.Sprintf(format, args...))
}

func (w *writer) removeUnfinished() {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), unfinished); ok {
			if _, ours := parseName(stem); ours {
				remove(w.dir, e.Name())
			}
		}
	}
}

// tidy removes what is no longer kept, closes the logs that are over, and rolls up what is older than a day. What of it
// fails does not keep anybody from recording: it is tried again with the next log.
func (w *writer) tidy(now time.Time) {
	w.tidied = true
	w.untidy = nil
	segments, replaced, err := list(w.dir)
	if err != nil {
		w.untidy = fmt.Errorf("reading the history: %w", err)
		return
	}
	remove(w.dir, replaced...)
	w.removeAside(now)
	var fine []segment
	var oldest time.Time
	roll := func() {
		if len(fine) >= rolledAtOnce || len(fine) > 0 && now.Sub(oldest) > rolledAnyway {
			name := coarseName(fine[0].first, fine[len(fine)-1].last)
			w.failing(w.make(name, coarseStep, fine...))
		}
		fine = nil
	}
	for _, s := range segments {
		newest, known := w.newestOf(s)
		switch {
		case known && w.clock.outdated(newest, now):
			remove(w.dir, s.name)
		case s.tier == logTier && (w.log == nil || s.first != w.number):
			w.failing(w.make(numbered(s.first, fineTier), fineStep, s))
		case s.tier == fineTier && now.Sub(newest) > fineFor:
			if fine = append(fine, s); len(fine) == 1 {
				oldest = newest
			}
			if len(fine) == rolledAtOnce {
				roll()
			}
		default:
			roll()
		}
	}
	roll()
}

func (w *writer) failing(err error) {
	if err != nil {
		w.untidy = errors.Join(w.untidy, state.Unwritable(w.dir, fmt.Errorf("putting the history in order: %w", err)))
	}
}

// newestOf is the time of the newest figures of a file, or where it can't be read, of its last change.
func (w *writer) newestOf(s segment) (time.Time, bool) {
	path := filepath.Join(w.dir, s.name)
	if data, err := state.ReadFile(path); err == nil {
		var newest int64
		c := parse(data)
		for _, f := range c.frames {
			newest = max(newest, f.last)
		}
		if newest > 0 {
			return time.UnixMilli(newest), true
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return time.Time{}, false
	}
	return info.ModTime(), true
}

// removeAside removes files that were set aside so long ago that nothing else is left of their time.
func (w *writer) removeAside(now time.Time) {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		stem, _, ok := strings.Cut(e.Name(), aside)
		if _, ours := parseName(stem); !ok || !ours {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && w.clock.outdated(info.ModTime(), now) {
			remove(w.dir, e.Name())
		}
	}
}

// make writes a file of a higher tier out of others, and removes those.
func (w *writer) make(name string, step time.Duration, from ...segment) error {
	var files []contents
	for _, s := range from {
		c, err := w.repair(s)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if c.foreign {
			return nil // who reads it will know what to do with it
		}
		files = append(files, c)
	}
	begin, end := time.UnixMilli(0), time.UnixMilli(latest)
	all := blocks(files, Selection{}, begin, end)
	services := map[string]bool{}
	for _, b := range all {
		for _, c := range b.columns {
			services[c.Service] = true
		}
	}
	var frames []byte
	for _, service := range slices.Sorted(maps.Keys(services)) {
		selected := Selection{Services: []string{service}}
		summed := map[Series][]Point{}
		for key, samples := range gather(all, selected, begin, end) {
			summed[key] = points(samples, step)
		}
		if len(summed) == 0 {
			continue
		}
		frame, err := newFrame(service, newBlock(step, summed))
		if err != nil {
			return err
		}
		frames = append(frames, frame...)
	}
	if len(frames) > 0 {
		if err := writeSegment(w.dir, name, frames); err != nil {
			return err
		}
	}
	for _, s := range from {
		remove(w.dir, s.name)
	}
	return nil
}
