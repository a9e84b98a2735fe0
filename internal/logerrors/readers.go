package logerrors

import (
	"context"
	"sync"
	"time"
)

// Log is where one container's log is.
type Log struct {
	ID       string
	Driver   string // json-file, local, journald, …
	Path     string // of json-file, on the engine's machine
	Terminal bool   // the container has one: its output is not framed
	Running  bool
	Started  time.Time // of its last run; zero where it never ran
}

// The names of the sources.
const (
	sourceFile   = "file"
	sourceEngine = "engine"
)

// again is how long after the end of a stream the engine is asked anew.
const again = 5 * time.Second

// Readers count the errors of containers: of json-file logs of this machine, which root can read, from the file, else
// from an open stream of the engine. What was logged before the first round, or before the last start of a container
// that is met later, is not counted; what a container logs right before it ends is.
type Readers struct {
	api   API
	local bool // the engine's files are this machine's

	mutex sync.Mutex
	of    map[string]*reader // by the container's ID
	begun time.Time          // when the first round was read
}

// reader is of one container.
type reader struct {
	counter *Counter
	file    *tail // nil where the engine streams
	skipped int64
	stop    context.CancelFunc // of the stream
	ended   time.Time          // of the stream; zero while it lasts
	streams [3]splitter        // of the engine: input, output and error
}

// NewReaders makes some that read nothing yet.
func NewReaders(api API, local bool) *Readers {
	return &Readers{api: api, local: local, of: map[string]*reader{}}
}

// Read reads what was appended to the logs since the last time, and forgets all other containers. Streams end with
// ctx.
func (r *Readers) Read(ctx context.Context, logs []Log) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := time.Now()
	if r.begun.IsZero() {
		r.begun = now
	}
	still := map[string]bool{}
	for _, log := range logs {
		still[log.ID] = true
		known := r.of[log.ID]
		if known == nil {
			known = &reader{counter: NewCounter(now)}
			r.of[log.ID] = known
			r.open(ctx, known, log, now)
		}
		switch {
		case known.file != nil:
			known.skipped += known.file.read(known.counter, now)
		case !known.ended.IsZero() && (log.Started.After(known.ended) || log.Running && now.Sub(known.ended) >= again):
			r.stream(ctx, known, log, sinceNow(known.ended))
		}
	}
	for id, known := range r.of {
		if !still[id] {
			known.close()
			delete(r.of, id)
		}
	}
}

// Close ends the reading.
func (r *Readers) Close() { r.Read(context.Background(), nil) }

func (k *reader) close() {
	if k.file != nil {
		k.file.close()
	}
	if k.stop != nil {
		k.stop()
	}
}

func (r *Readers) open(ctx context.Context, known *reader, log Log, now time.Time) {
	since := r.begun
	if log.Started.After(since) {
		since = log.Started
	}
	if r.local && log.Driver == "json-file" && log.Path != "" {
		if file, err := openTail(log.Path, since); err == nil {
			known.file = file
			known.file.read(known.counter, now)
			return
		}
	}
	if !log.Running && log.Started.Before(r.begun) {
		known.ended = now // until it is started again
		return
	}
	r.stream(ctx, known, log, sinceNow(since))
}

// stream lets the engine tell of the log in the background.
func (r *Readers) stream(ctx context.Context, known *reader, log Log, since string) {
	known.close()
	ctx, known.stop = context.WithCancel(ctx)
	known.ended = time.Time{}
	go func() {
		_ = follow(ctx, r.api, log, since, func(stream byte, data []byte) {
			r.mutex.Lock()
			defer r.mutex.Unlock()
			if int(stream) < len(known.streams) {
				known.streams[stream].write(data, func(line []byte) { known.counter.Line(line, time.Now()) })
			}
		})
		r.mutex.Lock()
		defer r.mutex.Unlock()
		known.ended = time.Now()
	}()
}

// Of is what was counted of the container; the zero value where its log is not read.
func (r *Readers) Of(id string) Errors {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	known := r.of[id]
	if known == nil {
		return Errors{}
	}
	e := known.counter.Errors(time.Now())
	e.Skipped, e.Source = known.skipped, sourceEngine
	if known.file != nil {
		e.Source = sourceFile
	}
	return e
}
