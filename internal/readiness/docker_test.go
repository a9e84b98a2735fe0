package readiness

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// states is an engine that says one thing of a container after another, the last for ever.
type states struct {
	Prober

	all   []moby.State
	asked int
}

func (s *states) ContainerInspect(
	context.Context, string, client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	state := s.all[min(s.asked, len(s.all)-1)]
	s.asked++
	check := &moby.HealthConfig{Test: []string{"CMD", "true"}, Interval: time.Second, Timeout: time.Second, Retries: 2}
	return client.ContainerInspectResult{Container: moby.InspectResponse{
		State: &state, HostConfig: &moby.HostConfig{}, Config: &moby.Config{Healthcheck: check},
	}}, nil
}

// running is a container that runs, of which Docker says this.
func running(status moby.HealthStatus, streak int) moby.State {
	return moby.State{
		Status: moby.StateRunning, Running: true, StartedAt: started.Format(time.RFC3339Nano),
		Health: &moby.Health{Status: status, FailingStreak: streak},
	}
}

func TestWaitForDocker(t *testing.T) {
	starting, healthy, unhealthy := running(moby.Starting, 0), running(moby.Healthy, 0), running(moby.Unhealthy, 0)
	exited := moby.State{Status: moby.StateExited, ExitCode: 3}
	completed := moby.State{Status: moby.StateExited}
	for name, c := range map[string]struct {
		states []moby.State
		want   string // "" for healthy
		tells  bool
	}{
		"healthy at once":       {[]moby.State{healthy}, "", false},
		"healthy after a while": {[]moby.State{starting, running(moby.Starting, 1), healthy}, "", true},
		"unhealthy for a pause": {[]moby.State{unhealthy, running(moby.Unhealthy, 1), healthy}, "", true},
		"fails for good":        {[]moby.State{starting, running(moby.Unhealthy, 2)}, "unhealthy after 0s", true},
		"never says a word":     {[]moby.State{starting}, "starting for Docker after 6s", true},
		"exits":                 {[]moby.State{starting, exited}, "exited (exit 3)", true},
		"completes":             {[]moby.State{starting, completed}, "completed (exit 0)", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			told := time.Duration(0)
			err := WaitForDocker(t.Context(), &states{all: c.states}, "x", func(every time.Duration) { told += every })
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%s: %v", name, err)
			case c.want != "" && (err == nil || !IsNotReady(err) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%s: got %v, want %q", name, err, c.want)
			}
			if want := map[bool]time.Duration{true: time.Second}[c.tells]; told != want {
				t.Errorf("%s: told to wait %s, want %s", name, told, want)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := WaitForDocker(ctx, &states{all: []moby.State{starting}}, "x", nil)
	if err == nil || IsNotReady(err) {
		t.Errorf("the time is over: %v", err)
	}
}
