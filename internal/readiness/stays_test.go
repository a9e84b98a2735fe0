package readiness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
)

// program is a container whose program runs for a while, again and again as its policy says; the engine's pauses
// double from 100 ms.
type program struct {
	fakeContainer
	start  time.Time
	runs   time.Duration // of the program; 0 for ever
	code   int
	policy moby.RestartPolicyMode
	good   int // runs after which it goes on for ever; 0 for never
	skew   time.Duration
}

func (p *program) ContainerInspect(
	context.Context, string, client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	begin, backoff, count := p.start, 100*time.Millisecond, 0
	state := moby.State{Status: moby.StateRunning, Running: true}
	for p.runs > 0 && (p.good == 0 || count < p.good) {
		end := begin.Add(p.runs)
		if time.Now().Before(end) {
			break
		}
		state.FinishedAt = end.Add(p.skew).Format(time.RFC3339Nano)
		again := p.policy == moby.RestartPolicyAlways || p.policy == moby.RestartPolicyOnFailure && p.code != 0
		if !again {
			state.Status, state.Running, state.ExitCode = moby.StateExited, false, p.code
			break
		}
		count++
		if time.Now().Before(end.Add(backoff)) {
			state.Status, state.Restarting, state.ExitCode = moby.StateRestarting, true, p.code
			break
		}
		begin, backoff = end.Add(backoff), min(2*backoff, time.Minute)
	}
	state.StartedAt = begin.Add(p.skew).Format(time.RFC3339Nano)
	return client.ContainerInspectResult{Container: moby.InspectResponse{
		Name: "/p-s-1", State: &state, RestartCount: count, Config: &moby.Config{},
		HostConfig: &moby.HostConfig{RestartPolicy: moby.RestartPolicy{Name: p.policy}},
	}}, nil
}

// TestOneVerdict asks at many moments after a container's start whether it is ready: the verdict is the same at
// each, and no later than it has to be.
func TestOneVerdict(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]verdictCase{
		"goes on":                        {p: program{policy: "always"}, within: time.Second},
		"goes on, engine's clock behind": {p: program{policy: "always", skew: -time.Hour}, within: time.Second},
		"goes on, engine's clock ahead":  {p: program{policy: "always", skew: time.Hour}, within: 1500 * ms},
		"exit 0":                         {p: program{runs: 10 * ms}, ended: true, within: time.Second},
		"exit 0 after 0.9 s":             {p: program{runs: 900 * ms}, ended: true, within: time.Second},
		"exit 1 after 0.2 s": {
			p: program{runs: 200 * ms, code: 1}, want: "exited (exit 1)", within: time.Second,
		},
		"on-failure, exit 0": {p: program{runs: 200 * ms, policy: "on-failure"}, ended: true, within: time.Second},
		"loop of exit 3": {
			p:    program{runs: 200 * ms, code: 3, policy: "always"},
			want: "keeps exiting (exit 3), restarted", within: 90 * time.Second,
		},
		"loop of exit 0": {
			p:    program{runs: 200 * ms, policy: "always"},
			want: "keeps exiting (exit 0), restarted", within: 90 * time.Second,
		},
		"loop at once": {
			p:    program{runs: ms, code: 1, policy: "on-failure"},
			want: "keeps exiting (exit 1), restarted", within: 90 * time.Second,
		},
		"loop of 0.9 s": {
			p:    program{runs: 900 * ms, code: 3, policy: "always"},
			want: "keeps exiting (exit 3), restarted", within: 90 * time.Second,
		},
		"goes on from the 2nd start": {
			p: program{runs: 200 * ms, code: 3, policy: "always", good: 1}, within: 11 * time.Second,
		},
	} {
		for _, after := range []time.Duration{0, 150 * ms, 250 * ms, 650 * ms, 3 * time.Second, 7500 * ms} {
			t.Run(fmt.Sprintf("%s, asked after %s", name, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { c.run(t, after) })
			})
		}
	}
}

// verdictCase is a program, and what is to be said of it.
type verdictCase struct {
	p      program
	want   string // part of the error; "" for ready
	ended  bool   // as a job
	within time.Duration
}

// run asks for the first time so long after the container's start.
func (c verdictCase) run(t *testing.T, after time.Duration) {
	p := c.p
	p.start = time.Now()
	time.Sleep(after)
	w := &Waiter{API: &p, ID: "id", Shells: NewShells(), Service: "s"}
	began := time.Now()
	err := w.WaitReady(t.Context())
	if err == nil {
		err = w.WaitStable(t.Context())
	}
	var never *NotReady
	wrong := errors.As(err, &never) && strings.Contains(err.Error(), c.want) && never.Next != ""
	switch {
	case c.want == "" && err != nil, c.want != "" && !wrong:
		t.Errorf("got %v, want %q", err, c.want)
	case err == nil && c.ended != (w.Ended() != nil):
		t.Errorf("ended: %v", w.Ended())
	}
	if took := time.Since(began); took > c.within {
		t.Errorf("took %s, more than %s", took, c.within)
	}
}

// TestStabilityCostsNothing where the container could be asked, or has been up for long.
func TestStabilityCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &program{start: time.Now()}
		w := &Waiter{API: p, ID: "id", answered: true}
		began := time.Now()
		if err := w.WaitStable(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("one that has answered: %v after %s", err, time.Since(began))
		}
		time.Sleep(time.Minute)
		began = time.Now()
		w = &Waiter{API: p, ID: "id"}
		if err := w.WaitStable(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("one that has been up for a minute: %v after %s", err, time.Since(began))
		}
	})
}

// TestCompleted waits for the end of a job, whatever its policy makes of failures, but not of one that is started
// again in any case.
func TestCompleted(t *testing.T) {
	for name, c := range map[string]struct {
		p    program
		want string
	}{
		"exit 0":            {program{runs: time.Second}, ""},
		"exit 4":            {program{runs: time.Second, code: 4}, "exited (exit 4)"},
		"always":            {program{runs: time.Second, policy: "always"}, "never completes: its restart policy"},
		"retried, and goes": {program{runs: time.Second, code: 1, policy: "on-failure", good: 5}, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.p.start = time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := (&Waiter{API: &c.p, ID: "id"}).WaitCompleted(ctx)
				if got := errorText(err); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		})
	}
}

// policy is a container with that restart policy, started again by it so many times.
func policy(name moby.RestartPolicyMode, restarts int) container.Replica {
	c := replica(nil, nil)
	c.HostConfig.RestartPolicy.Name, c.RestartCount = name, restarts
	return c
}

func TestUntilStable(t *testing.T) {
	check := &moby.HealthConfig{Test: []string{"CMD", "true"}}
	checked, down := replica(check, nil), replica(nil, nil)
	down.State.Status, down.State.Running = moby.StateRestarting, false
	for name, c := range map[string]struct {
		c        container.Replica
		up       time.Duration
		answered bool
		want     time.Duration
		told     string
	}{
		"can't be asked":          {replica(nil, nil), 0, false, time.Second, ""},
		"can't be asked, later":   {replica(nil, nil), 700 * time.Millisecond, false, 300 * time.Millisecond, ""},
		"can't be asked, for 1 s": {replica(nil, nil), time.Second, false, 0, ""},
		"has accepted":            {replica(nil, nil), 0, true, 0, ""},
		"has passed its check":    {checked, 0, false, 0, ""},
		"runs for long":           {replica(nil, nil), time.Hour, false, 0, ""},
		"restarted once": {
			policy("always", 1), 4 * time.Second, true, 6 * time.Second,
			"its policy restarted it (1): it has been up for 4s of 10s",
		},
		"restarted once, long ago": {policy("always", 1), 10 * time.Second, true, 0, ""},
		"restarted often": {
			policy("always", 3), 10 * time.Second, true, 50 * time.Second,
			"its policy restarted it (3): it has been up for 10s of 1m0s",
		},
		"is down": {down, time.Hour, true, stablePause, ""},
	} {
		told := ""
		w := &Waiter{answered: c.answered, Progress: func(text string) { told = text }}
		if got := w.untilStable(c.c, started.Add(c.up)); got != c.want || told != c.told {
			t.Errorf("%s: got %s and %q, want %s and %q", name, got, told, c.want, c.told)
		}
		w.Progress = nil
		if got := w.untilStable(c.c, started.Add(c.up)); got != c.want {
			t.Errorf("%s, with nobody to tell: got %s, want %s", name, got, c.want)
		}
	}
}

// inState is a container of that state, with restarts by its policy.
func inState(restarts int, s moby.State) container.Replica {
	c := policy("always", restarts)
	c.State = &s
	if s.Status == moby.StateExited { // else the container was stopped
		c.HostConfig.RestartPolicy.Name = "no"
	}
	return c
}

// TestHasEnded has what a look at a container tells, after an earlier look that has seen so many restarts.
func TestHasEnded(t *testing.T) {
	now := time.Now().Format(time.RFC3339Nano)
	runs := moby.State{Status: moby.StateRunning, Running: true, StartedAt: now}
	restarting := moby.State{Status: moby.StateRestarting, Running: true, Restarting: true, ExitCode: 1}
	completed, failed := moby.State{Status: moby.StateExited}, moby.State{Status: moby.StateExited, ExitCode: 3}
	dead, removing := moby.State{Status: moby.StateDead, Dead: true}, moby.State{Status: moby.StateRemoving}
	for name, c := range map[string]struct {
		c       container.Replica
		earlier int
		ended   bool
		err     string
	}{
		"runs":                              {inState(0, runs), 0, false, ""},
		"completed":                         {inState(0, completed), 0, true, ""},
		"failed":                            {inState(0, failed), 0, true, "exited (exit 3)"},
		"dead":                              {inState(0, dead), 0, true, "is dead"},
		"being removed":                     {inState(0, removing), 0, true, "is being removed"},
		"not started yet":                   {inState(0, moby.State{Status: moby.StateCreated}), 0, false, ""},
		"restarting, twice":                 {inState(2, restarting), 0, false, ""},
		"restarting, three times":           {inState(3, restarting), 3, true, "keeps exiting"},
		"runs after three restarts":         {inState(3, runs), 3, false, ""},
		"runs after one more":               {inState(4, runs), 3, true, "keeps exiting"},
		"runs after one more, two in total": {inState(2, runs), 1, false, ""},
	} {
		w := &Waiter{Service: "s"}
		if _, err := w.hasEnded(inState(c.earlier, runs)); err != nil {
			t.Fatalf("%s: the earlier look: %v", name, err)
		}
		ended, err := w.hasEnded(c.c)
		got := errorText(err)
		if ended != c.ended || (got == "") != (c.err == "") || !strings.Contains(got, c.err) {
			t.Errorf("%s: ended %v, error %q; want %v, %q", name, ended, got, c.ended, c.err)
		}
		if (w.Ended() != nil) != (c.ended && c.err == "") {
			t.Errorf("%s: completed as %v", name, w.Ended())
		}
		var never *NotReady
		if errors.As(err, &never) && never.Next == "" {
			t.Errorf("%s: no next command", name)
		}
		if w.Service = ""; errors.As(err, &never) {
			if _, err := w.hasEnded(c.c); errors.As(err, &never) && never.Next != "" {
				t.Errorf("%s: the next command for no service is %q", name, never.Next)
			}
		}
	}
}

// TestEndIsTold has a job that completed although something of it was killed tell so.
func TestEndIsTold(t *testing.T) {
	told := ""
	w := &Waiter{Warn: func(f string, a ...any) { told = fmt.Sprintf(f, a...) }}
	killed := inState(0, moby.State{Status: moby.StateExited, OOMKilled: true})
	if ended, err := w.hasEnded(killed); !ended || err != nil || !strings.HasPrefix(told, "p-s-1 ") {
		t.Errorf("ended %v, %v, told %q", ended, err, told)
	}
	told = ""
	if ended, _ := w.hasEnded(inState(0, moby.State{Status: moby.StateExited})); !ended || told != "" {
		t.Errorf("ended %v, told %q", ended, told)
	}
	w.Warn = nil
	if ended, _ := w.hasEnded(killed); !ended {
		t.Error("with nobody to tell it has not ended")
	}
}

// TestEnginesClock has a clock of the engine's that is ahead or behind not make a container look as if it had just
// started for ever.
func TestEnginesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, skew := range map[string]time.Duration{"the same": 0, "ahead": time.Hour, "behind": -time.Hour} {
			w, c := &Waiter{}, replica(nil, nil)
			start := func() { c.State.StartedAt = time.Now().Add(skew).Format(time.RFC3339Nano) }
			start()
			w.now(c)
			for _, d := range []time.Duration{time.Second, time.Minute} {
				time.Sleep(d)
				if up := c.Up(w.now(c)); up < d || skew == 0 && up > time.Minute+time.Second {
					t.Errorf("%s: up for %s after %s more", name, up, d)
				}
			}
			start()
			if up := c.Up(w.now(c)); skew >= 0 && up != 0 {
				t.Errorf("%s: up for %s right after its start", name, up)
			}
		}
	})
}

func TestHasCompleted(t *testing.T) {
	exited := func(c container.Replica, code int) container.Replica {
		c.State.Status, c.State.Running, c.State.ExitCode = moby.StateExited, false, code
		return c
	}
	dead, restarting := policy("no", 0), policy("always", 0)
	dead.State.Status, dead.State.Running, dead.State.Dead = moby.StateDead, false, true
	restarting.State.Restarting = true
	for name, c := range map[string]struct {
		c    container.Replica
		done bool
		err  string
	}{
		"runs":                    {policy("no", 0), false, ""},
		"exit 0":                  {exited(policy("no", 0), 0), true, ""},
		"exit 4":                  {exited(policy("no", 0), 4), true, "exited (exit 4)"},
		"dead":                    {dead, true, "is dead"},
		"on-failure, tried twice": {policy("on-failure", 2), false, ""},
		"always, its first run":   {policy("always", 0), false, ""},
		"always, started again":   {policy("always", 1), false, "never completes: its restart policy, always,"},
		"always, about to be":     {restarting, false, "never completes: its restart policy, always,"},
	} {
		w := &Waiter{Service: "s"}
		done, err := w.hasCompleted(c.c)
		got := errorText(err)
		if done != c.done || (got == "") != (c.err == "") || !strings.HasPrefix(got, c.err) {
			t.Errorf("%s: completed %v, error %q; want %v, %q", name, done, got, c.done, c.err)
		}
	}
}
