package container

import (
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) string { return now.Add(-d).Format(time.RFC3339Nano) }

// with is a container that was started an hour ago, as change says.
func with(status moby.ContainerState, change func(*Replica)) Replica {
	c := Replica{InspectResponse: moby.InspectResponse{
		Name: "/p-s-1", HostConfig: &moby.HostConfig{}, Config: &moby.Config{Labels: map[string]string{}},
		State: &moby.State{
			Status: status, Running: status == moby.StateRunning || status == moby.StateRestarting ||
				status == moby.StatePaused, StartedAt: ago(time.Hour),
		},
	}}
	c.State.Restarting, c.State.Paused = status == moby.StateRestarting, status == moby.StatePaused
	if status == moby.StateExited || status == moby.StateRestarting {
		c.State.FinishedAt = ago(time.Minute)
	}
	if change != nil {
		change(&c)
	}
	return c
}

func exited(code int, policy moby.RestartPolicyMode) Replica {
	return with(moby.StateExited, func(c *Replica) { c.State.ExitCode, c.HostConfig.RestartPolicy.Name = code, policy })
}

func restarted(n int, up time.Duration) Replica {
	return with(moby.StateRunning, func(c *Replica) {
		c.RestartCount, c.State.StartedAt, c.HostConfig.RestartPolicy.Name = n, ago(up), moby.RestartPolicyAlways
	})
}

func health(status moby.HealthStatus, log ...*moby.HealthcheckResult) Replica {
	return with(moby.StateRunning, func(c *Replica) { c.State.Health = &moby.Health{Status: status, Log: log} })
}

// TestJudge is the table of states: what a service is, whether that is fine, what is said and what is to be done next.
func TestJudge(t *testing.T) {
	scale := func(n int) types.ServiceConfig { return types.ServiceConfig{Name: "s", Scale: &n} }
	one, given := scale(1), types.ServiceConfig{Name: "s", Provider: &types.ServiceProviderConfig{Type: "aws"}}
	relay := func(s moby.ContainerState) Replica {
		return with(s, func(c *Replica) { c.Config.Labels[api.RelayLabel] = "x" })
	}
	running := with(moby.StateRunning, nil)
	start, logs, limit := "go tool mage start", "go tool mage logs s", "raise the memory limit of s "+
		"(deploy.resources.limits.memory), then go tool mage start"
	for name, c := range map[string]struct {
		s         types.ServiceConfig
		have      []Replica
		want      Condition
		fine      bool
		why, next string
	}{
		"running":            {one, []Replica{running}, Running, true, "", ""},
		"check not heard of": {one, []Replica{health(moby.Starting)}, Starting, true, "", ""},
		"healthy":            {one, []Replica{health(moby.Healthy)}, Healthy, true, "", ""},
		"unhealthy": {
			one,
			[]Replica{health(moby.Unhealthy, &moby.HealthcheckResult{Output: "no db\nat all"})},
			Unhealthy, false,
			"is unhealthy: no db", logs,
		},
		"done":             {one, []Replica{exited(0, "no")}, Done, true, "", ""},
		"done, on-failure": {one, []Replica{exited(0, "on-failure")}, Done, true, "", ""},
		"done, a child killed": {
			one,
			[]Replica{
				with(moby.StateExited, func(c *Replica) { c.State.OOMKilled, c.HostConfig.Memory = true, 30<<20 }),
			},
			Done, true,
			"completed (exit 0), and a process in it was killed: out of memory (limit 30 MiB, or the machine's memory)",
			"",
		},
		"exit 3": {one, []Replica{exited(3, "no")}, Broken, false, "exited (exit 3)", logs},
		"exit 3, retries used up": {
			one, []Replica{exited(3, "on-failure")}, Broken, false, "exited (exit 3)", logs,
		},
		"killed at its limit": {
			one,
			[]Replica{
				with(moby.StateExited,
					func(c *Replica) { c.State.OOMKilled, c.State.ExitCode, c.HostConfig.Memory = true, 137, 64<<20 }),
			},
			Broken, false, "killed: out of memory (limit 64 MiB, or the machine's memory)", limit,
		},
		"a child killed, and failed": {
			one,
			[]Replica{
				with(moby.StateExited,
					func(c *Replica) { c.State.OOMKilled, c.State.ExitCode, c.HostConfig.Memory = true, 1, 64<<20 }),
			},
			Broken, false,
			"exited (exit 1), and a process in it was killed: out of memory (limit 64 MiB, or the machine's memory)",
			limit,
		},
		"terminated": {
			one, []Replica{exited(143, "no")}, Broken, false, "exited (exit 143: terminated)", start,
		},
		"killed": {
			one, []Replica{exited(137, "no")}, Broken, false, "exited (exit 137: killed)", start,
		},
		"stopped, always": {
			one, []Replica{exited(0, "always")}, Halted, false, "was stopped (exit 0)", start,
		},
		"stopped, unless-stopped": {
			one, []Replica{exited(143, "unless-stopped")}, Halted, false, "was stopped (exit 143: terminated)", start,
		},
		"stopped by us, exit 0": {
			one,
			[]Replica{with(moby.StateExited, func(c *Replica) { c.Stopped = true })},
			Halted, false,
			"was stopped (exit 0)", start,
		},
		"restarting": {
			one,
			[]Replica{with(moby.StateRestarting, func(c *Replica) { c.State.ExitCode, c.RestartCount = 3, 7 })},
			Looping, false, "keeps exiting (exit 3), restarted 7 times", logs,
		},
		"restarting after exit 0": {
			one,
			[]Replica{with(moby.StateRestarting, func(c *Replica) { c.RestartCount = 1 })},
			Looping, false,
			"keeps exiting (exit 0), restarted once", logs,
		},
		"restarting, killed at its limit": {
			one,
			[]Replica{
				with(moby.StateRestarting,
					func(c *Replica) { c.State.ExitCode, c.State.OOMKilled, c.RestartCount = 137, true, 2 }),
			},
			Looping, false, "keeps ending: exited (exit 137: killed), and a process in it was killed: " +
				"out of memory (no limit of its own), restarted 2 times", logs,
		},
		"restarted a moment ago": {
			one,
			[]Replica{restarted(1, 2*time.Second)},
			Looping, false, "keeps exiting, restarted once, last 2s ago",
			logs,
		},
		"restarted once, up for 10 s": {one, []Replica{restarted(1, 10*time.Second)}, Running, true, "", ""},
		"in a loop of long runs": {
			one,
			[]Replica{restarted(9, 45*time.Second)},
			Looping, false,
			"keeps exiting, restarted 9 times, last 45s ago", logs,
		},
		"restarted often, up for a minute": {one, []Replica{restarted(9, time.Minute)}, Running, true, "", ""},
		"restarted, and passed its check": {one, []Replica{with(moby.StateRunning, func(c *Replica) {
			c.RestartCount, c.State.StartedAt, c.State.Health = 1, ago(time.Second), &moby.Health{Status: moby.Healthy}
		})}, Looping, false, "keeps exiting, restarted once, last 1s ago", logs},
		"paused": {
			one, []Replica{with(moby.StatePaused, nil)}, Paused, false, "is paused", "docker unpause p-s-1",
		},
		"made, never started": {
			one, []Replica{with(moby.StateCreated, nil)}, Created, false, "was made and never started", start,
		},
		"could not be started": {
			one,
			[]Replica{
				with(moby.StateCreated, func(c *Replica) { c.State.ExitCode, c.State.Error = 127, "no such file" }),
			},
			Broken, false, "could not be started (exit 127: command not found): no such file", logs,
		},
		"being removed": {
			one, []Replica{with(moby.StateRemoving, nil)}, Removing, false, "is being removed", start,
		},
		"dead": {
			one,
			[]Replica{with(moby.StateDead, func(c *Replica) { c.State.Error = "busy" })},
			Dead, false,
			"is dead: the engine could not remove it busy", "docker rm -f p-s-1, then go tool mage start",
		},
		"no container": {one, nil, Missing, false, "has no container", start},
		"fewer than wanted": {
			scale(3), []Replica{running, running}, Missing, false, "has 2 of 3 containers", start,
		},
		"more than wanted": {
			one, []Replica{running, running}, Surplus, false, "has 2 containers, and should have 1", start,
		},
		"one replica of two failed": {
			scale(2), []Replica{running, exited(3, "no")}, Broken, false, "exited (exit 3)", logs,
		},
		"one replica of two is done": {scale(2), []Replica{running, exited(0, "no")}, Running, true, "", ""},
		"scaled to 0":                {scale(0), nil, Scaled0, true, "", ""},
		"scaled to 0, one left": {
			scale(0), []Replica{running}, Surplus, false, "has 1 containers, and should have 0", start,
		},
		"provider":              {given, nil, Provider, true, "", ""},
		"provider with a relay": {given, []Replica{relay(moby.StateRunning)}, Provider, true, "", ""},
		"provider whose relay ended": {
			given, []Replica{relay(moby.StatePaused)}, Paused, false, "is paused", "docker unpause p-s-1",
		},
		"provider with an own container": {
			given,
			[]Replica{running},
			Surplus, false, "is given by provider aws, and still has a container of its own",
			start,
		},
		"unhealthy is worse than a restart": {
			scale(2),
			[]Replica{health(moby.Unhealthy), with(moby.StatePaused, nil)},
			Unhealthy, false, "is unhealthy",
			logs,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(c.s, c.have, now)
			if got.Condition != c.want || got.Fine != c.fine || got.Why != c.why || got.Next != c.next ||
				len(got.Each) != len(c.have) {
				t.Errorf("got  %s %v %q %q\nwant %s %v %q %q", got.Condition, got.Fine, got.Why, got.Next, c.want,
					c.fine, c.why, c.next)
			}
			if !got.Fine && got.Next == "" || got.Fine && got.Next != "" {
				t.Errorf("fine %v, and next %q", got.Fine, got.Next)
			}
		})
	}
}

// TestEveryConditionHasItsPlace guards the order of conditions: one that is forgotten there would hide behind all
// others.
func TestEveryConditionHasItsPlace(t *testing.T) {
	ofService := []Condition{Scaled0, Provider, Missing, Surplus} // never a container's
	for _, c := range []Condition{
		Running, Healthy, Starting, Done, Unhealthy, Broken, Looping, Halted, Paused, Created, Removing, Dead,
	} {
		if (Opinion{Condition: c}).severity() < 0 {
			t.Errorf("%s has no place", c)
		}
	}
	for _, c := range ofService {
		if (Opinion{Condition: c}).severity() >= 0 {
			t.Errorf("%s has a place", c)
		}
	}
}

func TestAwaited(t *testing.T) {
	project := &types.Project{Services: types.Services{}}
	for name, waits := range map[string][2]string{
		"job": {}, "db": {}, "web": {"job", types.ServiceConditionCompletedSuccessfully},
		"api": {"db", types.ServiceConditionStarted},
		"x":   {"gone", types.ServiceConditionCompletedSuccessfully},
	} {
		s := types.ServiceConfig{Name: name}
		s.DependsOn = types.DependsOnConfig{waits[0]: {Condition: waits[1]}}
		project.Services[name] = s
	}
	if got := Awaited(project); len(got) != 1 || !got["job"] {
		t.Errorf("got %v", got)
	}
}

func TestJudgeAllNamesEveryService(t *testing.T) {
	project := &types.Project{Services: types.Services{"b": {Name: "b"}, "a": {Name: "a"}}}
	got := JudgeAll(project, map[string][]Replica{"b": {with(moby.StateRunning, nil)}, "gone": {exited(1, "no")}}, now)
	if len(got) != 2 || got[0].Service != "a" || got[0].Condition != Missing || got[1].Service != "b" || !got[1].Fine {
		t.Errorf("got %+v", got)
	}
}
