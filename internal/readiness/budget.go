package readiness

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// probingShare is the part of the machine's CPUs that probing may use while a stack starts: engine, runc, and this process with all
	// that it does meanwhile. A tenth is promised; what an exec costs is an estimate, and a busy machine makes it dearer.
	probingShare = 0.08
	// execCost is what an exec costs them in CPU time (75 ms on the engine 20.10 and the machine that this was written on, some
	// 40 ms on a faster one) as long as none has been timed. askCost is that of a question to a session that is open.
	execCost = 75 * time.Millisecond
	askCost  = 3 * time.Millisecond
	// firstProbes is how many execs a start may make at once, and savedUp how many seconds' worth of the budget it may save: while
	// the engine starts the first containers there is nothing to probe.
	firstProbes = 3
	savedUp     = 10
)

// Budget shares the CPU time for probing among the services that start: those first on which the longest chains wait, and of those
// on which none waits the one that was started last, for Docker's own check looks at the others sooner.
type Budget struct {
	mu    sync.Mutex
	rate  float64 // CPU seconds a second
	have  float64 // CPU seconds; below 0 after a probe that cost more than was thought
	at    time.Time
	exec  time.Duration        // what an exec costs, as far as is known
	own   func() time.Duration // CPU time of this process
	used  time.Duration        // of own, as far as it has been taken off
	queue []*asker             // highest rank first
}

type asker struct {
	rank  int
	began time.Time
	wake  chan struct{}
}

// before says whether a goes before b, who was there first.
func (a *asker) before(b *asker) bool {
	return a.rank > b.rank || a.rank == 0 && b.rank == 0 && a.began.After(b.began)
}

// NewBudget is for a machine with so many CPUs.
func NewBudget(cpus int) *Budget {
	return &Budget{
		rate: probingShare * float64(max(1, cpus)), have: firstProbes * execCost.Seconds(), at: time.Now(), exec: execCost,
		own: processTime, used: processTime(),
	}
}

// execCost is what the cheapest exec of this run has cost.
func (b *Budget) execCost() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.exec
}

// timed tells how long an exec took. The quickest took little longer than what it cost: the others waited, for the check's own
// work or for a CPU. Engine and runc do a part of their work after the answer, hence a quarter more.
func (b *Budget) timed(took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.exec = max(min(b.exec, took*5/4), 20*time.Millisecond)
}

// take waits until a probe of that cost, of a container that was started at began, fits the budget, or there is news of it.
func (b *Budget) take(ctx context.Context, cost time.Duration, rank int, began time.Time, heard <-chan struct{}) (news bool, err error) {
	a := &asker{rank: rank, began: began, wake: make(chan struct{}, 1)}
	b.mu.Lock()
	at := slices.IndexFunc(b.queue, a.before)
	if at < 0 {
		at = len(b.queue)
	}
	b.queue = slices.Insert(b.queue, at, a)
	b.mu.Unlock()
	defer b.leave(a)
	for {
		wait := b.try(a, cost)
		if wait == 0 {
			return false, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false, ctx.Err()
		case <-heard:
			timer.Stop()
			return true, nil
		case <-a.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// try takes the cost where the asker is the first in line and it is there; else it says how long to wait.
func (b *Budget) try(a *asker, cost time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	own := b.own()
	b.have = min(b.have+now.Sub(b.at).Seconds()*b.rate-(own-b.used).Seconds(), savedUp*b.rate)
	b.at, b.used = now, own
	if b.queue[0] != a {
		return time.Hour // until woken
	}
	if missing := cost.Seconds() - b.have; missing > 0 {
		return max(time.Millisecond, time.Duration(missing/b.rate*float64(time.Second)))
	}
	b.have -= cost.Seconds()
	return 0
}

// leave takes the asker out of the line and wakes the one who is first now.
func (b *Budget) leave(a *asker) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.queue, a); i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
	}
	if len(b.queue) > 0 {
		select {
		case b.queue[0].wake <- struct{}{}:
		default:
		}
	}
}
