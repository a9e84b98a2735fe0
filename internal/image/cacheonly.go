package image

import (
	"context"
	"errors"
	"sync"
)

// errStepRuns ends the solves that read no registry's cache, since one of them would run a step.
var errStepRuns = errors.New("a step is about to run")

// cacheOnlySolves are the solves of a run that read no registry's cache, since nothing changed. If the builder lacks a
// result all the same, they end together before any of them starts again: BuildKit joins equal steps of solves that
// run at a time, and a step that goes on for another image is not looked for in the registry.
type cacheOnlySolves struct {
	mu      sync.Mutex
	over    context.Context // cancelled where a result is lacking
	end     context.CancelCauseFunc
	running sync.WaitGroup
}

func newCacheOnlySolves() *cacheOnlySolves {
	c := &cacheOnlySolves{}
	c.over, c.end = context.WithCancelCause(context.Background())
	return c
}

// begin lets a solve take part, unless the solves have been ended; the caller calls done after the solve.
func (c *cacheOnlySolves) begin() (done func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over.Err() != nil {
		return nil, false
	}
	c.running.Add(1)
	return c.running.Done, true
}

// endAll ends the solves that run, and lets none begin any more: the builder lacks a result.
func (c *cacheOnlySolves) endAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(errStepRuns)
}
