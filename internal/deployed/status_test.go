package deployed

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/ui"
)

func TestServices(t *testing.T) {
	const ago = time.Hour
	two, job := replicated("web", 2), replicated("web", 0, once)
	checked := replicated("web", 1, func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Healthcheck = &moby.HealthConfig{Test: []string{"CMD", "true"}}
	})
	stopped := replicated("web", 2, pause)
	paused, updating, back := two, two, two
	paused.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStatePaused, Message: "task failed"}
	updating.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateUpdating}
	back.UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateRollbackCompleted, Message: "rollback completed"}
	running := func(s swarm.Service, slot int) swarm.Task { return task(s, slot, "box1", swarm.TaskStateRunning, ago) }
	pending := task(two, 2, "", swarm.TaskStatePending, time.Minute)
	pending.Status.Err = "no suitable node (insufficient resources on 2 nodes)"
	old := task(two, 2, "box1", swarm.TaskStateStarting, ago)
	old.Spec.ForceUpdate = 7
	done := task(job, 1, "box1", swarm.TaskStateComplete, ago)
	killed := exited(task(two, 2, "box2", swarm.TaskStateFailed, 5*time.Second), 137)
	for name, c := range map[string]struct {
		service    swarm.Service
		tasks      []swarm.Task
		condition  string
		fine       bool
		why, tells string // tells is of the last task
	}{
		"all run": {two, []swarm.Task{running(two, 1), running(two, 2)}, "running", true, "", ""},
		"one starts": {
			two,
			[]swarm.Task{running(two, 1), task(two, 2, "box2", "starting", time.Second)},
			"starting", true,
			"", "",
		},
		"not healthy": {
			checked,
			[]swarm.Task{task(checked, 1, "box2", "starting", time.Second)},
			"starting", true,
			"", "",
		},
		"one lacks": {two, []swarm.Task{running(two, 1)}, "missing", false, "runs 1 of 2 tasks", ""},
		"no node": {
			two,
			[]swarm.Task{running(two, 1), pending},
			"no node", false,
			"has no node that takes 1 of its 2 tasks: no suitable node", "no suitable node",
		},
		"failed": {
			two,
			[]swarm.Task{running(two, 1), killed},
			"failing", false,
			"runs 1 of 2 tasks; web.2 failed on box2: exited (exit 137: killed)", "exited (exit 137: killed)",
		},
		"just again": {
			two,
			[]swarm.Task{running(two, 1), killed, task(two, 2, "box2", "running", time.Second)},
			"failing", false,
			"fails again and again: exited (exit 137: killed), on box2", "before: exited (exit 137: killed), 5s ago",
		},
		"again before": {
			two,
			[]swarm.Task{
				running(two, 1), exited(task(two, 2, "box2", "failed", ago), 1),
				task(two, 2, "box2", "running", time.Minute),
			},
			"running", true,
			"", "before: exited (exit 1), 60m ago",
		},
		"job":      {job, []swarm.Task{done}, "done", true, "", ""},
		"job runs": {job, []swarm.Task{running(job, 1)}, "running", true, "", ""},
		"stopped":  {stopped, nil, "stopped", false, "was stopped", ""},
		"to 0":     {replicated("web", 0), nil, "scaled to 0", true, "", ""},
		"paused": {
			paused,
			[]swarm.Task{running(two, 1), running(two, 2)},
			"update paused", false,
			"has an update that the Swarm paused: task failed", "",
		},
		"an old one": {
			two, []swarm.Task{running(two, 1), running(two, 2), old}, "starting", true, "", "",
		},
		"updating":    {updating, []swarm.Task{running(two, 1), running(two, 2)}, "updating", true, "", ""},
		"rolled back": {back, []swarm.Task{running(two, 1), running(two, 2)}, "running", true, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := shop([]swarm.Service{c.service}, c.tasks...)
			r := s.Status([]string{"web"})
			got := r.Services[0]
			if got.Condition != c.condition || got.Fine != c.fine || !strings.HasPrefix(got.Why, c.why) ||
				c.why == "" && got.Why != "" || r.Fine != c.fine || got.Fine != (got.Next == "") {
				t.Errorf("got %+v", got)
			}
			tells := ""
			if n := len(r.Tasks); n > 0 {
				tells = r.Tasks[n-1].says(noon)
			}
			if !strings.HasPrefix(tells, c.tells) || c.tells == "" && tells != "" {
				t.Errorf("the last task says %q, want %q", tells, c.tells)
			}
		})
	}
}

// Of ten copies the tenth comes last; of one that failed and came again, only the one that runs is shown.
func TestTasks(t *testing.T) {
	web, agent := replicated("web", 10), replicated("agent", 0, everywhere)
	var tasks []swarm.Task
	for slot := 10; slot > 0; slot-- {
		tasks = append(tasks, task(web, slot, "box1", swarm.TaskStateRunning, time.Hour),
			exited(task(web, slot, "box2", swarm.TaskStateFailed, 2*time.Hour), 1))
	}
	gone := task(agent, 0, "box3", swarm.TaskStateRunning, time.Hour) // its node is down
	gone.DesiredState = swarm.TaskStateShutdown
	tasks = append(tasks, gone, task(agent, 0, "box2", swarm.TaskStateRunning, time.Hour),
		task(agent, 0, "box1", swarm.TaskStateRunning, time.Hour))
	var got []string
	s := shop([]swarm.Service{web, agent}, tasks...)
	for _, task := range s.Status([]string{"agent", "web"}).Tasks {
		got = append(got, task.whose())
	}
	want := "agent@box1 agent@box2 web.1@box1 web.2@box1 web.3@box1 web.4@box1 web.5@box1 web.6@box1 web.7@box1 " +
		"web.8@box1 web.9@box1 web.10@box1"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v", got)
	}
}

func TestNodesThatAreDown(t *testing.T) {
	db, web := replicated("db", 1, on("box3")), replicated("web", 1)
	old := replicated("old", 0)
	waits := task(db, 1, "", swarm.TaskStatePending, time.Minute)
	waits.Status.Err = "no suitable node (scheduling constraints not satisfied on 2 nodes)"
	s := shop([]swarm.Service{db, web, old}, waits, task(web, 1, "box2", swarm.TaskStateRunning, time.Hour))
	s.Project = project(after("db"), after("web", "db"), after("worker"))
	s.Nodes[1].Spec.Availability = swarm.NodeAvailabilityDrain
	r := s.Compared(s.Status(s.Names()))
	if r.Fine || !slices.Equal(r.Missing, []string{"worker"}) || !slices.Equal(r.Orphans, []string{"old"}) {
		t.Errorf("got %+v", r)
	}
	if got := r.Nodes[2]; got.Name != "box3" || got.State != "down" || !slices.Equal(got.Pinned, []string{"db"}) {
		t.Errorf("box3: %+v", got)
	}
	if got := r.Nodes[1]; got.Tasks != 1 || len(got.Pinned) != 0 {
		t.Errorf("box2: %+v", got)
	}
	var b bytes.Buffer
	r.Print(ui.New(ui.Within(&b, 80)), noon)
	for _, want := range []string{
		"stack shop on 3 nodes of the Swarm of box1", "db has no node that takes 1 of its 1 tasks",
		"next: go tool mage nodes", "node box3 is down: db can run nowhere else",
		"node box2 is drained: nothing of the stack needs it", "go tool mage deploy -remove-orphans",
		"ghcr.io/me/web:1@5f70bf18a086",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if err := r.Err(); err == nil {
		t.Error("no error")
	}
}

func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		found Found
		want  Which
		other bool
	}{
		"neither":          {Found{}, Containers, false},
		"containers alone": {Found{Containers: 2, Up: 2}, Containers, false},
		"the stack alone":  {Found{Services: 2, Active: 2}, Deployed, false},
		"stopped, alone":   {Found{Services: 2}, Deployed, false},
		"both run":         {Found{Services: 2, Active: 2, Containers: 2, Up: 1}, Unclear, true},
		"neither runs":     {Found{Services: 2, Containers: 2}, Unclear, true},
		"the stack runs":   {Found{Services: 2, Active: 1, Containers: 2}, Deployed, true},
		"containers run":   {Found{Services: 2, Containers: 2, Up: 1}, Containers, true},
	} {
		if got := c.found.Choose(); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
		if got := c.found.Other(c.want, "shop", "box1"); (got != "") != c.other {
			t.Errorf("%s: says %q", name, got)
		}
	}
}

func TestPick(t *testing.T) {
	s := shop([]swarm.Service{replicated("web", 1), replicated("db", 1)})
	s.Project = project(after("web"), after("db"), after("worker"))
	if got, err := s.Pick([]string{"web", "web"}); err != nil || !slices.Equal(got, []string{"web"}) {
		t.Error(got, err)
	}
	for named, want := range map[string]string{"worker": "go tool mage deploy", "wep": `did you mean "web"`} {
		if _, err := s.Pick([]string{named}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", named, err)
		}
	}
}
