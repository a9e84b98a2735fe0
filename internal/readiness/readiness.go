// Package readiness waits until a container is ready: its own health check run early, a published port that accepts
// connections, or its end. It starts and stops no container.
package readiness

import (
	"context"
	"fmt"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
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

// crashLoop is how many times a container may be restarted by its policy while we wait, before that is a failure.
const crashLoop = 2

// Waiter waits until one container is ready. API, ID, Budget and Shells have to be there.
type Waiter struct {
	API    Prober
	ID     string
	Budget *Budget
	Shells *Shells
	Rank   int             // how many wait behind it: who goes first where the budget is short
	News   <-chan struct{} // something has happened to the container; nil where nobody listens
	Past   *Learned        // what earlier starts have seen, or others of its kind in this one; nil for nothing
	Like   *Learned        // where this one's time is written for others of its kind; nil for nowhere
	Ports  *Learned        // whether earlier starts have seen anything listen on its ports; nil for nothing
	// Started says that a container without a check is ready once it runs, whoever listens on its ports.
	Started bool
	// Crowded says whether other containers still wait for the engine to start them; nil for never.
	Crowded func() bool
	Local   bool                     // the engine is on this machine, so published ports can be reached
	Inside  bool                     // and in this network, so the containers' addresses can be
	Tell    func(last string)        // what the last probe said
	Warn    func(f string, a ...any) // something the user should know

	ask     func(p published, ctx context.Context, inside bool) answer // nil for published.ask
	session *session
	began   time.Time
	last    verdict
	stuck   bool          // a check that hangs could not be ended: the next would overlap it
	failed  time.Duration // when the last probe that failed began, since began
}

// Wait waits until the container's own health check passes, run by us at short, growing intervals while it starts (Docker
// itself first looks after a whole interval), or Docker says that it is healthy; without a check, until it runs. Probes of one
// container never overlap.
func Wait(ctx context.Context, api Prober, id string) error {
	r := &Waiter{API: api, ID: id, Budget: NewBudget(1), Shells: NewShells()}
	return r.Ready(ctx)
}

// Ready is Wait with all that a start knows.
func (r *Waiter) Ready(ctx context.Context) error {
	r.began = time.Now()
	defer func() {
		if r.session != nil {
			r.session.close()
		}
	}()
	restarts := -1
	for {
		c, err := r.inspect(ctx)
		if err != nil {
			return err
		}
		if restarts < 0 {
			restarts = c.RestartCount
		}
		if err := Gone(c, restarts); err != nil {
			return err
		}
		check, pause := checkOf(c), askPause
		late := time.Since(r.began) > patience(check)
		if up := c.State.Running && !c.State.Restarting && !c.State.Paused; up {
			if check == nil {
				return r.accepts(ctx, c)
			}
			if healthy(c) {
				r.Past.passed(r.failed, time.Since(r.began))
				return nil
			}
			done, err := r.look(ctx, c, check, late)
			if done || err != nil {
				return err
			}
			pause = r.pause()
		} else if r.session != nil {
			r.session.close()
			r.session = nil
		}
		if late && c.State.Paused {
			return &NotReady{Why: "it is paused", Next: "docker unpause " + strings.TrimPrefix(c.Name, "/") + ", then go tool mage start"}
		}
		if late {
			return &NotReady{Why: fmt.Sprintf("unhealthy after %s (%s)", patience(check).Round(time.Second), r.last)}
		}
		if _, err := r.hear(ctx, pause); err != nil {
			return err
		}
	}
}

func (r *Waiter) inspect(ctx context.Context) (moby.InspectResponse, error) {
	found, err := r.API.ContainerInspect(ctx, r.ID, client.ContainerInspectOptions{})
	if err != nil {
		return moby.InspectResponse{}, fmt.Errorf("inspecting the container: %w", err)
	}
	return found.Container, nil
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
		if lookErr == nil && found.State.Running && !healthy(found) {
			continue
		}
		cancel()
		<-done
		return v, true, nil
	}
}

// Gone says why a container that is not running will not come back by itself.
func Gone(c moby.InspectResponse, restartsBefore int) error {
	s := c.State
	switch {
	case s.OOMKilled && !s.Running:
		return &NotReady{Why: fmt.Sprintf("killed: out of memory (limit %d MiB)", c.HostConfig.Memory>>20), Next: "raise its memory limit (deploy.resources.limits.memory), then go tool mage start"}
	case c.RestartCount-restartsBefore > crashLoop:
		return &NotReady{Why: fmt.Sprintf("keeps exiting (%s), restarted %d times", container.ExitText(s.ExitCode), c.RestartCount-restartsBefore)}
	case s.Status == moby.StateExited && s.ExitCode == 0:
		// docker compose up --wait fails here too.
		return &NotReady{
			Why:  "exited (exit 0), and no other service waits for it to complete",
			Next: "where it is meant to end, let what needs it wait with service_completed_successfully",
		}
	case s.Status == moby.StateExited || s.Status == moby.StateDead:
		return &NotReady{Why: strings.TrimSpace(fmt.Sprintf("exited (%s) %s", container.ExitText(s.ExitCode), s.Error))}
	}
	return nil
}

// Completed waits for a one-shot container to exit with 0.
func (r *Waiter) Completed(ctx context.Context) error {
	r.began = time.Now()
	for {
		c, err := r.inspect(ctx)
		if err != nil {
			return err
		}
		if s := c.State; s.Status == moby.StateExited || s.Status == moby.StateDead {
			if err := Gone(c, c.RestartCount); s.OOMKilled {
				return err
			}
			if s.ExitCode != 0 {
				return &NotReady{Why: fmt.Sprintf("did not complete (%s)", container.ExitText(s.ExitCode))}
			}
			return nil
		}
		pause := longestPause // news come first
		if r.News == nil {
			pause = 200 * time.Millisecond
		}
		if _, err := r.hear(ctx, pause); err != nil {
			return err
		}
	}
}
