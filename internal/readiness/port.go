package readiness

import (
	"context"
	"fmt"
	"time"

	"github.com/25eloquence/compose-mage/internal/answer"
	"github.com/25eloquence/compose-mage/internal/container"
)

const (
	// portPatience is how long a service without a check may take to accept connections. After it the service
	// counts as ready, as it does for docker compose from the first moment: a published port that nobody listens on
	// is no proof of a failure.
	portPatience = 30 * time.Second
	// silentPatience is the same for a service of which an earlier start has seen that nothing listens.
	silentPatience = 2 * time.Second
	// dialTimeout bounds one attempt to connect.
	dialTimeout = 300 * time.Millisecond
)

// waitForPort waits until a running container without a check accepts connections on one of the TCP ports that it
// publishes: the others may be there for a debugger, or for later. On a machine from which the container can't be
// reached it is ready as it is, and so it is where the Compose file says that running is enough.
func (w *Waiter) waitForPort(ctx context.Context, c container.Replica) error {
	if !w.Local || w.ReadyOnceStarted {
		return nil
	}
	for first := true; ; first = false {
		if c.State.Running && !c.State.Restarting {
			// A restart may have given the container another address.
			says, port := w.askPorts(ctx, answer.PublishedPorts(c))
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if w.portDecides(c, says, port, first) {
				return nil
			}
		}
		if _, err := w.rest(ctx, pause(0, time.Since(w.began))); err != nil {
			return err
		}
		var err error
		if c, err = w.inspect(ctx); err != nil {
			return err
		}
		if ended, err := w.hasEnded(c); ended || err != nil {
			return err
		}
	}
}

// portDecides says whether the container counts as ready after its ports have answered so; port is one that
// refuses. first says that they were asked for the first time: a container that has run for longer than the
// patience by then is not waited for.
func (w *Waiter) portDecides(c container.Replica, says answer.Said, port uint16, first bool) bool {
	patience := portPatience
	if w.Silent.has(w.Service) {
		patience = silentPatience
	}
	switch {
	case says == answer.Accepted:
		w.answered = true
		w.Silent.set(w.Service, false)
		return true
	case says == answer.Unknown, first && time.Since(startOf(c)) > patience:
		return true
	case time.Since(w.began) > patience:
		w.Silent.set(w.Service, true)
		if w.Warn != nil {
			w.Warn("%s: after %s nothing listens on its port %d; it has no health check and counts as ready because "+
				"it runs (x-compose-mage: {ready: started} on the service: no port is waited for)",
				c.Name(), patience, port)
		}
		return true
	}
	if w.Progress != nil {
		w.Progress(fmt.Sprintf("port %d accepts no connection yet", port))
	}
	return false
}

// askPorts asks the ports: accepted where one accepts, unknown where nothing can be told of any, else refused, with
// the first port that refuses.
func (w *Waiter) askPorts(ctx context.Context, ports []answer.Port) (said answer.Said, port uint16) {
	ask := w.ask
	if ask == nil {
		reach := answer.Reach{Local: w.Local, SharesNetwork: w.SharesNetwork}
		ask = func(p answer.Port) answer.Said { return p.Ask(ctx, reach, dialTimeout) }
	}
	for _, p := range ports {
		switch ask(p) { //nolint:exhaustive // of an unknown one nothing follows
		case answer.Accepted:
			return answer.Accepted, p.Number
		case answer.Refused:
			if said != answer.Refused {
				said, port = answer.Refused, p.Number
			}
		}
	}
	return said, port
}

// startOf is when the container was last started, by the engine's clock, which is this machine's where its ports
// are asked; now where the engine does not say.
func startOf(c container.Replica) time.Time {
	if at := c.Started(); !at.IsZero() {
		return at
	}
	return time.Now()
}
