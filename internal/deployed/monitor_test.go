package deployed

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/delivery"
	"github.com/25eloquence/compose-mage/internal/ui"
)

func watched() Stack {
	reserved := func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.Resources = &swarm.ResourceRequirements{
			Limits:       &swarm.Limit{MemoryBytes: 64 << 20},
			Reservations: &swarm.Resources{NanoCPUs: 5e8, MemoryBytes: 32 << 20},
		}
	}
	web, agent := replicated("web", 2, reserved), replicated("agent", 0, everywhere)
	agent.ServiceStatus = &swarm.ServiceStatus{DesiredTasks: 2}
	ran := func(s swarm.Service, slot int, node string) swarm.Task {
		t := task(s, slot, node, swarm.TaskStateRunning, time.Hour)
		t.Status.ContainerStatus = &swarm.ContainerStatus{ContainerID: "c" + node}
		return t
	}
	return shop([]swarm.Service{web, agent},
		ran(web, 1, "box1"), ran(web, 2, "box2"), ran(agent, 0, "box1"), ran(agent, 0, "box2"),
		exited(task(web, 2, "box1", swarm.TaskStateFailed, 59*time.Minute), 1),
		exited(task(web, 2, "box1", swarm.TaskStateFailed, 61*time.Minute), 1),
		exited(task(web, 1, "box1", swarm.TaskStateFailed, 61*time.Minute), 1),
		exited(task(agent, 0, "box1", swarm.TaskStateFailed, 30*time.Minute), 1))
}

func TestWhatTheManagerKnows(t *testing.T) {
	s := watched().known([]string{"agent", "web"})
	failed := map[string]int{}
	for _, use := range s.Tasks {
		failed[use.whose()] = use.Restarts
		if use.Service == "web" != (use.Limit == 64<<20) {
			t.Errorf("%s: limit %d", use.whose(), use.Limit)
		}
	}
	for name, want := range map[string]int{"web.1@box1": 0, "web.2@box2": 1, "agent@box1": 1, "agent@box2": 0} {
		if got, there := failed[name]; got != want || !there {
			t.Errorf("%s failed %d times, want %d", name, got, want)
		}
	}
	if got := s.Nodes[0]; got.Tasks != 2 || got.ReservedCPUs != 0.5 || got.ReservedMemory != 32<<20 || got.CPUs != 4 {
		t.Errorf("box1: %+v", got)
	}
	if len(s.Findings) != 1 || s.Findings[0] != "node box3 is down" {
		t.Errorf("findings %q", s.Findings)
	}
}

// What is not asked is said, on the screen and in the lines of a watch.
func TestWhatIsNotAsked(t *testing.T) {
	engines := Engines{"id-box1": delivery.NodeEngine{Failed: context.DeadlineExceeded}}
	s := Take(t.Context(), watched(), []string{"agent", "web"}, engines)
	var screen, log bytes.Buffer
	s.Print(ui.New(ui.Within(&screen, 80)))
	s.lines(ui.New(&log))
	for _, want := range []string{
		"not measured on box1: context deadline exceeded", "not measured on box2: no address of its engine",
		"! node box3 is down",
	} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("%q is not in\n%s", want, screen.String())
		}
	}
	for _, want := range []string{
		"12:00:00 web.2@box2 running failed_1h=1\n", "12:00:00 not measured on box1: context deadline exceeded\n",
		"12:00:00 ! node box3 is down\n",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "cpu=") {
		t.Errorf("figures that nobody measured:\n%s", log.String())
	}
}
