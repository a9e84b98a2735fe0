package deployed

import (
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/cluster"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func node(name string, state swarm.NodeState) swarm.Node {
	n := swarm.Node{ID: "id-" + name}
	n.Description.Hostname = name
	n.Description.Resources = swarm.Resources{NanoCPUs: 4e9, MemoryBytes: 8 << 30}
	n.Status.State, n.Spec.Availability = state, swarm.NodeAvailabilityActive
	return n
}

// replicated is a service of the stack shop with so many copies; edits change its specification.
func replicated(name string, copies uint64, edits ...func(*swarm.ServiceSpec)) swarm.Service {
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "shop_" + name, Labels: map[string]string{swarmspec.StackLabel: "shop"}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{
			Image: "ghcr.io/me/" + name + ":1@sha256:5f70bf18a08600",
		}},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &copies}},
	}
	for _, edit := range edits {
		edit(&spec)
	}
	return swarm.Service{ID: "id-" + name, Spec: spec}
}

func everywhere(spec *swarm.ServiceSpec) {
	spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
}

func once(spec *swarm.ServiceSpec) {
	spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{}}
}

func on(node string) func(*swarm.ServiceSpec) {
	return func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.id==id-" + node}}
	}
}

// task is one of the service's current specification, that has been in that state for ago.
func task(s swarm.Service, slot int, node string, state swarm.TaskState, ago time.Duration) swarm.Task {
	t := swarm.Task{
		ID: fmt.Sprintf("%s-%d-%s-%s", s.ID, slot, state, ago), ServiceID: s.ID, Slot: slot,
		Spec: s.Spec.TaskTemplate, DesiredState: swarm.TaskStateRunning,
	}
	if node != "" {
		t.NodeID = "id-" + node
	}
	t.CreatedAt = noon.Add(-ago - time.Second)
	t.Status = swarm.TaskStatus{State: state, Timestamp: noon.Add(-ago)}
	if state == swarm.TaskStateFailed || state == swarm.TaskStateComplete {
		t.DesiredState = swarm.TaskStateShutdown
	}
	return t
}

// exited is a task that failed with that code.
func exited(t swarm.Task, code int) swarm.Task {
	t.Status.Err = "task: non-zero exit"
	t.Status.ContainerStatus = &swarm.ContainerStatus{ContainerID: "c", ExitCode: code}
	return t
}

// shop is the stack shop of those services and tasks on box1, box2 and box3, of which box3 is down.
func shop(services []swarm.Service, tasks ...swarm.Task) Stack {
	s := Stack{Now: noon, Cluster: cluster.Cluster{
		Stack: "shop", Self: "id-box1", Services: map[string]swarm.Service{}, Tasks: tasks,
		Nodes: []swarm.Node{
			node("box1", swarm.NodeStateReady), node("box2", swarm.NodeStateReady), node("box3", swarm.NodeStateDown),
		},
	}}
	for _, service := range services {
		s.Services[service.Spec.Name[len("shop_"):]] = service
		s.AllServices = append(s.AllServices, service)
	}
	return s
}

func project(services ...types.ServiceConfig) *types.Project {
	p := &types.Project{Name: "shop", Services: types.Services{}}
	for _, s := range services {
		p.Services[s.Name] = s
	}
	return p
}

func after(name string, others ...string) types.ServiceConfig {
	s := types.ServiceConfig{Name: name}
	s.DependsOn = types.DependsOnConfig{}
	for _, other := range others {
		s.DependsOn[other] = types.ServiceDependency{Condition: types.ServiceConditionHealthy, Required: true}
	}
	return s
}
