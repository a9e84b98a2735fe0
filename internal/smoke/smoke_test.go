package smoke

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
)

func TestJudge(t *testing.T) {
	smoke := test{
		Smoke: extension.Smoke{Service: "agent", AtLeast: map[string]float64{"ratio": 0.85}}, what: "smoke test",
	}
	for name, c := range map[string]struct {
		answer map[string]any
		want   string
	}{
		"good enough": {map[string]any{"ratio": 0.85}, ""},
		"too low":     {map[string]any{"ratio": 0.5}, "ratio is 0.5, at least 0.85 is needed"},
		"missing":     {map[string]any{}, "ratio is <nil>, at least 0.85 is needed"},
	} {
		err := smoke.judge(c.answer)
		if (c.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// fakeEngine has the containers of one service.
type fakeEngine struct {
	engine.Execer
	all []moby.InspectResponse
}

func (f fakeEngine) Now() time.Time { return time.Now() }

func (f fakeEngine) ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error) {
	var out client.ContainerListResult
	for _, c := range f.all {
		out.Items = append(out.Items,
			moby.Summary{ID: c.ID, Labels: map[string]string{"com.docker.compose.service": "agent"}})
	}
	return out, nil
}

func (f fakeEngine) ContainerInspect(_ context.Context, id string,
	_ client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	for _, c := range f.all {
		if c.ID == id {
			return client.ContainerInspectResult{Container: c}, nil
		}
	}
	return client.ContainerInspectResult{}, errors.New("no such container")
}

// TestRunning: the test is run in a container that runs, of a service that is as it should be.
func TestRunning(t *testing.T) {
	p := &types.Project{Name: "p", Services: types.Services{"agent": {Name: "agent"}}}
	one := func(state moby.State) fakeEngine {
		return fakeEngine{
			all: []moby.InspectResponse{{ID: "a1", Name: "/p-agent-1", State: &state, Config: &moby.Config{}}},
		}
	}
	smoke := test{Smoke: extension.Smoke{Service: "agent"}, what: "smoke test"}
	if id, err := smoke.running(t.Context(), one(moby.State{Status: moby.StateRunning, Running: true}),
		p); err != nil || id != "a1" {
		t.Errorf("got %q, %v", id, err)
	}
	for want, e := range map[string]fakeEngine{
		"p-agent-1 is unhealthy": one(moby.State{
			Status: moby.StateRunning, Running: true, Health: &moby.Health{Status: moby.Unhealthy},
		}),
		"p-agent-1 exited (exit 3)": one(moby.State{Status: moby.StateExited, ExitCode: 3}),
		"p-agent-1 is paused": one(moby.State{
			Status: moby.StatePaused, Running: true, Paused: true,
		}),
		"agent has no container\n  next: go tool mage start": {},
		`"agent" is not running`:                             one(moby.State{Status: moby.StateExited}),
	} {
		if _, err := smoke.running(t.Context(), e, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	smoke.Service = "gone"
	if _, err := smoke.running(t.Context(), fakeEngine{}, p); err == nil ||
		!strings.Contains(err.Error(), "names the service") {
		t.Errorf("got %v", err)
	}
}
