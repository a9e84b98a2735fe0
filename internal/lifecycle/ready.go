package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
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

// readiness waits until one container is ready.
type readiness struct {
	api    prober
	id     string
	budget *budget
	shells *shells
	rank   int             // how many wait behind it: who goes first where the budget is short
	news   <-chan struct{} // something has happened to the container; nil where nobody listens
	past   *learned        // what earlier starts have seen, or others of its kind in this one; nil for nothing
	like   *learned        // where this one's time is written for others of its kind; nil for nowhere
	// crowded says whether other containers still wait for the engine to start them; nil for never.
	crowded func() bool
	local   bool                     // the engine is on this machine, so published ports can be reached
	inside  bool                     // and in this network, so the containers' addresses can be
	tell    func(last string)        // what the last probe said
	warn    func(f string, a ...any) // something the user should know

	session *session
	began   time.Time
	last    verdict
	stuck   bool          // a check that hangs could not be ended: the next would overlap it
	failed  time.Duration // when the last probe that failed began, since began
}

// ready waits until the container's own health check passes, run by us at short, growing intervals while it starts (Docker
// itself first looks after a whole interval), or Docker says that it is healthy; without a check, until it runs. Probes of one
// container never overlap.
func ready(ctx context.Context, api prober, id string) error {
	r := &readiness{api: api, id: id, budget: newBudget(1), shells: newShells()}
	return r.wait(ctx)
}

// wait is ready with all that a start knows.
func (r *readiness) wait(ctx context.Context) error {
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
		if err := gone(c, restarts); err != nil {
			return err
		}
		check, pause := checkOf(c), askPause
		late := time.Since(r.began) > patience(check)
		if up := c.State.Running && !c.State.Restarting && !c.State.Paused; up {
			if check == nil {
				return r.accepts(ctx, c)
			}
			if healthy(c) {
				r.past.passed(r.failed, time.Since(r.began))
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
			return &notReady{why: "it is paused", next: "docker unpause " + strings.TrimPrefix(c.Name, "/") + ", then go tool mage start"}
		}
		if late {
			return &notReady{why: fmt.Sprintf("unhealthy after %s (%s)", patience(check).Round(time.Second), r.last)}
		}
		if _, err := r.hear(ctx, pause); err != nil {
			return err
		}
	}
}

func (r *readiness) inspect(ctx context.Context) (container.InspectResponse, error) {
	found, err := r.api.ContainerInspect(ctx, r.id, client.ContainerInspectOptions{})
	if err != nil {
		return container.InspectResponse{}, fmt.Errorf("inspecting the container: %w", err)
	}
	return found.Container, nil
}

// healthy says whether Docker's own check has passed.
func healthy(c container.InspectResponse) bool {
	return c.State.Health != nil && c.State.Health.Status == container.Healthy
}

// pause is how long to rest after a probe that has failed.
func (r *readiness) pause() time.Duration {
	shortest, part := askPause, time.Duration(pausePart)
	switch {
	case r.session != nil:
	case r.past.knows(): // the first probe came when the service was due: it can't be long now
		return r.past.pause(r.failed, time.Since(r.began))
	case r.rank == 0:
		shortest, part = execPause, leafPart
	default:
		shortest = execPause
	}
	return min(max(shortest, time.Since(r.began)/part), longestPause)
}

// look probes the container once, unless Docker's own check is first. It is done where the container is ready. The last look
// of all, when the patience with the check is over, is not kept waiting for the others' probes.
func (r *readiness) look(ctx context.Context, c container.InspectResponse, check *container.HealthConfig, last bool) (done bool, err error) {
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
		r.past.passed(r.failed, began)
		r.like.passed(r.failed, began)
		return true, nil
	}
	r.failed, r.last = max(began, time.Millisecond), v
	if r.tell != nil {
		r.tell(v.String())
	}
	if c.State.Health != nil && c.State.Health.Status == container.Unhealthy {
		return false, &notReady{why: fmt.Sprintf("unhealthy after %s (%s)", time.Since(r.began).Round(time.Second), v)}
	}
	return false, nil
}

// turn waits until it is this container's turn to be probed: the first exec until the service is likely to be ready, each
// until it fits the budget.
func (r *readiness) turn(ctx context.Context, c container.InspectResponse) (news bool, err error) {
	cost := askCost
	if r.session == nil {
		cost = r.budget.execCost()
	}
	if r.failed == 0 && r.session == nil {
		if news, err := r.due(ctx, c); news || err != nil {
			return news, err
		}
	}
	return r.budget.take(ctx, cost, r.rank, r.began, r.news)
}

// due rests until the service is likely to be ready, as far as earlier starts tell, where it can only be probed by execs.
func (r *readiness) due(ctx context.Context, c container.InspectResponse) (news bool, err error) {
	if !r.shells.lacks(c.Image) {
		return false, nil
	}
	at := time.Duration(0)
	if r.past.knows() {
		at = r.past.due()
	} else if r.rank == 0 {
		at = leafFirst
	}
	for {
		wait := at - time.Since(r.began)
		if r.rank == 0 && r.crowded != nil && r.crowded() {
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
func (r *readiness) hear(ctx context.Context, d time.Duration) (news bool, err error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-r.news:
		return true, nil
	case <-timer.C:
		return false, nil
	}
}

// race runs the check, and ends early where news come that Docker's own has passed or the container is gone.
func (r *readiness) race(ctx context.Context, c container.InspectResponse, check *container.HealthConfig) (v verdict, ended bool, err error) {
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
		case <-r.news:
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

// gone says why a container that is not running will not come back by itself.
func gone(c container.InspectResponse, restartsBefore int) error {
	s := c.State
	switch {
	case s.OOMKilled && !s.Running:
		return &notReady{why: fmt.Sprintf("killed: out of memory (limit %d MiB)", c.HostConfig.Memory>>20), next: "raise its memory limit (deploy.resources.limits.memory), then go tool mage start"}
	case c.RestartCount-restartsBefore > crashLoop:
		return &notReady{why: fmt.Sprintf("keeps exiting (%s), restarted %d times", exitOf(s.ExitCode), c.RestartCount-restartsBefore)}
	case s.Status == container.StateExited && s.ExitCode == 0:
		// docker compose up --wait fails here too.
		return &notReady{
			why:  "exited (exit 0), and no other service waits for it to complete",
			next: "where it is meant to end, let what needs it wait with service_completed_successfully",
		}
	case s.Status == container.StateExited || s.Status == container.StateDead:
		return &notReady{why: strings.TrimSpace(fmt.Sprintf("exited (%s) %s", exitOf(s.ExitCode), s.Error))}
	}
	return nil
}

// exitOf gives an exit code and what it says by convention: that of a signal is 128 and its number.
func exitOf(code int) string {
	meaning := map[int]string{126: "can't be executed", 127: "command not found", 137: "killed", 139: "segmentation fault", 143: "terminated"}[code]
	if meaning != "" {
		return fmt.Sprintf("exit %d: %s", code, meaning)
	}
	return fmt.Sprintf("exit %d", code)
}

// completed waits for a one-shot container to exit with 0.
func (r *readiness) completed(ctx context.Context) error {
	r.began = time.Now()
	for {
		c, err := r.inspect(ctx)
		if err != nil {
			return err
		}
		if s := c.State; s.Status == container.StateExited || s.Status == container.StateDead {
			if err := gone(c, c.RestartCount); s.OOMKilled {
				return err
			}
			if s.ExitCode != 0 {
				return &notReady{why: fmt.Sprintf("did not complete (%s)", exitOf(s.ExitCode))}
			}
			return nil
		}
		pause := longestPause // news come first
		if r.news == nil {
			pause = 200 * time.Millisecond
		}
		if _, err := r.hear(ctx, pause); err != nil {
			return err
		}
	}
}
