package restic

import (
	"fmt"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/daemon"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// DefaultPatience is how long a target may fail or be silent before restic is ended. Restic itself tries for a quarter
// of an hour, and before version 0.17 waits for an answer without end.
const DefaultPatience = 5 * time.Minute

// retries watches what restic says of its requests to the target that fail and are tried again.
type retries struct {
	patience    time.Duration
	first, last map[string]time.Time // of each request: when it failed first, in a row, and when last
	begun       func(why string)     // is called at the first failure
	gaveUp      chan string          // gets why, once a request has failed for too long
	now         func() time.Time
}

// mostRequests are remembered at most: those that fail at the same time.
const mostRequests = 1000

// pause is longer than the time that restic lets go by between two tries of one request.
const pause = 2 * time.Minute

func newRetries(patience time.Duration, begun func(why string)) *retries {
	return &retries{
		patience: patience,
		first:    map[string]time.Time{}, last: map[string]time.Time{}, begun: begun, gaveUp: make(chan string, 1),
		now: time.Now,
	}
}

// line takes a line of restic's standard error.
func (r *retries) line(line []byte) {
	what, why, ok := fault.ResticRetries(string(line))
	if !ok {
		return
	}
	why = bounded.Line(fault.Redact(why))
	now := r.now()
	if len(r.first) == 0 && r.begun != nil {
		r.begun(why)
	}
	if len(r.first) >= mostRequests {
		clear(r.first)
		clear(r.last)
	}
	if now.Sub(r.last[what]) > pause { // it worked meanwhile, or is new
		r.first[what] = now
	}
	r.last[what] = now
	if now.Sub(r.first[what]) > r.patience {
		select {
		case r.gaveUp <- fmt.Sprintf("the target has failed for %s: %s", r.patience, why):
		default: // it was said
		}
	}
}

// silence gives a channel that gets why, once the child has neither read a byte nor worked for too long: what it waits
// for is the target's answer. stop ends the watching.
func silence(child *daemon.Child, patience time.Duration) (silent <-chan string, stop func()) {
	out, done := make(chan string, 1), make(chan struct{})
	go func() {
		tick := time.NewTicker(patience / 20)
		defer tick.Stop()
		var last activity
		since := time.Now()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			now, ok := activityOf(child.PID)
			if !ok {
				return
			}
			if now.beyond(last, patience) {
				last, since = now, time.Now()
			}
			if time.Since(since) > patience {
				out <- fmt.Sprintf("the target has not answered for %s", patience)
				return
			}
		}
	}()
	return out, func() { close(done) }
}

// activity is what a process has done so far.
type activity struct {
	read   uint64 // bytes, from files and connections alike
	worked time.Duration
}

// idle is what a process works at most while it waits, of the time for which a target may be silent.
const idle = 0.01

// beyond says whether a process has done something since it had done last.
func (a activity) beyond(last activity, patience time.Duration) bool {
	return a.read != last.read || a.worked-last.worked > time.Duration(idle*float64(patience))
}
