package readiness

import (
	"context"
	"time"
)

// The pace of probing. A container that is slow to get ready is seen to be ready late by a tenth of its time at
// most. An exec takes the longer the busier the engine is, and the pauses grow with it, so that probes leave the
// CPUs to what they wait for.
const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 2 * time.Second
	elapsedPart   = 10 // the pause is at least this part of the time since the container's start
)

// pause is how long a container is left alone after a probe that took so long and failed, elapsed after its start:
// at least as long as the probe took.
func pause(took, elapsed time.Duration) time.Duration {
	return min(max(shortestPause, elapsed/elapsedPart, took), longestPause)
}

// placeFor is how long an exec keeps its place: one that takes longer waits for something, and uses no CPU.
const placeFor = time.Second

// place waits until the engine may be asked for one more exec, and gives the way to return the place, which may be
// called twice.
func (w *Waiter) place(ctx context.Context) (leave func(), err error) {
	if w.Places == nil || w.unqueued {
		return func() {}, nil
	}
	if err := w.Places.Acquire(ctx, 1, w.Rank); err != nil {
		return nil, err
	}
	timer := time.AfterFunc(placeFor, func() { w.Places.Release(1) })
	return func() {
		if timer.Stop() {
			w.Places.Release(1)
		}
	}, nil
}
