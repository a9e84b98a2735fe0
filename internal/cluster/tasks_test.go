package cluster

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"
)

// A deploy waited for good for an old task of a node that had died: the Swarm says of it for a day that it runs.
func TestProgressDoesNotWaitForNodesThatAreDown(t *testing.T) {
	template := func(image string) swarm.TaskSpec {
		return swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: image}}
	}
	service := swarm.Service{ID: "s", Spec: swarm.ServiceSpec{
		TaskTemplate: template("new"), Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{}},
	}}
	task := func(node, image string, desired swarm.TaskState) swarm.Task {
		return swarm.Task{
			ServiceID: "s", NodeID: node, Spec: template(image), DesiredState: desired,
			Status: swarm.TaskStatus{State: swarm.TaskStateRunning},
		}
	}
	tasks := []swarm.Task{
		task("one", "old", swarm.TaskStateShutdown), task("two", "new", swarm.TaskStateRunning),
	}
	for state, old := range map[swarm.NodeState]int{
		swarm.NodeStateReady: 1, swarm.NodeStateUnknown: 1, swarm.NodeStateDown: 0,
	} {
		got := Progress(service, tasks, []swarm.Node{{ID: "one", Status: swarm.NodeStatus{State: state}}})
		if got.Old != old || got.Running != 1 || got.Done != (old == 0) {
			t.Errorf("a node that is %s: %+v", state, got)
		}
	}
}
