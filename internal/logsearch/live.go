package logsearch

import (
	"container/heap"
	"context"
	"io"
	"sync"
	"time"
)

const (
	// held is how long an entry waits for older ones of other containers, and mostHeld how many wait.
	held     = soon + 100*time.Millisecond
	mostHeld = 4000
	// look is how often is looked which entries have waited long enough.
	look = 50 * time.Millisecond
)

// live gives entries on in the order of time while they are written: each waits a moment for older ones.
type live struct {
	filter filter
	give   func(Entry) error

	mutex   sync.Mutex
	from    map[*assembler]bool
	waiting entries
	bytes   int
	err     error
}

// entries is a heap with the oldest first.
type entries []Entry

func (e entries) Len() int           { return len(e) }
func (e entries) Less(i, j int) bool { return e[i].Time.Before(e[j].Time) }
func (e entries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *entries) Push(x any) { *e = append(*e, x.(Entry)) } //nolint:forcetypeassert // the heap has entries alone

// Pop implements heap.Interface.
func (e *entries) Pop() any {
	last := len(*e) - 1
	out := (*e)[last]
	(*e)[last] = Entry{}
	*e = (*e)[:last]
	return out
}

func newLive(f filter, give func(Entry) error) *live {
	return &live{filter: f, give: give, from: map[*assembler]bool{}}
}

// read takes a log until it ends.
func (l *live) read(service, container string, raw bool, from io.Reader) error {
	a := &assembler{service: service, container: container, to: l.take}
	l.mutex.Lock()
	l.from[a] = true
	l.mutex.Unlock()
	err := read(from, raw, func(next line) {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		a.line(next, time.Now())
		l.release(time.Now())
	})
	l.mutex.Lock()
	defer l.mutex.Unlock()
	a.endAll()
	delete(l.from, a)
	return err
}

// take is told of a whole entry.
func (l *live) take(e Entry) {
	if l.filter.wants(e) {
		heap.Push(&l.waiting, e)
		l.bytes += len(e.Message)
	}
}

// release gives on what has waited long enough, and what is too much.
func (l *live) release(now time.Time) {
	for len(l.waiting) > 0 && l.err == nil {
		if now.Sub(l.waiting[0].arrived) < held && len(l.waiting) <= mostHeld && l.bytes <= 8*maxEntry {
			return
		}
		l.pop()
	}
}

func (l *live) pop() {
	e := heap.Pop(&l.waiting).(Entry) //nolint:forcetypeassert // the heap has entries alone
	l.bytes -= len(e.Message)
	l.err = l.give(e)
}

// run gives on entries until ctx ends, or they can't be given on any more.
func (l *live) run(ctx context.Context) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if err := l.tick(now); err != nil {
				return err
			}
		}
	}
}

func (l *live) tick(now time.Time) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for a := range l.from {
		a.endIdle(now)
	}
	l.release(now)
	return l.err
}

// end gives on all that waits.
func (l *live) end() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for a := range l.from {
		a.endAll()
	}
	for len(l.waiting) > 0 && l.err == nil {
		l.pop()
	}
	return l.err
}
