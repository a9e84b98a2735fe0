package answer

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// target is one that differs from others by its address.
func target(address string) Target {
	return Target{scheme: "tcp", ports: [][]place{{{address, own}}}}
}

// rounds asks nobody: each answer takes so long, and has the number of the question as its milliseconds.
func rounds(takes time.Duration) (r *Rounds, questions *atomic.Int64) {
	r, questions = NewRounds(), &atomic.Int64{}
	r.ask = func(ctx context.Context, t Target) (Answer, bool) {
		n := questions.Add(1)
		select {
		case <-time.After(takes):
		case <-ctx.Done():
		}
		return Answer{Of: t.words(t.ports[0][0]), MS: float64(n)}, true
	}
	return r, questions
}

func TestEachIsAskedInItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, questions := rounds(time.Second)
		all := map[string]Target{"a": target("1")}
		for second := range 11 { // at 0, 5 and 10 s
			r.Begin(t.Context(), all)
			synctest.Wait()
			if want := int64(1 + second/5); questions.Load() != want {
				t.Errorf("after %d s: asked %d times, want %d", second, questions.Load(), want)
			}
			got := r.Of("a")
			switch {
			case second == 0 && (!got.Pending || got.Of != "tcp://1"):
				t.Errorf("before the first answer: %+v", got)
			case second > 0 && (got.Pending || got.MS != float64(1+(second-1)/5)):
				t.Errorf("after %d s: %+v", second, got)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		moved := map[string]Target{"a": target("2")} // a restart gave it another address
		r.Begin(t.Context(), moved)
		if got := r.Of("a"); !got.Pending || got.Of != "tcp://2" {
			t.Errorf("the answer at the former address: %+v", got)
		}
		r.Begin(t.Context(), nil)
		if got := r.Of("a"); got != (Answer{}) {
			t.Errorf("one that is not asked any longer: %+v", got)
		}
		r.Wait(t.Context(), time.Now().Add(time.Hour))
		if got := r.Of("a"); got != (Answer{}) {
			t.Errorf("an answer that came late: %+v", got)
		}
	})
}

func TestSlowAnswersAreNotAskedForTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, questions := rounds(12 * time.Second)
		for range 12 {
			r.Begin(t.Context(), map[string]Target{"a": target("1")})
			time.Sleep(time.Second)
		}
		if questions.Load() != 1 {
			t.Errorf("asked %d times", questions.Load())
		}
		r.Wait(t.Context(), time.Now().Add(time.Hour))
	})
}

func TestAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, questions := rounds(time.Second)
		all := map[string]Target{}
		for i := range 3 * atOnce {
			all[fmt.Sprint(i)] = target("1")
		}
		r.Begin(t.Context(), all)
		synctest.Wait()
		if questions.Load() != atOnce {
			t.Errorf("%d at once", questions.Load())
		}
		began := time.Now()
		r.Wait(t.Context(), began.Add(time.Minute))
		if took := time.Since(began); took != 3*time.Second || questions.Load() != 3*atOnce {
			t.Errorf("%d in %s", questions.Load(), took)
		}
	})
}

func TestNobodyWaitsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := rounds(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		r.Begin(ctx, map[string]Target{"a": target("1")})
		r.Wait(ctx, began.Add(500*time.Millisecond))
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		if got := r.Of("a"); !got.Pending || got.MS != 500 || got.Error != "" {
			t.Errorf("got %+v", got)
		}
		cancel()
		r.Wait(ctx, began.Add(time.Hour))
		synctest.Wait()
		if got := r.Of("a"); !got.Pending {
			t.Errorf("what was broken off is no answer: %+v", got)
		}
		r.Begin(t.Context(), map[string]Target{"a": target("1")})
		r.Wait(t.Context(), time.Now())
	})
}

// TestNothingToAsk has a target of which it turns out only then that nobody can tell.
func TestNothingToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := rounds(0)
		r.ask = func(context.Context, Target) (Answer, bool) { return Answer{Error: "x"}, false }
		r.Begin(t.Context(), map[string]Target{"a": target("1")})
		r.Wait(t.Context(), time.Now().Add(time.Hour))
		if got := r.Of("a"); got != (Answer{}) {
			t.Errorf("got %+v", got)
		}
	})
}
