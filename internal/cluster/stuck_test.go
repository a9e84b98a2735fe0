package cluster

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

func TestStuck(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	update := func(s swarm.UpdateState) *swarm.UpdateStatus { return &swarm.UpdateStatus{State: s, Message: "said"} }
	once := swarm.ServiceSpec{}
	once.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
	on := swarm.ServiceSpec{UpdateConfig: &swarm.UpdateConfig{FailureAction: swarm.UpdateFailureActionContinue}}
	placed := func(constraint string) (spec swarm.ServiceSpec) {
		spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{constraint}}
		return spec
	}
	failures := func(n int) State {
		return State{Failures: make([]Failure, n)}
	}
	pending := func(service string, ago time.Duration, want swarm.TaskState) []swarm.Task {
		return []swarm.Task{{ServiceID: service, DesiredState: want, Status: swarm.TaskStatus{
			State: swarm.TaskStatePending, Err: "no suitable node", Timestamp: now.Add(-ago),
		}}}
	}
	for name, c := range map[string]struct {
		service swarm.Service
		state   State
		tasks   []swarm.Task
		ours    bool
		want    string
	}{
		"nothing": {},
		"paused":  {service: swarm.Service{UpdateStatus: update("paused")}, want: "its update is paused: said"},
		"taken back": {
			service: swarm.Service{UpdateStatus: update("rollback_completed")}, ours: true,
			want: "its new tasks fail, and the Swarm took it back",
		},
		"long ago":     {service: swarm.Service{UpdateStatus: update("rollback_completed")}},
		"two failures": {state: failures(2)},
		"three":        {state: failures(3), want: "its tasks fail: "},
		"once only":    {service: swarm.Service{Spec: once}, state: failures(1), want: "its tasks fail: "},
		"the Swarm counts": {
			service: swarm.Service{UpdateStatus: update("updating")}, state: failures(3), ours: true,
		},
		"the Swarm does not": {
			service: swarm.Service{UpdateStatus: update("updating"), Spec: on}, state: failures(3), ours: true,
			want: "its tasks fail: ",
		},
		"no node yet": {tasks: pending("", 10*time.Second, "running")},
		"no node":     {tasks: pending("", 20*time.Second, "running"), want: "no node takes it: no suitable node"},
		"given up":    {tasks: pending("", 20*time.Second, "remove")},
		"an earlier one": {
			service: swarm.Service{Spec: placed("node.labels.gpu==true")},
			tasks:   pending("", 20*time.Second, "running"),
		},
		"another's": {tasks: pending("other", 20*time.Second, "running")},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Stuck(c.service, c.state, c.tasks, now, c.ours); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
