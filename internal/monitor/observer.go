package monitor

import (
	"context"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/sampler"
)

// Observer keeps looking at a project, and gives each snapshot to all that follow it: the live view, the page, the
// metrics, the history and the alerts are drawn from the same snapshots.
type Observer struct {
	api     API
	project *types.Project
	machine engine.Machine
	every   time.Duration

	mutex     sync.Mutex
	latest    Snapshot
	followers map[chan Snapshot]bool
}

// NewObserver makes one that takes a snapshot every so often, at most once in sampler.Window. Run starts it.
func NewObserver(api API, project *types.Project, machine engine.Machine, every time.Duration) *Observer {
	return &Observer{
		api: api, project: project, machine: machine, every: max(every, sampler.Window),
		followers: map[chan Snapshot]bool{},
	}
}

// Run looks until ctx ends, which is no error. An engine that goes away is one.
func (o *Observer) Run(ctx context.Context) error {
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	subject := subjectOf(o.api, o.project, o.machine)
	for {
		s, err := subject.look(ctx, nil)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		o.give(s)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Latest is the newest snapshot; false before the first. Its slices are not to be changed.
func (o *Observer) Latest() (Snapshot, bool) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.latest, !o.latest.Time.IsZero()
}

// Follow gives every snapshot from now on, the newest one first, until stop is called. A follower that does not keep
// up misses snapshots: the channel holds the newest one only.
func (o *Observer) Follow() (snapshots <-chan Snapshot, stop func()) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	c := make(chan Snapshot, 1)
	o.followers[c] = true
	if !o.latest.Time.IsZero() {
		c <- o.latest
	}
	return c, func() {
		o.mutex.Lock()
		defer o.mutex.Unlock()
		delete(o.followers, c)
	}
}

func (o *Observer) give(s Snapshot) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.latest = s
	for c := range o.followers {
		select {
		case <-c: // a snapshot that was not fetched
		default:
		}
		c <- s
	}
}
