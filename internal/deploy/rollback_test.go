package deploy

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/cluster"
)

// On the way back a service is waited for that ran as it was; not one that did not run before the deploy either.
func TestStoodBefore(t *testing.T) {
	one := uint64(1)
	spec := swarm.ServiceSpec{Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}}}
	spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "a"}
	other := spec
	other.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{Image: "b"}
	for name, c := range map[string]struct {
		state  swarm.TaskState
		before swarm.ServiceSpec
		want   bool
	}{
		"it ran":               {swarm.TaskStateRunning, spec, false},
		"it stood":             {swarm.TaskStatePending, spec, true},
		"it was another's end": {swarm.TaskStatePending, other, false}, // of a deploy that was killed
	} {
		r := &run{plan: &Plan{cluster: cluster.Cluster{
			Services: map[string]swarm.Service{"web": {ID: "s", Spec: spec}},
			Tasks: []swarm.Task{{
				ServiceID: "s", Spec: spec.TaskTemplate, DesiredState: swarm.TaskStateRunning,
				Status: swarm.TaskStatus{State: c.state},
			}},
		}}}
		if got := r.stoodBefore("web", c.before); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
