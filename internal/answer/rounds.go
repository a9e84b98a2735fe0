package answer

import (
	"context"
	"sync"
	"time"
)

const (
	// Every is how often a container is asked.
	Every = 5 * time.Second
	// atOnce is how many are asked at the same time.
	atOnce = 8
)

// Rounds asks containers again and again, each at most once in Every, and knows how each answered last. Its methods
// return at once, and may be called from several goroutines.
type Rounds struct {
	ask   func(context.Context, Target) (Answer, bool)
	slots chan struct{}

	mutex sync.Mutex
	of    map[string]*asked // by the container's ID
	busy  int               // questions that have not ended
	ended chan struct{}     // has one where a question has ended
}

// asked is what is known of one container.
type asked struct {
	target Target
	begun  time.Time // of the last question
	busy   bool      // it has not ended
	answer Answer    // to the last one that has
	told   bool      // there is an answer, be it that nothing could be asked
}

// NewRounds makes one that has asked nobody yet.
func NewRounds() *Rounds {
	return &Rounds{
		ask:   func(ctx context.Context, t Target) (Answer, bool) { return t.ask(ctx) },
		slots: make(chan struct{}, atOnce), of: map[string]*asked{}, ended: make(chan struct{}, 1),
	}
}

// Begin asks those of the containers whose turn it is, and forgets all others. The questions end with ctx.
func (r *Rounds) Begin(ctx context.Context, targets map[string]Target) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := time.Now()
	for id, known := range r.of {
		if target, still := targets[id]; !still || !target.same(known.target) {
			delete(r.of, id)
		}
	}
	for id, target := range targets {
		a := r.of[id]
		switch {
		case a == nil:
			a = &asked{target: target}
			r.of[id] = a
		case a.busy, now.Sub(a.begun) < Every:
			continue
		}
		a.begun, a.busy = now, true
		r.busy++
		go r.one(ctx, a)
	}
}

// one asks one container.
func (r *Rounds) one(ctx context.Context, a *asked) {
	answer, ok := Answer{}, false
	select {
	case <-ctx.Done():
	case r.slots <- struct{}{}:
		answer, ok = r.ask(ctx, a.target)
		<-r.slots
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	a.busy = false
	r.busy--
	select {
	case r.ended <- struct{}{}:
	default:
	}
	if ctx.Err() != nil {
		return
	}
	a.told, a.answer = true, Answer{}
	if ok {
		a.answer = answer
	}
}

// Of is how the container answered last; the zero value where it is not asked. To its first question the answer may
// be pending.
func (r *Rounds) Of(id string) Answer {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	switch a := r.of[id]; {
	case a == nil:
		return Answer{}
	case a.told:
		return a.answer
	default:
		took := float64(time.Since(a.begun).Microseconds()) / 1000
		return Answer{
			Of: a.target.words(a.target.ports[0][0]), At: a.begun, Named: a.target.named, MS: took, Pending: true,
		}
	}
}

// Wait waits until every question that was begun has ended, but no longer than until. One may wait at a time.
func (r *Rounds) Wait(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for !r.idle() {
		select {
		case <-r.ended:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (r *Rounds) idle() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.busy == 0
}
