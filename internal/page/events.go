package page

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What a journal keeps, and how often one who follows it hears something where nothing happens.
const (
	maxEvents = 150
	maxBytes  = 8 << 20
	heartbeat = 10 * time.Second
	retry     = 2 * time.Second
)

// event is one of those that are sent as they come.
type event struct {
	number int64
	kind   string // snapshot or engine
	data   []byte // JSON, in one line
}

// journal keeps the last events, for those who missed some.
type journal struct {
	run string // stands in the events' IDs: another run's numbers mean nothing here

	mutex   sync.Mutex
	all     []event
	bytes   int
	changed chan struct{} // closed when an event comes
}

func newJournal(run string) *journal { return &journal{run: run, changed: make(chan struct{})} }

func (j *journal) add(kind string, data []byte) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	number := int64(1)
	if len(j.all) > 0 {
		number = j.all[len(j.all)-1].number + 1
	}
	j.all, j.bytes = append(j.all, event{number, kind, data}), j.bytes+len(data)
	for len(j.all) > maxEvents || j.bytes > maxBytes && len(j.all) > 1 {
		j.bytes -= len(j.all[0].data)
		j.all = j.all[1:]
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// after gives the events after the one of that number. Where some of those are no longer there, or number is 0, it
// gives the newest snapshot and what came after it, and says that the rest is missing. changed is closed at the next.
func (j *journal) after(number int64) (events []event, missing bool, changed <-chan struct{}) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if len(j.all) == 0 {
		return nil, number != 0, j.changed
	}
	first, last := j.all[0].number, j.all[len(j.all)-1].number
	if number >= first-1 && number > 0 && number <= last {
		return j.all[number-first+1:], false, j.changed
	}
	for i := len(j.all) - 1; i >= 0; i-- {
		if j.all[i].kind == "snapshot" {
			return j.all[i:], true, j.changed
		}
	}
	return j.all, true, j.changed
}

// id is an event's, as clients give it back.
func (j *journal) id(number int64) string { return j.run + "-" + strconv.FormatInt(number, 10) }

// number reads an ID; 0 where it is none, or another run's.
func (j *journal) number(id string) int64 {
	text, ok := strings.CutPrefix(id, j.run+"-")
	if !ok {
		return 0
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 0 {
		return 0
	}
	return number
}

// events sends what happens as server-sent events, from the one after Last-Event-ID where that can be had. Before
// what does not follow on the last one stands an event "reset".
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.clients <- struct{}{}:
		defer func() { <-s.clients }()
	default:
		http.Error(w, fmt.Sprintf("%d follow the events already", maxFollowers), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	to := &eventWriter{w: w, control: http.NewResponseController(w)}
	to.printf("retry: %d\n\n", retry.Milliseconds())
	s.follow(r.Context(), to, s.journal.number(r.Header.Get("Last-Event-ID")))
}

func (s *Server) follow(ctx context.Context, to *eventWriter, seen int64) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for first := true; to.err == nil; first = false {
		events, missing, changed := s.journal.after(seen)
		if first && seen == 0 || missing && seen != 0 {
			about := map[string]any{"engine": s.engineLost(), "logs": s.Logs != nil}
			to.printf("event: reset\ndata: %s\n\n", marshal(about))
		}
		for _, e := range events {
			to.printf("id: %s\nevent: %s\ndata: %s\n\n", s.journal.id(e.number), e.kind, e.data)
			seen = e.number
		}
		to.flush()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
			to.printf(": nothing new\n\n")
		}
	}
}

// eventWriter writes until the client is gone, or does not take it.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (e *eventWriter) printf(format string, args ...any) {
	if e.err != nil {
		return
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, e.err = e.w.Write(fmt.Appendf(nil, format, args...))
}

func (e *eventWriter) flush() {
	if e.err == nil {
		e.err = e.control.Flush()
	}
}
