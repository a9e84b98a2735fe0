//go:build integration

package monitor

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// While nothing changes, the stream of events is all that the engine has to do with an observer, health checks every
// second included. The engine's disk figures are asked for in longer intervals than this test lasts.
func TestASteadyWatchAsksTheEngineNothing(t *testing.T) {
	e := enginetest.Connect(t)
	counted, err := enginetest.CountRequests(filepath.Join(t.TempDir(), "s"), strings.TrimPrefix(e.Host, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(counted.Close)
	enginetest.Image(t, e, project+":test", nil)
	model := &types.Project{Name: project, Services: types.Services{}}
	for _, name := range []string{"a", "b", "c"} {
		start(t, e, name, []string{"sleep"}, []string{"/probe", "health", "10", "0"}, nil)
		model.Services[name] = types.ServiceConfig{Name: name}
	}
	t.Setenv("COMPOSE_MAGE_STATE", t.TempDir()) // without disk figures: they are asked for at once
	t.Setenv("DOCKER_HOST", "unix://"+counted.Socket)
	through := enginetest.Connect(t)
	observer := NewObserver(through, model, through.Machine(), 500*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- observer.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	enginetest.Until(t, 30*time.Second, "all are healthy", func() bool {
		s, _ := observer.Latest()
		healthy := 0
		for _, r := range s.Services {
			if r.Health == "healthy" && r.Rates.Seconds > 0 {
				healthy++
			}
		}
		return healthy == 3 && !s.Disk.At.IsZero()
	})
	time.Sleep(2 * time.Second) // what became of the last events
	counted.Forget()
	before, _ := observer.Latest()
	time.Sleep(6 * time.Second)
	after, _ := observer.Latest()
	if asked := counted.Seen(); len(asked) > 0 {
		t.Errorf("the engine was asked: %v", asked)
	}
	for i, r := range after.Services {
		if was := before.Services[i]; !r.Counters.Read.After(was.Counters.Read) || !r.Checked.After(was.Checked) ||
			r.Source == "engine" {
			t.Errorf("%s was not followed: read %s and %s, checked %s and %s, from %s", r.Service, was.Counters.Read,
				r.Counters.Read, was.Checked, r.Checked, r.Source)
		}
	}
}
