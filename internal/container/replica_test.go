package container

import (
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
)

func TestReplica(t *testing.T) {
	check := func(test ...string) Replica {
		return with(moby.StateRunning, func(c *Replica) { c.Config.Healthcheck = &moby.HealthConfig{Test: test} })
	}
	for name, c := range map[string]struct {
		c       Replica
		checked bool
	}{
		"a command": {check("CMD", "true"), true}, "none": {check("NONE"), false},
		"none, with a rest": {check("NONE", "x"), false},
		"empty":             {check(), false}, "a kind alone": {check("CMD"), false},
		"no check":      {with(moby.StateRunning, nil), false},
		"nothing known": {Replica{}, false},
	} {
		if got := c.c.Checked(); got != c.checked {
			t.Errorf("%s: checked %v", name, got)
		}
	}
	for policy, want := range map[moby.RestartPolicyMode]bool{
		"always": true, "unless-stopped": true, "on-failure": false, "no": false, "": false,
	} {
		if got := exited(0, policy).Restarts(); got != want {
			t.Errorf("%q restarts: %v", policy, got)
		}
	}
	if (Replica{}).Restarts() {
		t.Error("a container of which nothing is known restarts")
	}
	for n, want := range map[int]time.Duration{
		0: 0, 1: onceMore, LoopRestarts - 1: onceMore, LoopRestarts: manyTimes, 99: manyTimes,
	} {
		if got := restarted(n, time.Hour).Settling(); got != want {
			t.Errorf("after %d restarts it settles in %s, want %s", n, got, want)
		}
	}
	if c := with(moby.StatePaused, nil); c.Runs() || !with(moby.StateRunning, nil).Runs() {
		t.Error("a paused container serves, or one that runs does not")
	}
	for text, want := range map[string]string{
		"": "", "\n\n one\ntwo": "one", "no db": "no db",
	} {
		if got := firstLine(text); got != want {
			t.Errorf("the first line of %q is %q", text, got)
		}
	}
	for text, zero := range map[string]bool{
		"": true, "0001-01-01T00:00:00Z": true, "soon": true, ago(time.Hour): false,
	} {
		if got := parseTime(text); got.IsZero() != zero {
			t.Errorf("%q is %s", text, got)
		}
	}
	if up := with(moby.StateRunning,
		func(c *Replica) { c.State.StartedAt = now.Add(time.Hour).Format(time.RFC3339Nano) }).Up(now); up != 0 {
		t.Errorf("a container that starts in the future, by another clock, is up for %s", up)
	}
}
