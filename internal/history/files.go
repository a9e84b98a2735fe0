package history

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/state"
)

// The files of a history are numbered in the order in which they were begun, whatever the clock said. Their tiers:
//
//	00000012.log                what was measured in the last hour at most: a frame of all services every half a
//	                            minute, appended
//	00000011.fine               a log that is closed: the same figures in steps of fineStep, a frame a service
//	00000001-00000006.coarse    these fine files in steps of coarseStep, a frame a service
//
// A file of a higher tier is written whole under another name, and renamed; then those that it was made of are
// removed. Where both are there, the higher tier counts.
const (
	logTier    = "log"
	fineTier   = "fine"
	coarseTier = "coarse"
	unfinished = ".tmp" // of a file that is being written
	aside      = ".damaged"
)

// segment is one file of the history.
type segment struct {
	name        string
	tier        string
	first, last int // of the numbers of its logs
}

func parseName(name string) (segment, bool) {
	s := segment{name: name}
	stem, tier, _ := strings.Cut(name, ".")
	s.tier = tier
	switch tier {
	case logTier, fineTier:
		n, _ := fmt.Sscanf(stem, "%d", &s.first)
		s.last = s.first
		return s, n == 1 && s.first > 0 && name == numbered(s.first, tier)
	case coarseTier:
		n, _ := fmt.Sscanf(stem, "%d-%d", &s.first, &s.last)
		return s, n == 2 && 0 < s.first && s.first <= s.last && name == coarseName(s.first, s.last)
	}
	return s, false
}

func numbered(n int, tier string) string { return fmt.Sprintf("%08d.%s", n, tier) }

func coarseName(first, last int) string { return fmt.Sprintf("%08d-%08d.%s", first, last, coarseTier) }

// replaces says whether a file of a higher tier has what the other one has.
func (s segment) replaces(other segment) bool {
	return s.tier != other.tier && s.first <= other.first && other.last <= s.last &&
		(s.tier == coarseTier || other.tier == logTier)
}

// list gives the files that count, in the order of their numbers, and the names of those that others replace.
func list(dir string) (segments []segment, replaced []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	var all []segment
	for _, e := range entries {
		if s, ours := parseName(e.Name()); ours {
			all = append(all, s)
		}
	}
	for _, s := range all {
		if slices.ContainsFunc(all, func(other segment) bool { return other.replaces(s) }) {
			replaced = append(replaced, s.name)
		} else {
			segments = append(segments, s)
		}
	}
	slices.SortFunc(segments, func(a, b segment) int { return cmp.Compare(a.first, b.first) })
	return segments, replaced, nil
}

// errGone says that a file was removed between the look at the directory and the look at the file.
var errGone = errors.New("a file of the history was removed meanwhile")

// read reads all files that count. Those that can't be read are left out, and given as notes. A writer may be at work.
func read(dir string) (files []contents, notes []string, err error) {
	for range 20 {
		if files, notes, err = readOnce(dir); !errors.Is(err, errGone) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return files, notes, err
}

func readOnce(dir string) (files []contents, notes []string, err error) {
	segments, _, err := list(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the history: %w", err)
	}
	for _, s := range segments {
		data, err := state.ReadFile(filepath.Join(dir, s.name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, errGone
		}
		if err != nil {
			notes = append(notes, fmt.Sprintf("a part of the history is left out: %v", err))
			continue
		}
		c := parse(data)
		switch {
		case c.foreign:
			notes = append(notes, fmt.Sprintf("a part of the history is left out: %q is of another version", s.name))
		case c.damaged, s.tier != logTier && c.whole < len(data):
			notes = append(notes, fmt.Sprintf("a part of the history is left out: %q is damaged", s.name))
		}
		files = append(files, c)
	}
	return files, notes, nil
}

// writeSegment writes a file whole, so that whoever comes after a kill finds all of it or none.
func writeSegment(dir, name string, frames []byte) error {
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path+unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append([]byte(header), frames...))
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path+unfinished))
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// syncDir makes names last. Some file systems can't: then the names come with the next of their own writes.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// remove removes files that are no longer needed. One that can't be removed is tried again the next time.
func remove(dir string, names ...string) {
	for _, name := range names {
		_ = os.Remove(filepath.Join(dir, name))
	}
}
