//go:build integration

package integration

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/lifecycle"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// TestIntegrationRollingInterrupted ends roll-outs after more and more of their way, by Ctrl-C: before the new container has taken
// over it is gone at once and the old one serves on, after that the old one is.
func TestIntegrationRollingInterrupted(t *testing.T) {
	f := newRolled(t, loaded, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, replaced := 0, 0
	for n, after := range []time.Duration{100, 400, 800, 1200, 1600, 2000, 2500} {
		ctx, cancel := context.WithCancel(t.Context())
		pressed := make(chan time.Time, 1)
		timer := time.AfterFunc(after*time.Millisecond, func() { pressed <- time.Now(); cancel() })
		was := f.wants("web", 1)[0].ID
		err := f.restart(ctx, time.Duration(n).String(), lifecycle.RestartOptions{Rolling: true})
		if !timer.Stop() {
			if took := time.Since(<-pressed); took > 8*time.Second {
				t.Errorf("after %d ms: ended %s after Ctrl-C", after, took)
			}
		}
		cancel()
		switch now := f.wants("web", 1)[0].ID; {
		case now == was && !errors.Is(err, context.Canceled):
			t.Errorf("after %d ms: the old container is kept, with %v", after, err)
		case now == was:
			kept++
		default:
			replaced++
		}
	}
	if kept == 0 || replaced == 0 {
		t.Errorf("the old container was kept %d times and replaced %d times: not both halves were interrupted", kept, replaced)
	}
	if got := f.endLoad(); got.Failed > 0 {
		t.Errorf("%d of %d requests failed: %q", got.Failed, got.Requests, got.Errors)
	}
}

// childVariable makes TestIntegrationRollingChild roll the project in that folder out.
const childVariable = "ROLLING_CHILD"

// TestIntegrationRollingChild is the process that TestIntegrationRollingKilled kills.
func TestIntegrationRollingChild(t *testing.T) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		return
	}
	e, err := engine.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := compose.Load(t.Context(), compose.Request{Dir: dir, Machine: e.Machine()})
	if err != nil {
		t.Fatal(err)
	}
	if err := lifecycle.Restart(t.Context(), e, s.Project, lifecycle.RestartOptions{Out: ui.Stdout(), Rolling: true}); err != nil {
		t.Fatal(err)
	}
}

// TestIntegrationRollingKilled kills a roll-out (SIGKILL) after more and more of its way. The next one ends with exactly the
// containers that there should be.
func TestIntegrationRollingKilled(t *testing.T) {
	f := newRolled(t, rolled, false)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	halves := 0
	for n := range 12 {
		t.Setenv("VERSION", time.Duration(n).String())
		child := exec.Command(os.Args[0], "-test.run=^TestIntegrationRollingChild$")
		child.Env = append(os.Environ(), childVariable+"="+f.dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(300+n*200) * time.Millisecond)
		_ = child.Process.Signal(syscall.SIGKILL)
		_ = child.Wait()
		if len(f.containers("web")) == 2 {
			halves++
		}
		if err := f.restart(t.Context(), "", lifecycle.RestartOptions{Rolling: true}); err != nil {
			t.Fatalf("after a kill: %v\n%s", err, f.out.String())
		}
		f.wants("db", 1)
		f.wants("web", 1)
		if err := f.restart(t.Context(), "", lifecycle.RestartOptions{Rolling: true}); err != nil {
			t.Fatal(err)
		}
	}
	if halves < 3 {
		t.Errorf("only %d of 12 kills hit a roll-out in its middle", halves)
	}
}
