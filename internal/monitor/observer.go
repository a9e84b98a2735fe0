package monitor

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/sampler"
	"github.com/25eloquence/compose-mage/internal/wait"
)

// Observer keeps looking at a project, and gives each snapshot to all that follow it: the live view, the page, the
// metrics, the history and the alerts are drawn from the same snapshots. It asks the engine about a container when
// the engine's events tell of a change, and reads counters from the kernel: while nothing changes the stream of
// events is all that the engine has to do with it.
type Observer struct {
	subject
	every time.Duration

	mutex     sync.Mutex
	latest    Snapshot
	followers map[chan Snapshot]bool
	also      func() []finding.Finding // nil where nobody else finds anything
}

// The pauses between two attempts to reach an engine that went away.
const (
	leastPause = 500 * time.Millisecond
	mostPause  = 10 * time.Second
)

// NewObserver makes one that takes a snapshot every so often, at most once in sampler.Window, and after each change.
// Run starts it.
func NewObserver(api API, project *types.Project, machine engine.Machine, every time.Duration) *Observer {
	observed := subjectOf(api, project, machine)
	observed.signals.readLogs(api)
	return &Observer{
		subject: observed, every: max(every, sampler.Window),
		followers: map[chan Snapshot]bool{},
	}
}

// Run looks until ctx ends, which is no error. That the first look fails is one. An engine that goes away later is
// looked for until it is there again; meanwhile the snapshots say so: their services are those of the last look, with
// an error each, and there is a finding engine.lost beside the last findings.
func (o *Observer) Run(ctx context.Context) error {
	pause := leastPause
	defer o.signals.close()
	for {
		looked, err := newWatcher(o).watch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		last, ok := o.Latest()
		switch {
		case !ok:
			return err
		case looked: // the stream of events broke: whether the engine is away the next look says
			pause = leastPause
		default:
			o.give(withoutEngine(last, err))
		}
		if wait.For(ctx, pause) != nil {
			return nil
		}
		if !looked {
			pause = min(2*pause, mostPause)
		}
	}
}

// idEngineLost names the finding that the engine can't be reached.
const idEngineLost = "engine.lost"

// withoutEngine is the last snapshot, as far as it may still be so while the engine can't be reached.
func withoutEngine(last Snapshot, err error) Snapshot {
	s := last
	s.Time, s.Services, s.Findings = time.Now(), nil, nil
	why, _, _ := strings.Cut(err.Error(), "\n")
	why = bounded.Line(why)
	for _, r := range last.Services {
		r.unsample()
		r.Error = why
		s.Services = append(s.Services, r)
	}
	for _, f := range last.Findings {
		if f.ID != idEngineLost {
			s.Findings = append(s.Findings, f)
		}
	}
	s.Findings = append(s.Findings, finding.Warn(idEngineLost, "docker info", "the engine can't be asked: %s", why))
	return s
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

// Also has each snapshot say what others have found, such as that alerts can't be sent. It is called before Run.
func (o *Observer) Also(found func() []finding.Finding) { o.also = found }

func (o *Observer) give(s Snapshot) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.also != nil {
		s.Findings = append(slices.Clone(s.Findings), o.also()...)
	}
	o.latest = s
	for c := range o.followers {
		select {
		case <-c: // a snapshot that was not fetched
		default:
		}
		c <- s
	}
}
