package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
)

// The pace of probing a service that starts: an exec costs the engine some 40 ms of CPU, so the interval grows.
const (
	firstProbe  = 100 * time.Millisecond
	slowestStep = 2 * time.Second
	growth      = 1.25
)

// Docker's defaults for what a health check leaves out.
const (
	defaultTimeout  = 30 * time.Second
	defaultInterval = 30 * time.Second
	defaultRetries  = 3
)

// crashLoop is how many times a container may be restarted by its policy while we wait, before that is a failure.
const crashLoop = 2

// prober is what probing needs of the engine.
type prober interface {
	ContainerInspect(ctx context.Context, id string, o client.ContainerInspectOptions) (client.ContainerInspectResult, error)
	engine.Execer
}

// verdict is one probe's: the exit code and the last line the check printed.
type verdict struct {
	code   int
	output string
}

func (v verdict) String() string {
	if v.output == "" {
		return fmt.Sprintf("exit %d", v.code)
	}
	return fmt.Sprintf("exit %d: %s", v.code, v.output)
}

// notReady is the error of a container that will not get ready.
type notReady struct{ why string }

func (e *notReady) Error() string { return e.why }

// ready waits until the container's own health check passes, run by us at short, growing intervals while it starts
// (Docker itself first looks after a whole interval); without a check, until it runs. Probes of one container never
// overlap.
func ready(ctx context.Context, api prober, id string) error {
	began, pause := time.Now(), firstProbe
	var last verdict
	restarts := -1
	for {
		found, err := api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err != nil {
			return fmt.Errorf("inspecting the container: %w", err)
		}
		c := found.Container
		if restarts < 0 {
			restarts = c.RestartCount
		}
		if err := gone(c, restarts); err != nil {
			return err
		}
		check := checkOf(c)
		switch {
		case c.State.Running && !c.State.Restarting && check == nil:
			return nil
		case c.State.Running && !c.State.Restarting:
			if last, err = probe(ctx, api, id, check); err == nil && last.code == 0 {
				return nil
			} else if err != nil && ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if limit := patience(check); time.Since(began) > limit {
			return &notReady{fmt.Sprintf("unhealthy after %s (%s)", limit.Round(time.Second), last)}
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(time.Duration(float64(pause)*growth), slowestStep)
	}
}

// gone says why a container that is not running will not come back by itself.
func gone(c container.InspectResponse, restartsBefore int) error {
	s := c.State
	switch {
	case s.OOMKilled && !s.Running:
		return &notReady{fmt.Sprintf("killed: out of memory (limit %d MiB)", c.HostConfig.Memory>>20)}
	case c.RestartCount-restartsBefore > crashLoop:
		return &notReady{fmt.Sprintf("keeps exiting (exit %d), restarted %d times", s.ExitCode, c.RestartCount-restartsBefore)}
	case s.Status == container.StateExited || s.Status == container.StateDead:
		return &notReady{strings.TrimSpace(fmt.Sprintf("exited (exit %d) %s", s.ExitCode, s.Error))}
	}
	return nil
}

// checkOf gives the container's health check, from the service or the image; nil where there is none or it is NONE.
func checkOf(c container.InspectResponse) *container.HealthConfig {
	if c.Config == nil || c.Config.Healthcheck == nil || len(c.Config.Healthcheck.Test) == 0 || c.Config.Healthcheck.Test[0] == "NONE" {
		return nil
	}
	return c.Config.Healthcheck
}

// patience is how long a check may fail: the start period, then retries at its own interval.
func patience(check *container.HealthConfig) time.Duration {
	if check == nil {
		return defaultInterval
	}
	interval, timeout, retries := check.Interval, check.Timeout, check.Retries
	if interval == 0 {
		interval = defaultInterval
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	if retries == 0 {
		retries = defaultRetries
	}
	return check.StartPeriod + time.Duration(retries)*interval + timeout
}

// probe runs the check once inside the container. CMD-SHELL uses the image's shell as Docker does.
func probe(ctx context.Context, api prober, id string, check *container.HealthConfig) (verdict, error) {
	command := check.Test[1:]
	if check.Test[0] == "CMD-SHELL" {
		command = append([]string{"/bin/sh", "-c"}, check.Test[1:]...)
	}
	timeout := check.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done, err := engine.Exec(within, api, id, command)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return verdict{code: -1, output: fmt.Sprintf("no answer within %s", timeout)}, nil
	}
	if err != nil {
		return verdict{code: -1, output: err.Error()}, err
	}
	lines := strings.Split(strings.TrimSpace(done.Stdout+done.Stderr), "\n")
	return verdict{code: done.Code, output: lines[len(lines)-1]}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
