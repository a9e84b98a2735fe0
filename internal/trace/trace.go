// Package trace owns when things were done: spans of a build, a start or a restart, whose they are, and what waited
// for what. It writes them as a file that trace viewers open, in the Trace Event Format, and keeps the last ones of a
// project for its page. It measures nothing by itself.
package trace

import (
	"context"
	"sync"
	"time"
)

// Kind is what a span is about: the category of its event.
type Kind string

// The kinds of spans, beside those that operations have.
const (
	Phase    Kind = "phase"    // a part of the command itself
	Path     Kind = "critical" // a link of the critical path
	Waiting  Kind = "waiting"  // for other services, images or builds
	Queue    Kind = "queue"    // for a share of the machine
	Probe    Kind = "probe"    // one run of a health check
	Pull     Kind = "pull"     // of an image
	Image    Kind = "image"    // the whole build of one
	Step     Kind = "step"     // of a Dockerfile, or of the builder
	Cached   Kind = "cached"   // a step that the build cache had
	Transfer Kind = "transfer" // of a build context, a layer or a build cache
	Load     Kind = "load"     // of an image into the engine
)

// Span is one thing that was done.
type Span struct {
	Lane     string    `json:"lane,omitempty"`  // the service that it was done for; "" for all of them
	Track    string    `json:"track,omitempty"` // what of the lane runs beside the rest, such as a second solve
	Name     string    `json:"name"`
	Kind     Kind      `json:"kind"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	Critical bool      `json:"critical,omitempty"` // it is on the critical path
	Failed   bool      `json:"failed,omitempty"`
	Within   bool      `json:"within,omitempty"` // it is a part of the span that it lies in
	Facts    []Fact    `json:"facts,omitempty"`
	After    []Arrow   `json:"after,omitempty"`
}

// Fact is something that is known of a span: ("bytes", 1234), ("why", "it has no container").
type Fact struct {
	Name  string `json:"name"`
	Value any    `json:"value"` // a text, a number or a boolean
}

// Arrow says that a span could not begin before another one came to something.
type Arrow struct {
	Span int       `json:"span"` // the other's number in the timeline
	At   time.Time `json:"at"`   // when it came to that
}

// Timeline is all that was done in one build, start or restart.
type Timeline struct {
	What     string    `json:"what"` // build, start or restart
	Project  string    `json:"project"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	Failed   bool      `json:"failed,omitempty"`
	Critical string    `json:"critical,omitempty"` // the critical path, as it was printed
	Spans    []Span    `json:"spans"`
	LeftOut  int       `json:"left_out,omitempty"` // spans beyond the bound
}

// maxSpans is how many spans of one timeline are held. A start of 1,000 services has some 5,000.
const maxSpans = 20_000

// Live is a timeline that grows. Its methods may be called from several goroutines, and of nil; nil holds nothing.
type Live struct {
	mu sync.Mutex
	t  Timeline
}

// Add adds a span and gives its number; -1 where there is no more room.
func (l *Live) Add(s Span) int {
	if l == nil {
		return -1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.t.Spans) >= maxSpans {
		l.t.LeftOut++
		return -1
	}
	l.t.Spans = append(l.t.Spans, s)
	return len(l.t.Spans) - 1
}

// AddAll adds spans whose arrows are among themselves.
func (l *Live) AddAll(spans []Span) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.t.Spans)
	fit := max(0, min(len(spans), maxSpans-first))
	l.t.LeftOut += len(spans) - fit
	for _, s := range spans[:fit] {
		var after []Arrow
		for _, a := range s.After {
			if a.Span >= 0 && a.Span < fit {
				after = append(after, Arrow{Span: first + a.Span, At: a.At})
			}
		}
		s.After = after
		l.t.Spans = append(l.t.Spans, s)
	}
}

// Time adds a span of the command itself that begins now and ends when end is called.
func (l *Live) Time(name string) (end func()) {
	if l == nil {
		return func() {}
	}
	began := time.Now()
	return func() { l.Add(Span{Name: name, Kind: Phase, Began: began, Ended: time.Now()}) }
}

// End says what the timeline came to; critical is the critical path as it was printed.
func (l *Live) End(failed bool, critical string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Ended, l.t.Failed, l.t.Critical = time.Now(), failed, critical
}

// Timeline gives what there is by now.
func (l *Live) Timeline() Timeline {
	if l == nil {
		return Timeline{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.t
	t.Spans = append([]Span(nil), l.t.Spans...)
	if t.Ended.IsZero() {
		t.Ended = time.Now()
	}
	return t
}

type key int

const (
	fileKey key = iota
	liveKey
)

// With gives a context under which all that is done is written to the file too.
func With(ctx context.Context, f *File) context.Context {
	return context.WithValue(context.WithValue(ctx, fileKey, f), liveKey, f.own)
}

// Begin begins a timeline, which what is done under the context writes to. It goes into the context's file where
// there is one.
func Begin(ctx context.Context, what, project string) (context.Context, *Live) {
	l := &Live{t: Timeline{What: what, Project: project, Began: time.Now()}}
	if f, _ := ctx.Value(fileKey).(*File); f != nil {
		f.add(l)
	}
	return context.WithValue(ctx, liveKey, l), l
}

// Of gives the timeline that is written under the context; nil for none.
func Of(ctx context.Context) *Live {
	l, _ := ctx.Value(liveKey).(*Live)
	return l
}
