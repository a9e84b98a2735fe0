package readiness

import (
	"context"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// says is an engine that says one thing of a container after another, the last for ever.
type says struct {
	Prober

	states []moby.State
	asked  int
}

func (s *says) ContainerInspect(context.Context, string, client.ContainerInspectOptions) (client.ContainerInspectResult, error) {
	state := s.states[min(s.asked, len(s.states)-1)]
	s.asked++
	return client.ContainerInspectResult{Container: moby.InspectResponse{
		State: &state, HostConfig: &moby.HostConfig{},
		Config: &moby.Config{Healthcheck: &moby.HealthConfig{Test: []string{"CMD", "true"}, Interval: time.Second, Timeout: time.Second, Retries: 2}},
	}}, nil
}

func running(status moby.HealthStatus, streak int, last ...*moby.HealthcheckResult) moby.State {
	return moby.State{Status: moby.StateRunning, Running: true, StartedAt: "2026-01-02T03:04:05Z", Health: &moby.Health{Status: status, FailingStreak: streak, Log: last}}
}

func TestDockersVerdict(t *testing.T) {
	failed := &moby.HealthcheckResult{End: time.Date(2026, 1, 2, 3, 4, 12, 0, time.UTC), ExitCode: 1, Output: "first line\nno answer\n"}
	for name, c := range map[string]struct {
		states []moby.State
		want   string // "" for healthy
		waits  bool
	}{
		"healthy at once":           {[]moby.State{running(moby.Healthy, 0)}, "", false},
		"healthy after a while":     {[]moby.State{running(moby.Starting, 0), running(moby.Starting, 1, failed), running(moby.Healthy, 0)}, "", true},
		"unhealthy for a pause":     {[]moby.State{running(moby.Unhealthy, 0), running(moby.Unhealthy, 1, failed), running(moby.Healthy, 0)}, "", true},
		"failed as often as it may": {[]moby.State{running(moby.Starting, 0), running(moby.Unhealthy, 2, failed)}, "unhealthy after 7s (exit 1: no answer)", true},
		"no check":                  {[]moby.State{{Status: moby.StateRunning, Running: true}}, "", false},
		"ended":                     {[]moby.State{running(moby.Starting, 0), {Status: moby.StateExited, ExitCode: 3}}, "exited (exit 3)", true},
	} {
		waited := time.Duration(0)
		err := Docker(t.Context(), &says{states: c.states}, "x", func(every time.Duration) { waited += every })
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !IsNotReady(err) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if want := map[bool]time.Duration{true: time.Second}[c.waits]; waited != want {
			t.Errorf("%s: told to wait %s, want %s", name, waited, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Docker(ctx, &says{states: []moby.State{running(moby.Starting, 0)}}, "x", nil); err == nil || IsNotReady(err) {
		t.Errorf("the time is over: %v", err)
	}
}

func TestNextCheck(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	check := moby.HealthConfig{Test: []string{"CMD", "true"}, Interval: time.Minute, Timeout: 3 * time.Second}
	early := check
	early.StartInterval, early.StartPeriod = time.Second, time.Hour
	for name, c := range map[string]struct {
		check  *moby.HealthConfig
		health *moby.Health
		want   time.Time // zero for never
	}{
		"the first":                          {&check, &moby.Health{Status: moby.Starting}, start.Add(time.Minute)},
		"the first of a start period":        {&early, &moby.Health{Status: moby.Starting}, start.Add(time.Second)},
		"after the last":                     {&check, &moby.Health{Status: moby.Healthy, Log: []*moby.HealthcheckResult{{End: start}, {End: start.Add(time.Hour)}}}, start.Add(time.Hour + time.Minute)},
		"healthy, in the start period still": {&early, &moby.Health{Status: moby.Healthy, Log: []*moby.HealthcheckResult{{End: start}}}, start.Add(time.Minute)},
		"no check":                           {nil, nil, time.Time{}},
		"switched off":                       {&moby.HealthConfig{Test: []string{"NONE"}}, nil, time.Time{}},
	} {
		at, timeout, ok := NextCheck(moby.InspectResponse{
			State: &moby.State{StartedAt: start.Format(time.RFC3339Nano), Health: c.health}, Config: &moby.Config{Healthcheck: c.check},
		})
		if ok == c.want.IsZero() || ok && (!at.Equal(c.want) || timeout != 3*time.Second) {
			t.Errorf("%s: got %s, %s, %v, want %s", name, at, timeout, ok, c.want)
		}
	}
}
