//go:build integration

package alert

import (
	"context"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	mobyclient "github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/monitor"
	"github.com/25eloquence/compose-mage/internal/state"
)

// A kill for want of memory is told within seconds, by way of the engine and an observer that looks every two
// seconds. How long it took is logged: the bound here is a generous one.
func TestIntegrationKillReachesTheWebhook(t *testing.T) {
	t.Setenv(state.Variable, t.TempDir())
	e := enginetest.Connect(t)
	const project = "watch-alert"
	enginetest.Image(t, e, project+":test", nil)
	model := &types.Project{Name: project, Services: types.Services{"idle": {Name: "idle"}, "greedy": {Name: "greedy"}}}
	run := func(service string, args ...string) {
		enginetest.Container(t, e, project+"-"+service+"-1", &container.Config{
			Image: project + ":test", Cmd: args, Labels: enginetest.Labels(project, service, "False"),
		}, &container.HostConfig{Resources: container.Resources{Memory: 32 << 20, MemorySwap: 32 << 20}}, true)
	}
	run("idle", "sleep")
	h := listen(t)
	a, err := Open(project, []Receiver{to(h.URL)})
	if err != nil {
		t.Fatal(err)
	}
	a.receivers[0].IDs = []string{"memory.killed"}
	observer := monitor.NewObserver(e, model, e.Machine(), 2*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{}, 2)
	go func() { a.Run(ctx, observer); ended <- struct{}{} }()
	go func() { _ = observer.Run(ctx); ended <- struct{}{} }()
	defer func() { cancel(); <-ended; <-ended }()
	until(t, "there is a snapshot", func() bool { _, ok := observer.Latest(); return ok })
	// Of one that is killed within a tenth of a second of its start, the engine itself may not see why it ended.
	run("greedy", "eat", "200", "1000")
	until(t, "it is told", func() bool { return h.statuses() != "" })
	told := time.Now()
	var inspected mobyclient.ContainerInspectResult
	until(t, "it has ended", func() bool {
		inspected, err = e.ContainerInspect(t.Context(), project+"-greedy-1", mobyclient.ContainerInspectOptions{})
		return err == nil && !inspected.Container.State.Running
	})
	killed, err := time.Parse(time.RFC3339Nano, inspected.Container.State.FinishedAt)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("told %s after the container's end", told.Sub(killed).Round(time.Millisecond))
	if h.got[0].Service != "greedy" || h.got[0].Status != StatusFiring || told.Sub(killed) > 8*time.Second {
		t.Errorf("after %s: %+v", told.Sub(killed), h.got[0])
	}
	time.Sleep(5 * time.Second)
	if got := h.statuses(); got != "memory.killed firing" {
		t.Errorf("then: %s", got)
	}
}
