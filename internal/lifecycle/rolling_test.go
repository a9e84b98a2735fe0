package lifecycle

import (
	"context"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
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
	for name, c := range map[string]struct {
		check *moby.HealthConfig
		want  time.Duration
	}{
		"short timeout":    {&moby.HealthConfig{Test: []string{"CMD", "true"}, Timeout: time.Second}, 750 * time.Millisecond},
		"long timeout":     {&moby.HealthConfig{Test: []string{"CMD", "true"}, Timeout: time.Minute}, 2 * time.Second},
		"Docker's default": {&moby.HealthConfig{Test: []string{"CMD", "true"}}, 2 * time.Second},
		"no check":         {nil, 2 * time.Second},
	} {
		got := freezeLimit(moby.InspectResponse{
			State: &moby.State{StartedAt: "2026-01-02T03:04:05Z", Health: &moby.Health{}}, Config: &moby.Config{Healthcheck: c.check},
		})
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestCheckNear(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		in   time.Duration // from now
		want bool
	}{
		"long until then":               {5 * time.Second, false},
		"due within the freeze":         {time.Second, true},
		"under way":                     {-time.Second, true},
		"it has run out of its timeout": {-4 * time.Second, true},
		"it does not come":              {-10 * time.Second, false},
	} {
		if got := checkNear(now.Add(c.in), now, 3*time.Second, 2*time.Second); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
