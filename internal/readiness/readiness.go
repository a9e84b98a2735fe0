// Package readiness waits until a container is ready: its own health check run early, a published port that accepts
// connections, or its end. It starts and stops no container.
package readiness

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// The pace of probing. A pause is a tenth of the time that the service has taken so far, so that a slow one is seen late by a
// tenth at most, and within these bounds. An exec costs far more than a question to a session, hence its own shortest pause.
const (
	askPause     = 50 * time.Millisecond
	execPause    = 150 * time.Millisecond
	longestPause = 2 * time.Second
	pausePart    = 10
	// Where nobody waits for the service and only execs can tell, they are better spent on others: the first comes later, and the
	// pauses are longer.
	leafFirst = 400 * time.Millisecond
	leafPart  = 4
)

// Waiter waits until one container is ready. API, ID, Budget and Shells have to be there.
type Waiter struct {
	API     Prober
	ID      string
	Service string // the container's, for the next command; "" for none
	Budget  *Budget
	Shells  *Shells
	Rank    int             // how many wait behind it: who goes first where the budget is short
	News    <-chan struct{} // something has happened to the container; nil where nobody listens
	Past    *Learned        // what earlier starts have seen, or others of its kind in this one; nil for nothing
	Like    *Learned        // where this one's time is written for others of its kind; nil for nowhere
	Ports   *Learned        // whether earlier starts have seen anything listen on its ports; nil for nothing
	// Started says that a container without a check is ready once it runs, whoever listens on its ports.
	Started bool
	// Crowded says whether other containers still wait for the engine to start them; nil for never.
	Crowded func() bool
	Local   bool                     // the engine is on this machine, so published ports can be reached
	Inside  bool                     // and in this network, so the containers' addresses can be
	Tell    func(last string)        // what the last probe said
	Warn    func(f string, a ...any) // something the user should know
	// Docker says that the container is not ready while Docker's own check calls it unhealthy, even where ours passes.
	Docker bool

	ask     func(p published, ctx context.Context, inside bool) answer // nil for published.ask
	session *session
	began   time.Time
	last    verdict
	stuck   bool          // a check that hangs could not be ended: the next would overlap it
	failed  time.Duration // when the last probe that failed began, since began

	ended    *container.End // how it completed; nil where it runs
	answered bool           // it has accepted a connection
	first    int            // its policy's restarts when it was first looked at, and one more; 0 before
	run      string         // when the engine says that it was started last
	seen     time.Time      // when that was seen first, by our clock
}

// Wait waits until the container's own health check passes, run by us at short, growing intervals while it starts (Docker
// itself first looks after a whole interval), or Docker says that it is healthy; without a check, until it has run for a moment.
// One that ends is not ready. Probes of one container never overlap.
func Wait(ctx context.Context, api Prober, id string) error {
	r, err := wait(ctx, api, id)
	if err == nil && r.ended != nil {
		return &NotReady{Why: r.ended.String()}
	}
	return err
}

// WaitOrEnd is Wait for a container that may be a job: one that completes is ready.
func WaitOrEnd(ctx context.Context, api Prober, id string) error {
	_, err := wait(ctx, api, id)
	return err
}

func wait(ctx context.Context, api Prober, id string) (*Waiter, error) {
	r := &Waiter{API: api, ID: id, Budget: NewBudget(1), Shells: NewShells()}
	if err := r.Ready(ctx); err != nil {
		return r, err
	}
	return r, r.Stays(ctx)
}

// Ready is Wait with all that a start knows, but for how long the container stays up: Stays waits for that. A job that completes
// is ready.
func (r *Waiter) Ready(ctx context.Context) error {
	r.began = time.Now()
	defer func() {
		if r.session != nil {
			r.session.close()
		}
	}()
	for {
		c, err := r.inspect(ctx)
		if err != nil {
			return err
		}
		if over, err := r.over(c); over || err != nil {
			return err
		}
		check, pause := checkOf(c.InspectResponse), askPause
		late := time.Since(r.began) > patience(check)
		if c.Runs() {
			if check == nil {
				return r.accepts(ctx, c.InspectResponse)
			}
			if healthy(c.InspectResponse) {
				r.Past.passed(r.failed, time.Since(r.began))
				return nil
			}
			done, err := r.look(ctx, c.InspectResponse, check, late)
			if done || err != nil {
				return err
			}
			pause = r.pause()
		} else if r.session != nil {
			r.session.close()
			r.session = nil
		}
		if late && c.State.Paused {
			return &NotReady{Why: "it is paused", Next: "docker unpause " + fault.Quote(c.Name()) + ", then go tool mage start"}
		}
		if late {
			return &NotReady{Why: fmt.Sprintf("unhealthy after %s (%s)", patience(check).Round(time.Second), r.last)}
		}
		if _, err := r.hear(ctx, pause); err != nil {
			return err
		}
	}
}

func (r *Waiter) inspect(ctx context.Context) (container.Replica, error) {
	found, err := r.API.ContainerInspect(ctx, r.ID, client.ContainerInspectOptions{})
	if err != nil {
		return container.Replica{}, fmt.Errorf("inspecting the container: %w", err)
	}
	return container.Replica{InspectResponse: found.Container}, nil
}

// healthy says whether Docker's own check has passed.
func healthy(c moby.InspectResponse) bool {
	return c.State.Health != nil && c.State.Health.Status == moby.Healthy
}

// pause is how long to rest after a probe that has failed.
func (r *Waiter) pause() time.Duration {
	shortest, part := askPause, time.Duration(pausePart)
	switch {
	case r.session != nil:
	case r.Past.Knows(): // the first probe came when the service was due: it can't be long now
		return r.Past.pause(r.failed, time.Since(r.began))
	case r.Rank == 0:
		shortest, part = execPause, leafPart
	default:
		shortest = execPause
	}
	return min(max(shortest, time.Since(r.began)/part), longestPause)
}

// look probes the container once, unless Docker's own check is first. It is done where the container is ready. The last look
// of all, when the patience with the check is over, is not kept waiting for the others' probes.
func (r *Waiter) look(ctx context.Context, c moby.InspectResponse, check *moby.HealthConfig, last bool) (done bool, err error) {
	within, cancel := context.WithDeadline(ctx, r.began.Add(patience(check)))
	if last {
		within, cancel = context.WithTimeout(ctx, timeoutOf(check))
	}
	defer cancel()
	if r.stuck {
		return false, nil
	}
	if !last {
		if news, err := r.turn(within, c); news || err != nil {
			return false, ctx.Err()
		}
	}
	began := time.Since(r.began)
	v, ended, err := r.race(within, c, check)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case ended || within.Err() != nil:
		if r.last == (verdict{}) {
			r.last = verdict{code: hung, output: "the check gives no answer"}
		}
		return false, nil // the next look at the container says more
	case err != nil:
		r.last = v // as where the container ended meanwhile
		return false, nil
	case v.code == 0 && r.Docker && container.Replica{InspectResponse: c}.Unhealthy():
		r.last = verdict{code: hung, output: "its check passes now, and Docker still calls it unhealthy"}
		return false, nil
	case v.code == 0:
		r.Past.passed(r.failed, began)
		r.Like.passed(r.failed, began)
		return true, nil
	}
	r.failed, r.last = max(began, time.Millisecond), v
	if r.Tell != nil {
		r.Tell(v.String())
	}
	if c.State.Health != nil && c.State.Health.Status == moby.Unhealthy {
		return false, &NotReady{Why: fmt.Sprintf("unhealthy after %s (%s)", time.Since(r.began).Round(time.Second), v)}
	}
	return false, nil
}

// turn waits until it is this container's turn to be probed: the first exec until the service is likely to be ready, each
// until it fits the budget.
func (r *Waiter) turn(ctx context.Context, c moby.InspectResponse) (news bool, err error) {
	cost := askCost
	if r.session == nil {
		cost = r.Budget.execCost()
	}
	if r.failed == 0 && r.session == nil {
		if news, err := r.due(ctx, c); news || err != nil {
			return news, err
		}
	}
	return r.Budget.take(ctx, cost, r.Rank, r.began, r.News)
}

// due rests until the service is likely to be ready, as far as earlier starts tell, where it can only be probed by execs.
func (r *Waiter) due(ctx context.Context, c moby.InspectResponse) (news bool, err error) {
	if !r.Shells.Lacks(c.Image) {
		return false, nil
	}
	at := time.Duration(0)
	if r.Past.Knows() {
		at = r.Past.due()
	} else if r.Rank == 0 {
		at = leafFirst
	}
	for {
		wait := at - time.Since(r.began)
		if r.Rank == 0 && r.Crowded != nil && r.Crowded() {
			wait = max(wait, execPause) // others are still to be started: this one can't be the last
		}
		if wait <= 0 {
			return false, nil
		}
		if news, err := r.hear(ctx, wait); news || err != nil {
			return news, err
		}
	}
}

// hear waits for news of the container, for so long at most.
func (r *Waiter) hear(ctx context.Context, d time.Duration) (news bool, err error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-r.News:
		return true, nil
	case <-timer.C:
		return false, nil
	}
}

// race runs the check, and ends early where news come that Docker's own has passed or the container is gone.
func (r *Waiter) race(ctx context.Context, c moby.InspectResponse, check *moby.HealthConfig) (v verdict, ended bool, err error) {
	probing, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		v, err = r.probe(probing, c, check)
	}()
	for {
		select {
		case <-done:
			return v, false, err
		case <-r.News:
		}
		found, lookErr := r.inspect(ctx)
		if lookErr == nil && found.State.Running && !healthy(found.InspectResponse) {
			continue
		}
		cancel()
		<-done
		return v, true, nil
	}
}
