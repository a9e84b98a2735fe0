package deployed

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
)

// What stop does to a specification restart undoes, byte for byte; and restart makes new tasks of what runs.
func TestPauseAndResume(t *testing.T) {
	jobs := func(spec *swarm.ServiceSpec) {
		total := uint64(3)
		spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{TotalCompletions: &total}}
	}
	for name, c := range map[string]struct {
		service swarm.Service
		mark    string
	}{
		"replicated": {replicated("web", 3), "3"},
		"no copies":  {replicated("web", 0), "0"},
		"global":     {replicated("web", 0, everywhere, on("box1")), "global"},
		"a job":      {replicated("web", 0, jobs), "3"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := c.service.Spec
			before, _ := json.Marshal(spec)
			pause(&spec)
			if unchanged, _ := json.Marshal(c.service.Spec); !bytes.Equal(before, unchanged) {
				t.Fatal("the specification that was given changed with it")
			}
			mark, stopped := stoppedMark(spec)
			if mark != c.mark || !stopped {
				t.Errorf("marked %q", mark)
			}
			if copiesOf(spec) != 0 {
				t.Errorf("%d copies are left", copiesOf(spec))
			}
			if g := spec.Mode.Global; g != nil && !slices.Contains(spec.TaskTemplate.Placement.Constraints, nowhere) {
				t.Error("a node still takes it")
			}
			if !resume(&spec) {
				t.Fatal("it is not one that was stopped")
			}
			if after, _ := json.Marshal(spec); !bytes.Equal(before, after) {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
			if resume(&spec) {
				t.Error("resumed twice")
			}
			again(&spec)
			if spec.TaskTemplate.ForceUpdate != 1 {
				t.Error("a restart makes no new tasks")
			}
		})
	}
}

func TestMarksOfOthers(t *testing.T) {
	for _, mark := range []string{"", "-1", "many", "1e9"} {
		spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Labels: map[string]string{stopLabel: mark}}}
		if _, stopped := stoppedMark(spec); stopped {
			t.Errorf("%q counts", mark)
		}
	}
}

func TestRestartPlan(t *testing.T) {
	db, web, agent := replicated("db", 1, pause), replicated("web", 2), replicated("agent", 0, everywhere)
	old, api := replicated("old", 1), replicated("api", 1)
	agent.ServiceStatus = &swarm.ServiceStatus{DesiredTasks: 1}
	s := shop([]swarm.Service{db, web, agent, old, api},
		task(web, 1, "box1", swarm.TaskStateRunning, time.Hour),
		task(agent, 0, "box1", swarm.TaskStateRunning, time.Hour),
		task(old, 1, "box1", swarm.TaskStateRunning, time.Hour),
		task(api, 1, "box1", swarm.TaskStateRunning, time.Hour))
	s.Project = project(after("web", "api"), after("api", "db"), after("db"), after("agent"))
	for name, c := range map[string]struct {
		named []string
		all   bool
		want  string
	}{
		"what is wrong": {want: "start db (1 task): it was stopped\nrestart web (2 tasks): it runs 1 of 2 tasks\n" +
			"stay as they are: agent, api, old\n"},
		"named": {named: []string{"web", "api"}, want: "restart api (1 task): it is named\n" +
			"restart web (2 tasks): it is named\nstay as they are: agent, db, old\n"},
		"all": {all: true, want: "restart agent: all are restarted\nstart db (1 task): it was stopped\n" +
			"restart api (1 task): all are restarted\nrestart web (2 tasks): all are restarted\n" +
			"restart old (1 task): all are restarted\n"},
	} {
		p, err := s.PlanRestart(c.named, c.all)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		p.Print(&b)
		first, rest, _ := strings.Cut(b.String(), "\n")
		if rest != c.want || first != "stack shop on 3 nodes of the Swarm of box1" {
			t.Errorf("%s: got\n%s", name, b.String())
		}
	}
}

// A restart that stops a task before it starts the next says that nobody answers meanwhile.
func TestRestartSaysWhoIsAway(t *testing.T) {
	web := replicated("web", 1, func(spec *swarm.ServiceSpec) {
		spec.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1, Order: swarm.UpdateOrderStopFirst}
	})
	p, err := shop([]swarm.Service{web}).PlanRestart([]string{"web"}, false)
	if err != nil || len(p.Steps) != 1 || p.Steps[0].Away == "" {
		t.Error(p, err)
	}
}

func TestUnended(t *testing.T) {
	web := replicated("web", 3)
	down := task(web, 2, "box3", swarm.TaskStateRunning, time.Hour)
	left, unknown := shop([]swarm.Service{web}).unended("web", []swarm.Task{
		task(web, 1, "box1", swarm.TaskStateRunning, time.Hour), down,
		task(web, 3, "", swarm.TaskStatePending, time.Hour),
		exited(task(web, 1, "box2", swarm.TaskStateFailed, time.Hour), 1),
	})
	if !slices.Equal(left, []string{"web.1@box1"}) || !slices.Equal(unknown, []string{"web.2@box3"}) {
		t.Errorf("left %v, unknown %v", left, unknown)
	}
}

func TestSteady(t *testing.T) {
	web := replicated("web", 1)
	checked := replicated("web", 1, func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Healthcheck = &moby.HealthConfig{Test: []string{"CMD", "true"}}
	})
	young := []swarm.Task{task(web, 1, "box1", swarm.TaskStateRunning, time.Second)}
	old := []swarm.Task{task(web, 1, "box1", swarm.TaskStateRunning, 3*time.Second)}
	if steady(web.Spec, young, noon) || !steady(web.Spec, old, noon) || !steady(checked.Spec, young, noon) {
		t.Error("a task without a check counts before it has run for a while, or one with a check does not")
	}
}
