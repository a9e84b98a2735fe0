package monitor

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// shaky is an engine whose containers, by ID, are removed or stopped while they are sampled, or can't be looked at.
type shaky struct {
	API
	mu    sync.Mutex
	looks map[string][]error // of each look into a container, in turn; the last stays
	after map[string]moby.ContainerState
	stats map[string]string
}

func (s *shaky) DaemonHost() string { return "tcp://elsewhere" }

func (s *shaky) Events(context.Context, client.EventsListOptions) client.EventsResult {
	done := make(chan error, 1)
	done <- io.EOF
	return client.EventsResult{Err: done}
}

func (s *shaky) DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error) {
	return client.DiskUsageResult{}, nil
}

func (s *shaky) ContainerList(context.Context, client.ContainerListOptions) (client.ContainerListResult, error) {
	var out client.ContainerListResult
	for id := range s.looks {
		out.Items = append(out.Items,
			moby.Summary{
				ID: id, Names: []string{"/" + id}, State: moby.StateRunning,
				Labels: map[string]string{api.ServiceLabel: strings.TrimSuffix(id, "2"), api.OneoffLabel: "False"},
			})
	}
	return out, nil
}

func (s *shaky) ContainerInspect(_ context.Context, id string,
	_ client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.looks[id][0]
	state := moby.StateRunning
	if len(s.looks[id]) > 1 {
		s.looks[id] = s.looks[id][1:]
	} else if is, ok := s.after[id]; ok {
		state = is
	}
	return client.ContainerInspectResult{
		Container: moby.InspectResponse{
			ID: id, Name: "/" + id, State: &moby.State{Status: state, Running: state == moby.StateRunning, ExitCode: 3},
		},
	}, err
}

func (s *shaky) ContainerStats(_ context.Context, id string,
	_ client.ContainerStatsOptions,
) (client.ContainerStatsResult, error) {
	return client.ContainerStatsResult{Body: io.NopCloser(strings.NewReader(s.stats[id]))}, nil
}

const frame = `{"read": "2025-01-01T00:00:00Z", "memory_stats": {"usage": 5}}`

// TestOneContainersErrorHidesNoOther: the stream of statistics of a container that is removed just ends ("EOF").
// An engine that goes away in mid-look is said as that, and not in a row of each container.
func TestAnEngineThatGoesAwayEndsTheLook(t *testing.T) {
	lost := &net.OpError{Op: "dial", Net: "unix", Err: syscall.ECONNREFUSED}
	e := &shaky{looks: map[string][]error{"app": {nil, lost}, "other": {lost}}}
	project := &types.Project{Name: "p", Services: types.Services{"app": {Name: "app"}, "other": {Name: "other"}}}
	_, err := Take(t.Context(), e, project, engine.Machine{CPUs: 1, Memory: 100})
	var f *fault.Error
	if !errors.As(fault.Exit(t.Context(), err), &f) || f.Code != fault.Engine || f.Next != fault.Again {
		t.Errorf("got %v", err)
	}
}

func TestOneContainersErrorHidesNoOther(t *testing.T) {
	e := &shaky{
		looks: map[string][]error{
			"app": {nil}, "app2": {nil, errdefs.ErrNotFound}, "early": {errdefs.ErrNotFound}, "stopped": {nil, nil},
			"broken": {errors.New("input/output error")},
			"silent": {nil},
		},
		after: map[string]moby.ContainerState{"stopped": moby.StateExited},
		stats: map[string]string{"app": frame + frame},
	}
	project := &types.Project{Name: "p", Services: types.Services{}}
	for _, name := range []string{"app", "early", "stopped", "broken", "silent"} {
		project.Services[name] = types.ServiceConfig{Name: name}
	}
	s, err := Take(t.Context(), e, project, engine.Machine{CPUs: 1, Memory: 100})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Replica{}
	for _, r := range s.Services {
		got[r.Service+" "+r.Container] = r
	}
	if r := got["app app"]; r.MemoryUsed != 5 || !r.Verdict.Fine {
		t.Errorf("app: %+v", r)
	}
	if r := got["app app2"]; r.State != StateGone || r.Expected {
		t.Errorf("removed while it was sampled: %+v", r)
	}
	if r := got["early early"]; r.State != StateGone {
		t.Errorf("removed before it was looked at: %+v", r)
	}
	if r := got["early "]; r.Verdict.Condition != container.Missing {
		t.Errorf("and so missing: %+v", r)
	}
	if r := got["stopped stopped"]; r.State != "exited" || r.Error != "" || r.Verdict.Condition != container.Broken {
		t.Errorf("ended while it was sampled: %+v", r)
	}
	if r := got["broken broken"]; r.Error != "input/output error" {
		t.Errorf("can't be looked at: %+v", r)
	}
	if r := got["silent silent"]; !strings.Contains(r.Error, "reading stats") || !r.Verdict.Fine {
		t.Errorf("without statistics: %+v", r)
	}
	// early is missing, stopped exited, broken and silent could not be looked at
	if said := s.Findings; len(said) != 4 {
		t.Errorf("findings: %+v", said)
	}
}
