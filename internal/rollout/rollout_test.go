package rollout

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
)

func TestOutliving(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	whole, cancel := outliving(ctx, 100*time.Millisecond)
	defer cancel()
	pressed := time.Now()
	interrupt()
	if whole.Err() != nil {
		t.Error("ended with the interrupt")
	}
	<-whole.Done()
	if took := time.Since(pressed); took < 100*time.Millisecond {
		t.Errorf("ended %s after the interrupt", took)
	}
	late, cancelLate := outliving(ctx, 100*time.Millisecond)
	if late.Err() != nil {
		t.Error("what begins after the interrupt gets no time")
	}
	<-late.Done()
	cancelLate()
	calm, cancelCalm := outliving(t.Context(), 0)
	if calm.Err() != nil {
		t.Error("ended without an interrupt")
	}
	cancelCalm()
	if calm.Err() == nil {
		t.Error("can't be cancelled")
	}
}

func TestFreezeLimit(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	check := func(interval, timeout time.Duration) *moby.HealthConfig {
		return &moby.HealthConfig{Test: []string{"CMD", "true"}, Interval: interval, Timeout: timeout}
	}
	for name, c := range map[string]struct {
		check *moby.HealthConfig
		since time.Duration // of the start
		want  time.Duration
	}{
		"the next check is far":       {check(time.Minute, time.Second), 2 * time.Second, 3 * time.Second},
		"it is near":                  {check(time.Minute, time.Second), 58 * time.Second, 2 * time.Second},
		"it is due":                   {check(time.Minute, 2*time.Second), time.Minute, 1500 * time.Millisecond},
		"it is under way":             {check(time.Minute, 2*time.Second), 61 * time.Second, 1500 * time.Millisecond},
		"it takes long":               {check(time.Minute, time.Minute), time.Minute, 3 * time.Second},
		"checks come after a second":  {check(time.Second, time.Second), 10 * time.Millisecond, 990 * time.Millisecond},
		"Docker's defaults":           {check(0, 0), 0, 3 * time.Second},
		"no check, so none can fail":  {nil, 0, 3 * time.Second},
		"Docker has not looked since": {check(time.Minute, time.Second), time.Hour, 750 * time.Millisecond},
	} {
		got := freezeLimit(moby.InspectResponse{
			State: &moby.State{
				StartedAt: start.Format(time.RFC3339Nano),
				Health:    &moby.Health{},
			}, Config: &moby.Config{Healthcheck: c.check},
		}, start.Add(c.since))
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestCheckDue(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		in   time.Duration // from now
		want bool
	}{
		"long until then":               {5 * time.Second, false},
		"due within the freeze":         {2 * time.Second, true},
		"under way":                     {-time.Second, true},
		"it has run out of its timeout": {-4 * time.Second, true},
		"it does not come":              {-10 * time.Second, false},
	} {
		if got := checkDue(now.Add(c.in), now, 3*time.Second); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// checked is an engine in which Docker's check of a container, every ten seconds, last ended at those times, one
// after the other with each look.
type checked struct {
	client.APIClient

	ends  []time.Time
	looks int
}

func (e *checked) ContainerInspect(
	ctx context.Context,
	_ string,
	_ client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	end := e.ends[min(e.looks, len(e.ends)-1)]
	e.looks++
	return client.ContainerInspectResult{Container: moby.InspectResponse{
		State: &moby.State{
			StartedAt: "2026-01-02T03:04:05Z",
			Health:    &moby.Health{Log: []*moby.HealthcheckResult{{End: end}}},
		},
		Config: &moby.Config{
			Healthcheck: &moby.HealthConfig{
				Test:     []string{"CMD", "true"},
				Interval: 10 * time.Second,
				Timeout:  4 * time.Second,
			},
		},
	}}, ctx.Err()
}

func TestBetweenChecks(t *testing.T) {
	now := time.Now()
	at := func(ago ...time.Duration) (ends []time.Time) {
		for _, d := range ago {
			ends = append(ends, now.Add(-d))
		}
		return ends
	}
	for name, c := range map[string]struct {
		ends  []time.Time
		looks int
	}{
		"none is near":                  {at(5 * time.Second), 1},
		"one is due in a second":        {at(9*time.Second, 9*time.Second, 9*time.Second, 0), 4},
		"one is under way":              {at(12*time.Second, 12*time.Second, 0), 3},
		"none comes, as after a pause":  {at(time.Hour), 1},
		"they come more often than now": {at(9*time.Second, 8500*time.Millisecond, 8500*time.Millisecond), 2},
	} {
		e := &checked{ends: c.ends}
		r := &Rollout{Engine: &engine.Engine{APIClient: e}}
		r.betweenChecks(t.Context(), "x")
		if e.looks != c.looks {
			t.Errorf("%s: looked %d times, want %d", name, e.looks, c.looks)
		}
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	(&Rollout{Engine: &engine.Engine{APIClient: &checked{ends: at(9 * time.Second)}}}).betweenChecks(interrupted, "x")
	if time.Since(began) > time.Second {
		t.Error("waits after Ctrl-C")
	}
}

// named is an engine with containers by ID, and their names.
type named struct {
	client.APIClient

	names map[string]string
}

func (e named) ContainerInspect(
	_ context.Context,
	id string,
	_ client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	name, ok := e.names[id]
	if !ok {
		return client.ContainerInspectResult{}, cerrdefs.ErrNotFound
	}
	return client.ContainerInspectResult{Container: moby.InspectResponse{ID: id, Name: "/" + name}}, nil
}

func (e named) ContainerRename(
	_ context.Context,
	id string,
	o client.ContainerRenameOptions,
) (client.ContainerRenameResult, error) {
	for other, name := range e.names {
		if name == o.NewName {
			return client.ContainerRenameResult{}, fmt.Errorf("%s has the name %s", other, name)
		}
	}
	e.names[id] = o.NewName
	return client.ContainerRenameResult{}, nil
}

// A kill between any two steps is put right by doing all of them again, and a roll-back is the same the other way.
func TestRename(t *testing.T) {
	const name = "shop-web-2"
	for what, names := range map[string]map[string]string{
		"as Compose made them": {"old": name, "new": nameBeside("old", name)},
		"killed in the middle": {"old": nameBeside("new", name), "new": nameBeside("old", name)},
		"done":                 {"old": nameBeside("new", name), "new": name},
		"removed by others":    {"new": nameBeside("old", name)},
	} {
		want := map[string]string{"new": name}
		if _, ok := names["old"]; ok {
			want["old"] = nameBeside("new", name)
		}
		r := &Rollout{Engine: &engine.Engine{APIClient: named{names: names}}, Project: &types.Project{Name: "shop"}}
		if err := r.rename(t.Context(), "web", 2, "old", "new"); err != nil || !maps.Equal(names, want) {
			t.Errorf("%s: got %v, %v", what, names, err)
		}
	}
}
