// Package idle gives the memory that a service no longer uses back to the machine. Go's collector runs when the heap
// has doubled, or after two minutes: a service that has nothing to do keeps what its last work left behind until
// then.
package idle

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// every is how often a look is taken.
	every = 5 * time.Second
	// quiet is what a service may allocate between two looks and count as idle, in bytes: its health checks and
	// timers. A conversation takes twice as much.
	quiet = 1 << 20
	// worth is what it must have allocated since memory was last given back, in bytes: a collection for less gains
	// nothing.
	worth = 2 << 20
)

// watch remembers what a service had allocated in all, in bytes.
type watch struct{ last, given uint64 }

// due tells, at each look, whether memory is to be given back.
func (w *watch) due(allocated uint64) bool {
	idle := allocated-w.last < quiet
	w.last = allocated
	if !idle || allocated-w.given < worth {
		return false
	}
	w.given = allocated
	return true
}

// GiveBack collects garbage and returns free memory to the kernel once the service has become idle, until ctx ends.
// While the service works Go's collector decides alone.
func GiveBack(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var w watch
	read := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(read)
		if w.due(read[0].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
