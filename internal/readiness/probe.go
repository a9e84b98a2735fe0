package readiness

import (
	"context"
	"errors"
	"fmt"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/engine"
)

// Docker's defaults for what a health check leaves out.
const (
	defaultTimeout  = 30 * time.Second
	defaultInterval = 30 * time.Second
	defaultRetries  = 3
)

// Prober is what probing needs of the engine.
type Prober interface {
	ContainerInspect(ctx context.Context, id string, o client.ContainerInspectOptions) (client.ContainerInspectResult, error)
	engine.Execer
}

// verdict is one probe's: the exit code and the last line the check printed.
type verdict struct {
	code   int
	output string
}

// hung is the code of a probe that did not answer in time.
const hung = -1

func (v verdict) String() string {
	switch {
	case v.code == hung:
		return v.output
	case v.output == "":
		return fmt.Sprintf("exit %d", v.code)
	}
	return fmt.Sprintf("exit %d: %s", v.code, v.output)
}

// checkOf gives the container's health check, from the service or the image; nil where there is none or it is NONE.
func checkOf(c moby.InspectResponse) *moby.HealthConfig {
	if c.Config == nil || c.Config.Healthcheck == nil || len(c.Config.Healthcheck.Test) < 2 || c.Config.Healthcheck.Test[0] == "NONE" {
		return nil
	}
	return c.Config.Healthcheck
}

// commandOf is what the check runs. CMD-SHELL uses the image's shell as Docker does.
func commandOf(c moby.InspectResponse, check *moby.HealthConfig) []string {
	if check.Test[0] != "CMD-SHELL" {
		return check.Test[1:]
	}
	shell := c.Config.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	return append(append([]string{}, shell...), check.Test[1:]...)
}

// patience is how long a check may fail: the start period, then retries at its own interval.
func patience(check *moby.HealthConfig) time.Duration {
	if check == nil {
		return defaultInterval
	}
	return check.StartPeriod + time.Duration(retriesOf(check))*intervalOf(check) + timeoutOf(check)
}

func intervalOf(check *moby.HealthConfig) time.Duration {
	if check.Interval == 0 {
		return defaultInterval
	}
	return check.Interval
}

func retriesOf(check *moby.HealthConfig) int {
	if check.Retries == 0 {
		return defaultRetries
	}
	return check.Retries
}

func timeoutOf(check *moby.HealthConfig) time.Duration {
	if check.Timeout == 0 {
		return defaultTimeout
	}
	return check.Timeout
}

// probe runs the check once, through the session where the container has a shell, and through an exec of its own elsewhere. A
// check that does not answer within its timeout is ended inside the container, and the next one waits for its end.
func (r *Waiter) probe(ctx context.Context, c moby.InspectResponse, check *moby.HealthConfig) (verdict, error) {
	within, cancel := context.WithTimeout(ctx, timeoutOf(check))
	defer cancel()
	command := commandOf(c, check)
	if r.session == nil && !r.Shells.Lacks(c.Image) {
		var err error
		if r.session, err = r.Shells.open(within, r.API, r.ID, c.Image, command); err != nil {
			return r.late(ctx, within, check, nil, err)
		}
	}
	if r.session == nil {
		return r.exec(ctx, within, check, command)
	}
	v, err := r.session.ask(within)
	if err == nil {
		return v, nil
	}
	session := r.session
	r.session = nil
	session.close()
	return r.late(ctx, within, check, func(ctx context.Context) {
		r.end(ctx, session.process.ID, func(ctx context.Context) error { return session.kill(ctx, r.API, r.ID) })
	}, err)
}

// exec runs the check in an exec of its own.
func (r *Waiter) exec(ctx, within context.Context, check *moby.HealthConfig, command []string) (verdict, error) {
	began := time.Now()
	p, err := engine.StartExec(within, r.API, r.ID, command, false)
	if err != nil {
		return r.late(ctx, within, check, nil, err)
	}
	done, err := p.Wait(within)
	if err != nil {
		return r.late(ctx, within, check, func(ctx context.Context) { r.end(ctx, p.ID, nil) }, err)
	}
	r.Budget.timed(time.Since(began))
	return verdict{code: done.Code, output: bounded.LastLine(done.Stdout + done.Stderr)}, nil
}

// late makes a verdict of a probe that did not answer in time, after ending what it has left; any other error stays one.
func (r *Waiter) late(ctx, within context.Context, check *moby.HealthConfig, end func(context.Context), err error) (verdict, error) {
	if within.Err() == nil {
		return verdict{code: hung, output: err.Error()}, err
	}
	if ctx.Err() != nil { // this start ends: leave nothing behind, but do not wait for it
		if end != nil {
			short, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			end(short)
		}
		return verdict{code: hung, output: err.Error()}, ctx.Err()
	}
	if end != nil {
		end(ctx)
	}
	return verdict{code: hung, output: fmt.Sprintf("the check gives no answer within %s", timeoutOf(check))}, nil
}

// end kills what an exec has left running and waits until it is gone: on this machine's Linux engine by its process group, else
// with inside, where that is given. Where neither is possible, as with a remote engine and a container without a shell, it waits.
func (r *Waiter) end(ctx context.Context, exec string, inside func(context.Context) error) {
	for tried := false; ; tried = true {
		state, err := r.API.ExecInspect(ctx, exec, client.ExecInspectOptions{})
		if err != nil || !state.Running {
			return
		}
		if !tried && !killGroup(state.PID, r.ID) && inside != nil {
			_ = inside(ctx) // seen by the next look
		}
		if _, err := r.hear(ctx, 50*time.Millisecond); err != nil {
			r.stuck = true
			return
		}
	}
}

// NotReady is the error of a container that will not get ready.
type NotReady struct {
	Why string
	// Next is the command that helps; "" for the service's logs.
	Next string
}

// Error is the reason.
func (e *NotReady) Error() string { return e.Why }

// IsNotReady says whether the container itself is the cause: then its last lines help.
func IsNotReady(err error) bool {
	var never *NotReady
	return errors.As(err, &never)
}
