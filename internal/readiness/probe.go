package readiness

import (
	"context"
	"errors"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// endPause is between two looks at whether a check that was killed is gone.
const endPause = 50 * time.Millisecond

// Prober is what probing needs of the engine.
type Prober interface {
	ContainerInspect(
		ctx context.Context, id string, o client.ContainerInspectOptions,
	) (client.ContainerInspectResult, error)
	engine.Execer
}

// probe runs the check once and judges the container by it. superseded says that an event came first, and the
// container is to be looked at again at once. Where this is the last probe, after the patience with the check is
// over, it does not wait for a place.
func (w *Waiter) probe(
	ctx context.Context, c container.Replica, check *moby.HealthConfig, last bool,
) (ready, superseded bool, err error) {
	if w.stuck {
		return false, false, nil
	}
	within, cancel := context.WithDeadline(ctx, w.began.Add(patience(check)))
	if last {
		within, cancel = context.WithTimeout(ctx, timeoutOf(check))
	}
	defer cancel()
	w.unqueued = last
	said, superseded, err := w.race(within, c, check)
	switch {
	case ctx.Err() != nil:
		return false, false, context.Cause(ctx)
	case superseded || within.Err() != nil:
		if w.last == (result{}) {
			w.last = result{code: noAnswer, output: "the check gives no answer"}
		}
		return false, superseded, nil
	case err != nil:
		w.last = said // the container may have ended meanwhile: the next look tells
		return false, false, nil
	}
	ready, err = w.judge(c, said)
	return ready, false, err
}

// judge says whether a container is ready of which the check said this; an error where it will not be. c is how the
// container was before the check ran.
func (w *Waiter) judge(c container.Replica, said result) (ready bool, err error) {
	if said.code == 0 && (!w.HeedDocker || !c.Unhealthy()) {
		return true, nil
	}
	if said.code == 0 {
		w.last = result{code: noAnswer, output: "its check passes now, and Docker still calls it unhealthy"}
		return false, nil
	}
	w.last = said
	if w.Progress != nil {
		w.Progress(said.String())
	}
	if c.Unhealthy() {
		after := time.Since(w.began).Round(time.Second)
		return false, &NotReady{Why: fmt.Sprintf("unhealthy after %s (%s)", after, said)}
	}
	return false, nil
}

// race runs the check, and gives it up where an event tells that Docker's own check has passed or the container has
// ended: superseded is true then.
func (w *Waiter) race(
	ctx context.Context, c container.Replica, check *moby.HealthConfig,
) (said result, superseded bool, err error) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		said, err = w.runCheck(running, c, check)
	}()
	for {
		select {
		case <-done:
			return said, false, err
		case <-w.Events:
		}
		now, inspectErr := w.inspect(ctx)
		if inspectErr == nil && now.State.Running && !dockerHealthy(now) {
			continue
		}
		cancel()
		<-done
		return said, true, nil
	}
}

// runCheck runs the check once: by the shell that is open in the container, or by an exec where the image has none.
// Its timeout counts from when it has a place. A check that does not answer within its timeout is killed inside the
// container, and the next one waits for its end.
func (w *Waiter) runCheck(
	ctx context.Context, c container.Replica, check *moby.HealthConfig,
) (said result, err error) {
	leave := func() {}
	if w.session == nil {
		if leave, err = w.place(ctx); err != nil {
			return result{code: noAnswer, output: err.Error()}, err
		}
	}
	defer leave()
	began := time.Now()
	defer func() {
		w.took = time.Since(began)
		if w.Probed != nil {
			w.Probed(began, said.code)
		}
	}()
	within, cancel := context.WithTimeout(ctx, timeoutOf(check))
	defer cancel()
	command := commandOf(c, check)
	if w.session == nil {
		if w.session, err = w.Shells.open(within, w.API, w.ID, c.Image, command); err != nil {
			return w.failed(ctx, within, check, nil, err)
		}
	}
	if w.session == nil {
		return w.exec(ctx, within, check, command)
	}
	said, err = w.session.ask(within)
	if err == nil {
		return said, nil
	}
	session := w.session
	w.closeSession()
	return w.failed(ctx, within, check, func(ctx context.Context) {
		w.end(ctx, session.process.ID, func(ctx context.Context) error { return session.kill(ctx, w.API, w.ID) })
	}, err)
}

// exec runs the check by an exec of its own.
func (w *Waiter) exec(
	ctx, within context.Context, check *moby.HealthConfig, command []string,
) (result, error) {
	p, err := engine.StartExec(within, w.API, w.ID, command, false)
	if err != nil {
		return w.failed(ctx, within, check, nil, err)
	}
	done, err := p.Wait(within)
	if err != nil {
		return w.failed(ctx, within, check, func(ctx context.Context) { w.end(ctx, p.ID, nil) }, err)
	}
	return result{code: done.Code, output: bounded.LastLine(done.Stdout + done.Stderr)}, nil
}

// failed makes a result of a check that could not be run to its end. Where its time, within, is over, end ends what
// it has left in the container, and the result says that there was no answer; any other error stays one.
func (w *Waiter) failed(
	ctx, within context.Context, check *moby.HealthConfig, end func(context.Context), err error,
) (result, error) {
	if within.Err() == nil {
		return result{code: noAnswer, output: err.Error()}, err
	}
	if ctx.Err() != nil { // the start ends: leave nothing behind, but do not wait for it
		if end != nil {
			short, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			end(short)
		}
		return result{code: noAnswer, output: err.Error()}, ctx.Err()
	}
	if end != nil {
		end(ctx)
	}
	why := fmt.Sprintf("the check gives no answer within %s", timeoutOf(check))
	return result{code: noAnswer, output: why}, nil
}

// end kills what an exec has left running and waits until it is gone: on this machine's Linux engine by its process
// group, else by inside, which kills it from inside the container and may be nil. Where neither is possible, as
// with a remote engine and a container without a shell, end waits.
func (w *Waiter) end(ctx context.Context, exec string, inside func(context.Context) error) {
	for tried := false; ; tried = true {
		state, err := w.API.ExecInspect(ctx, exec, client.ExecInspectOptions{})
		if err != nil || !state.Running {
			return
		}
		if !tried && !killGroup(state.PID, w.ID) && inside != nil {
			_ = inside(ctx) // the next look tells whether that worked
		}
		if _, err := w.rest(ctx, endPause); err != nil {
			w.stuck = true
			return
		}
	}
}

// NotReady is the error of a container that will not get ready.
type NotReady struct {
	Why string
	// Next is the command that helps; "" for the service's logs.
	Next string
	// Ended says that the container has ended: the evidence of how may tell more than Why.
	Ended bool
}

// Error is the reason.
func (e *NotReady) Error() string { return e.Why }

// IsNotReady says whether the container itself is the cause: then its last lines help.
func IsNotReady(err error) bool {
	var never *NotReady
	return errors.As(err, &never)
}
