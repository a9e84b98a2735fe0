package logsearch

import (
	"slices"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/logerrors"
)

const (
	// soon is how long after a line another one can continue it: a stack trace is written at once.
	soon = 500 * time.Millisecond
	// maxEntry is how long an entry may be, in bytes, and maxDone how many entries wait for an older one that still
	// goes on: beyond either the entry is ended.
	maxEntry = 1 << 20
	maxDone  = 1000
)

// assembler makes entries of one container's lines, in the order of their first lines' times.
type assembler struct {
	service, container string
	to                 func(Entry)

	streams [3]struct {
		lines  logerrors.Entries
		open   *Entry
		last   time.Time // of the entry's last line
		heard  time.Time // when the last line was read here
		longer []string  // the lines after the first
		size   int
	}
	done []Entry // entries that are whole, while an older one of the other stream is not
}

// line takes the next line, which was read now.
func (a *assembler) line(l line, now time.Time) {
	for i := range a.streams {
		if s := &a.streams[i]; s.open != nil && l.at.Sub(s.last) > soon {
			a.end(i)
			s.lines = logerrors.Entries{}
		}
	}
	s := &a.streams[l.stream]
	level, continues := s.lines.Next(l.text)
	s.last, s.heard = l.at, now
	if continues && s.open != nil && s.size+len(l.text) < maxEntry {
		s.longer = append(s.longer, l.text)
		s.size += len(l.text) + 1
		return
	}
	a.end(int(l.stream))
	s.size = len(l.text)
	s.open = &Entry{
		Time: l.at, Service: a.service, Container: a.container, Stream: streams[l.stream], Level: level.String(),
		Message: l.text, level: level, arrived: now,
	}
	a.release()
}

// end ends the entry of a stream.
func (a *assembler) end(stream int) {
	s := &a.streams[stream]
	if s.open != nil {
		if len(s.longer) > 0 {
			s.open.Message = strings.TrimRight(s.open.Message+"\n"+strings.Join(s.longer, "\n"), "\n")
		}
		a.done = append(a.done, *s.open)
	}
	s.open, s.longer = nil, nil
}

// endIdle ends the entries of which no line was read for a while.
func (a *assembler) endIdle(now time.Time) {
	for i := range a.streams {
		if s := &a.streams[i]; s.open != nil && now.Sub(s.heard) > soon {
			a.end(i)
			s.lines = logerrors.Entries{}
		}
	}
	a.release()
}

// endAll ends what is open.
func (a *assembler) endAll() {
	for i := range a.streams {
		a.end(i)
	}
	a.release()
}

// release gives on the entries that no open one is older than.
func (a *assembler) release() {
	if len(a.done) > maxDone {
		for i := range a.streams {
			if s := &a.streams[i]; s.open != nil && s.open.Time.Before(a.done[len(a.done)-1].Time) {
				a.end(i)
			}
		}
	}
	slices.SortStableFunc(a.done, func(x, y Entry) int { return x.Time.Compare(y.Time) })
	n := len(a.done)
	for i := range a.streams {
		open := a.streams[i].open
		if open == nil {
			continue
		}
		if later := slices.IndexFunc(a.done, func(e Entry) bool { return e.Time.After(open.Time) }); later >= 0 {
			n = min(n, later)
		}
	}
	for _, e := range a.done[:n] {
		a.to(e)
	}
	a.done = slices.Delete(a.done, 0, n)
}
