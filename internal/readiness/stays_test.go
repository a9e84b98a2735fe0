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
)

// program is a container whose program runs for a while, again and again as its policy says; the engine's pauses double from 100 ms.
type program struct {
	fakeContainer
	start  time.Time
	runs   time.Duration // of the program; 0 for ever
	code   int
	policy moby.RestartPolicyMode
	good   int // runs after which it goes on for ever; 0 for never
	skew   time.Duration
}

func (p *program) ContainerInspect(context.Context, string, client.ContainerInspectOptions) (client.ContainerInspectResult, error) {
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

// TestOneVerdict asks at many moments after a container's start whether it is ready: the verdict is the same at each, and no later
// than it has to be.
func TestOneVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		p      program
		want   string // part of the error; "" for ready
		ended  bool   // as a job
		within time.Duration
	}{
		"goes on":                         {program{policy: "always"}, "", false, time.Second},
		"goes on, engine's clock behind":  {program{policy: "always", skew: -time.Hour}, "", false, time.Second},
		"goes on, engine's clock ahead":   {program{policy: "always", skew: time.Hour}, "", false, 1500 * time.Millisecond},
		"leaf, exit 0":                    {program{runs: 10 * time.Millisecond}, "", true, time.Second},
		"leaf, exit 0 after 0.9 s":        {program{runs: 900 * time.Millisecond}, "", true, time.Second},
		"leaf, exit 1 after 0.2 s":        {program{runs: 200 * time.Millisecond, code: 1}, "exited (exit 1)", false, time.Second},
		"leaf, on-failure, exit 0":        {program{runs: 200 * time.Millisecond, policy: "on-failure"}, "", true, time.Second},
		"loop of exit 3":                  {program{runs: 200 * time.Millisecond, code: 3, policy: "always"}, "keeps exiting (exit 3), restarted", false, 90 * time.Second},
		"loop of exit 0":                  {program{runs: 200 * time.Millisecond, policy: "always"}, "keeps exiting (exit 0), restarted", false, 90 * time.Second},
		"loop at once":                    {program{runs: time.Millisecond, code: 1, policy: "on-failure"}, "keeps exiting (exit 1), restarted", false, 90 * time.Second},
		"loop of 0.9 s":                   {program{runs: 900 * time.Millisecond, code: 3, policy: "always"}, "keeps exiting (exit 3), restarted", false, 90 * time.Second},
		"finds its feet at the 2nd start": {program{runs: 200 * time.Millisecond, code: 3, policy: "always", good: 1}, "", false, 11 * time.Second},
	} {
		for _, after := range []time.Duration{0, 150 * time.Millisecond, 250 * time.Millisecond, 650 * time.Millisecond, 3 * time.Second, 7500 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, asked after %s", name, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := c.p
					p.start = time.Now()
					time.Sleep(after)
					w := &Waiter{API: &p, ID: "id", Budget: NewBudget(1), Shells: NewShells(), Service: "s"}
					began := time.Now()
					err := w.Ready(t.Context())
					if err == nil {
						err = w.Stays(t.Context())
					}
					var never *NotReady
					switch {
					case c.want == "" && err != nil, c.want != "" && (!errors.As(err, &never) || !strings.Contains(err.Error(), c.want) || never.Next == ""):
						t.Errorf("got %v, want %q", err, c.want)
					case err == nil && c.ended != (w.Ended() != nil):
						t.Errorf("ended: %v", w.Ended())
					}
					if took := time.Since(began); took > c.within {
						t.Errorf("took %s, more than %s", took, c.within)
					}
				})
			})
		}
	}
}

// TestStaysCostsNothing where the container could be asked, or has been up for long.
func TestStaysCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &program{start: time.Now()}
		w := &Waiter{API: p, ID: "id", answered: true}
		began := time.Now()
		if err := w.Stays(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("one that has answered: %v after %s", err, time.Since(began))
		}
		time.Sleep(time.Minute)
		began = time.Now()
		if err := (&Waiter{API: p, ID: "id"}).Stays(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("one that has been up for a minute: %v after %s", err, time.Since(began))
		}
	})
}

// TestCompleted waits for the end of a job, whatever its policy makes of failures, but not of one that is started again in any case.
func TestCompleted(t *testing.T) {
	for name, c := range map[string]struct {
		p    program
		want string
	}{
		"exit 0":            {program{runs: time.Second}, ""},
		"exit 4":            {program{runs: time.Second, code: 4}, "exited (exit 4)"},
		"always":            {program{runs: time.Second, policy: "always"}, "never completes: its restart policy, always, starts it again"},
		"retried, and goes": {program{runs: time.Second, code: 1, policy: "on-failure", good: 5}, "context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.p.start = time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := (&Waiter{API: &c.p, ID: "id"}).Completed(ctx)
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		})
	}
}
