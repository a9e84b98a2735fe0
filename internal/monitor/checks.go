package monitor

import (
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
)

// checks is what the engine's events tell of a container's health checks. Docker runs a check as an exec, and says
// when each exec starts and ends.
type checks struct {
	running map[string]int64 // when the checks that run started, in Unix nanoseconds, by exec ID
	last    time.Time        // when the container's checks were last heard of or looked at, by this machine's clock
}

// mostExecs is how many execs are kept in mind whose end was not heard of.
const mostExecs = 16

// execID is the attribute of exec events.
const execID = "execID"

// hearCheck takes down when a health check started, and how long it took. It says whether the container is to be
// looked at: a check that failed has words, which events do not carry.
func (r *row) hearCheck(m events.Message) (look bool) {
	id := m.Actor.Attributes[execID]
	if command, ok := strings.CutPrefix(string(m.Action), string(events.ActionExecStart)+": "); ok {
		if r.seen != nil && r.seen.Config != nil && command == checkCommand(r.seen.Config) {
			if r.checks.running == nil || len(r.checks.running) >= mostExecs {
				r.checks.running = map[string]int64{}
			}
			r.checks.running[id] = m.TimeNano
		}
		return false
	}
	began, ok := r.checks.running[id]
	if !ok {
		return false // somebody's exec
	}
	delete(r.checks.running, id)
	r.checks.last, r.Checked = time.Now(), time.Unix(0, m.TimeNano).UTC()
	r.ResponseMS = float64(m.TimeNano-began) / 1e6
	return m.Actor.Attributes["exitCode"] != "0" || r.HealthOutput != ""
}

// checkCommand is how exec events spell the health check's command; "" where there is none.
func checkCommand(c *moby.Config) string {
	if c.Healthcheck == nil || len(c.Healthcheck.Test) < 2 {
		return ""
	}
	words := c.Healthcheck.Test[1:]
	if c.Healthcheck.Test[0] == "CMD-SHELL" {
		shell := c.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		words = append(append([]string{}, shell...), words...)
	}
	return strings.Join(words, " ")
}

// checkOverdue says whether no check was heard of for so long that the container should be looked at: an engine need
// not tell of them.
func (r *row) checkOverdue() bool {
	if r.Health == "" || r.seen == nil || r.seen.Config == nil || r.seen.Config.Healthcheck == nil {
		return false
	}
	h := r.seen.Config.Healthcheck
	interval, timeout := h.Interval, h.Timeout
	if interval <= 0 {
		interval = 30 * time.Second // the engine's own, both
	}
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	if time.Since(r.checks.last) < 2*interval+timeout {
		return false
	}
	r.checks.last = time.Now()
	return true
}
