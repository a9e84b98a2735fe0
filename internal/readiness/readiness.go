// Package readiness waits until a container is ready: its own health check run early, a published port that accepts
// connections, or its end. It starts and stops no container.
package readiness

import (
	"context"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/answer"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/semaphore"
)

// Waiter waits until one container is ready. API, ID and Shells have to be there.
type Waiter struct {
	API     Prober
	ID      string
	Service string // the container's, for the next command; "" for none
	// Places bounds how much the engine is asked to do at a time: each exec takes one; nil for no bound. Rank, the
	// longest chain of services that wait for the container, says whose exec goes first.
	Places *semaphore.Ranked
	Rank   int
	Shells *Shells         // which images have no shell
	Events <-chan struct{} // tells that something has happened to the container; nil where nobody listens
	Silent *SilentPorts    // which services' ports were waited for in vain; nil for none
	// ReadyOnceStarted says that a container without a check is ready once it runs, whoever listens on its ports.
	ReadyOnceStarted bool
	// HeedDocker says that the container is not ready while Docker's own check calls it unhealthy, even where ours
	// passes.
	HeedDocker bool
	// Local says that the engine is on this machine, so that published ports can be reached; SharesNetwork that it
	// is in this process's network as well, so that the containers' addresses can be.
	Local, SharesNetwork bool
	Progress             func(text string)        // takes what the last probe said; nil for nobody
	Warn                 func(f string, a ...any) // takes what the user should know; nil for nobody
	// Probed takes when a run of the check began and its exit code, -1 for none, once it has ended; nil for nobody.
	Probed func(began time.Time, code int)

	ask      func(answer.Port) answer.Said // nil for one that connects
	session  *session
	began    time.Time
	took     time.Duration // of the last probe
	last     result        // of the last probe
	unqueued bool          // the next exec waits for no place
	stuck    bool          // a check that hangs could not be killed: the next one would overlap it

	ended     *container.End // how the container completed; nil where it runs
	answered  bool           // it has accepted a connection
	restarts  int            // by its policy, when the container was first looked at, and one more; 0 before
	startedAt string         // when the engine says that the container was started last
	startSeen time.Time      // when we saw that start first, by our clock
}

// Wait waits until the container's own health check passes, run by us at short, growing pauses (Docker itself first
// runs it after a whole interval), or Docker calls the container healthy; without a check, until the container has
// run for a moment. A container that ends is not ready. Checks of one container never overlap.
func Wait(ctx context.Context, api Prober, id string) error {
	ended, err := wait(ctx, api, id)
	if err == nil && ended != nil {
		return &NotReady{Why: ended.String()}
	}
	return err
}

// WaitOrEnd is Wait for a container that may be a job: one that completes is ready.
func WaitOrEnd(ctx context.Context, api Prober, id string) error {
	_, err := wait(ctx, api, id)
	return err
}

func wait(ctx context.Context, api Prober, id string) (*container.End, error) {
	w := &Waiter{API: api, ID: id, Shells: NewShells()}
	if err := w.WaitReady(ctx); err != nil {
		return nil, err
	}
	err := w.WaitStable(ctx)
	return w.ended, err
}

// WaitReady waits until the container is ready, but not until it has stayed so: that is WaitStable's. A job that
// completes is ready.
func (w *Waiter) WaitReady(ctx context.Context) error {
	w.began = time.Now()
	defer w.closeSession()
	for {
		c, err := w.inspect(ctx)
		if err != nil {
			return err
		}
		if ended, err := w.hasEnded(c); ended || err != nil {
			return err
		}
		check := checkOf(c)
		late := time.Since(w.began) > patience(check)
		switch {
		case !c.Runs():
			w.closeSession()
		case check == nil:
			return w.waitForPort(ctx, c)
		case dockerHealthy(c):
			return nil
		default:
			ready, superseded, err := w.probe(ctx, c, check, late)
			if ready || err != nil {
				return err
			}
			if superseded {
				continue
			}
		}
		if late {
			return w.tooLate(c, check)
		}
		if _, err := w.rest(ctx, pause(w.took, time.Since(w.began))); err != nil {
			return err
		}
	}
}

// tooLate is the error of a container with which the patience is over.
func (w *Waiter) tooLate(c container.Replica, check *moby.HealthConfig) error {
	if c.State.Paused {
		next := "docker unpause " + fault.Quote(c.Name()) + ", then go tool mage start"
		return &NotReady{Why: "it is paused", Next: next}
	}
	return &NotReady{Why: fmt.Sprintf("unhealthy after %s (%s)", patience(check).Round(time.Second), w.last)}
}

func (w *Waiter) inspect(ctx context.Context) (container.Replica, error) {
	found, err := w.API.ContainerInspect(ctx, w.ID, client.ContainerInspectOptions{})
	if err != nil {
		return container.Replica{}, fmt.Errorf("inspecting the container: %w", err)
	}
	return container.Replica{InspectResponse: found.Container}, nil
}

// rest waits for so long, or until an event tells that something has happened to the container.
func (w *Waiter) rest(ctx context.Context, d time.Duration) (event bool, err error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-w.Events:
		return true, nil
	case <-timer.C:
		return false, nil
	}
}
