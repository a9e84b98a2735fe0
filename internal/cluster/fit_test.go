package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
)

const gib = 1 << 30

// node is a ready one of 8 GiB and 4 CPUs, changed by edits.
func node(name string, edits ...func(*swarm.Node)) swarm.Node {
	n := swarm.Node{
		ID:   "id-" + name,
		Spec: swarm.NodeSpec{Role: swarm.NodeRoleWorker, Availability: swarm.NodeAvailabilityActive},
		Description: swarm.NodeDescription{
			Hostname:  name,
			Platform:  swarm.Platform{OS: "linux", Architecture: "x86_64"},
			Resources: swarm.Resources{NanoCPUs: 4e9, MemoryBytes: 8 * gib},
			Engine: swarm.EngineDescription{Plugins: []swarm.PluginDescription{
				{Type: "Volume", Name: "local"}, {Type: "Network", Name: "overlay"}, {Type: "Log", Name: "json-file"},
			}},
		},
		Status: swarm.NodeStatus{State: swarm.NodeStateReady, Addr: "10.0.0.1"},
	}
	for _, edit := range edits {
		edit(&n)
	}
	return n
}

func labelled(key, value string) func(*swarm.Node) {
	return func(n *swarm.Node) { n.Spec.Labels = map[string]string{key: value} }
}

func memory(bytes int64) func(*swarm.Node) {
	return func(n *swarm.Node) { n.Description.Resources.MemoryBytes = bytes }
}

func offers(r ...swarm.GenericResource) func(*swarm.Node) {
	return func(n *swarm.Node) { n.Description.Resources.GenericResources = r }
}

func discrete(kind string, n int64) swarm.GenericResource {
	return swarm.GenericResource{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: kind, Value: n}}
}

func named(kind, value string) swarm.GenericResource {
	return swarm.GenericResource{NamedResourceSpec: &swarm.NamedGenericResource{Kind: kind, Value: value}}
}

// service is one of the stack p with so many copies, changed by edits.
func service(name string, copies uint64, edits ...func(*swarm.ServiceSpec)) swarm.ServiceSpec {
	s := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "p_" + name}}
	s.Mode.Replicated = &swarm.ReplicatedService{Replicas: &copies}
	s.TaskTemplate = swarm.TaskSpec{
		ContainerSpec: &swarm.ContainerSpec{}, Placement: &swarm.Placement{}, Resources: &swarm.ResourceRequirements{},
	}
	s.EndpointSpec = &swarm.EndpointSpec{}
	s.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1, Order: swarm.UpdateOrderStopFirst}
	for _, edit := range edits {
		edit(&s)
	}
	return s
}

func reserve(cpu, memory int64, generic ...swarm.GenericResource) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) {
		s.TaskTemplate.Resources.Reservations = &swarm.Resources{
			NanoCPUs: cpu, MemoryBytes: memory, GenericResources: generic,
		}
	}
}

func limited(cpus int64) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) { s.TaskTemplate.Resources.Limits = &swarm.Limit{NanoCPUs: cpus} }
}

func constrained(texts ...string) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) { s.TaskTemplate.Placement.Constraints = texts }
}

func most(n uint64) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) { s.TaskTemplate.Placement.MaxReplicas = n }
}

func publish(mode swarm.PortConfigPublishMode, port uint32) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) {
		s.EndpointSpec.Ports = append(s.EndpointSpec.Ports,
			swarm.PortConfig{Protocol: "tcp", TargetPort: 80, PublishedPort: port, PublishMode: mode})
	}
}

func global(s *swarm.ServiceSpec)     { s.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}} }
func startFirst(s *swarm.ServiceSpec) { s.UpdateConfig.Order = swarm.UpdateOrderStartFirst }

func job(s *swarm.ServiceSpec) {
	s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: new(uint64(1))}}
}

// withTasks has the cluster run a service with a task on each of the named nodes.
func withTasks(c Cluster, spec swarm.ServiceSpec, on ...string) Cluster {
	s := swarm.Service{ID: "id-" + spec.Name, Spec: spec}
	c.AllServices = append(slices.Clone(c.AllServices), s)
	c.Tasks = slices.Clone(c.Tasks)
	for i, name := range on {
		c.Tasks = append(c.Tasks, swarm.Task{
			ID: fmt.Sprint(spec.Name, i), ServiceID: s.ID, Slot: i + 1, NodeID: "id-" + name, Spec: spec.TaskTemplate,
			DesiredState: swarm.TaskStateRunning, Status: swarm.TaskStatus{
				State: swarm.TaskStateRunning, ContainerStatus: &swarm.ContainerStatus{ContainerID: "c"},
			},
		})
	}
	return c
}

func nodes(n ...swarm.Node) Cluster { return Cluster{Stack: "p", Nodes: n} }

// verdict writes a fit in a line: the nodes that fit, those that don't, where tasks go, and why not all have a place.
func verdict(f Fit) string {
	var out []string
	for _, n := range f.Nodes {
		out = append(out, Name(n))
	}
	text := "fits " + strings.Join(out, " ")
	for _, line := range refusals(f.Refused) {
		if len(f.Refused) > 0 {
			text += " | " + line
		}
	}
	for _, id := range slices.Sorted(maps.Keys(f.On)) {
		text += fmt.Sprintf(" | %d on %s", f.On[id], strings.TrimPrefix(id, "id-"))
	}
	if err := f.Err(); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		text += " | " + strings.TrimPrefix(first, `service "a" `)
	}
	return text
}

func TestFit(t *testing.T) {
	two := nodes(node("big", memory(16*gib)), node("small"))
	uuids := offers(named("gpu", "u1"), named("gpu", "u2"))
	gpu := nodes(node("g", offers(discrete("gpu", 2))), node("n", uuids), node("w"))
	wide := nodes(node("small"), node("wide", func(n *swarm.Node) { n.Description.Resources.NanoCPUs = 16e9 }))
	const limitless = "a Swarm does not look at limits, and may put tasks on a node that refuses them; reserve as " +
		"many CPUs, or keep it from there by deploy.placement.constraints, such as node.hostname!=small"
	drained := func(n *swarm.Node) { n.Spec.Availability = swarm.NodeAvailabilityDrain }
	paused := func(n *swarm.Node) { n.Spec.Availability = swarm.NodeAvailabilityPause }
	down := func(n *swarm.Node) {
		n.Status = swarm.NodeStatus{State: swarm.NodeStateDown, Message: "heartbeat failure"}
	}
	const (
		tcp8080 = "port 8080/tcp of the node is taken by "
		host    = swarm.PortConfigPublishModeHost
		ingress = swarm.PortConfigPublishModeIngress
	)
	for name, c := range map[string]struct {
		cluster Cluster
		spec    swarm.ServiceSpec
		want    string
	}{
		"anything": {two, service("a", 1), "fits big small | 1 on big"},
		"spread":   {two, service("a", 3), "fits big small | 2 on big | 1 on small"},
		"none":     {two, service("a", 0), "fits big small"},
		"no nodes": {nodes(), service("a", 1), "fits  | fits no node"},
		"states": {
			nodes(node("a", drained), node("b", paused), node("c", down), node("d")), service("a", 1),
			"fits d | a: the node is drained (docker node update --availability active a) | b: the node is paused " +
				"(docker node update --availability active b) | c: the node is down: heartbeat failure | 1 on d",
		},
		"memory": {
			two, service("a", 1, reserve(0, 12*gib)),
			"fits big | small: 12GiB memory asked for, and the node has 8GiB (lower " +
				"deploy.resources.reservations.memory) | 1 on big",
		},
		"memory of others": {
			withTasks(two, service("b", 1, reserve(0, 6*gib)), "big"), service("a", 1, reserve(0, 11*gib)),
			"fits  | big: 11GiB memory asked for, 10GiB of 16GiB free (lower deploy.resources.reservations.memory)" +
				" | small: 11GiB memory asked for, and the node has 8GiB (lower deploy.resources.reservations.memory)" +
				" | fits no node",
		},
		"several reasons": {
			nodes(node("n")), service("a", 1, reserve(5e9, 9*gib), constrained("node.role==manager")),
			"fits  | n: 5 CPUs asked for, and the node has 4 (lower deploy.resources.reservations.cpus); 9GiB " +
				"memory asked for, and the node has 8GiB (lower deploy.resources.reservations.memory); constraint " +
				`node.role==manager is not met: it is "worker" (docker node promote n) | fits no node`,
		},
		"stop-first has its own room": {
			withTasks(two, service("a", 1, reserve(0, 6*gib)), "small"),
			service("a", 1, reserve(0, 7*gib), constrained("node.hostname==small")),
			`fits small | big: constraint node.hostname==small is not met: it is "big" | 1 on small`,
		},
		"start-first needs room twice": {
			withTasks(two, service("a", 1, reserve(0, 6*gib)), "small"),
			service("a", 1, reserve(0, 7*gib), constrained("node.hostname==small"), startFirst),
			`fits  | big: constraint node.hostname==small is not met: it is "big" | small: 7GiB memory asked for, ` +
				"2GiB of 8GiB free (lower deploy.resources.reservations.memory) | 1 on small | fits no node",
		},
		"start-first one by one": {
			withTasks(two, service("a", 2, reserve(0, 4*gib)), "big", "small"),
			service("a", 2, reserve(0, 8*gib), startFirst),
			"fits big | small: 8GiB memory asked for, 4GiB of 8GiB free (lower deploy.resources.reservations.memory)" +
				" | 2 on big",
		},
		"generic resources": {
			gpu, service("a", 3, reserve(0, 0, discrete("gpu", 2))),
			"fits g n | w: 2 gpu asked for, and the node offers none (node-generic-resources in " +
				`the daemon.json of the node offers it) | 1 on g | 1 on n | service "a": 2 of its 3 tasks have a ` +
				"place, and the next fits no node",
		},
		"generic resources taken": {
			withTasks(gpu, service("b", 1, reserve(0, 0, discrete("gpu", 1))), "n"),
			service("a", 1, reserve(0, 0, discrete("gpu", 2))),
			"fits g | n: 2 gpu asked for, 1 of 2 free (lower " +
				"deploy.resources.reservations.generic_resources) | w: 2 gpu asked for, and the " +
				"node offers none (node-generic-resources in the daemon.json of the node offers it) | 1 on g",
		},
		"max replicas": {
			two, service("a", 5, most(2)), `fits big small | 2 on big | 2 on small | service "a": 4 of its 5 tasks ` +
				"have a place, and the next fits no node",
		},
		"max replicas, start-first": {
			withTasks(two, service("a", 2), "big", "small"), service("a", 2, most(1), startFirst),
			"fits  | big, small: it has 1 of its tasks, and max_replicas_per_node is 1 (raise " +
				"deploy.placement.max_replicas_per_node) | 1 on big | 1 on small | fits no node",
		},
		"max replicas, stop-first": {
			withTasks(two, service("a", 2), "big", "small"), service("a", 2, most(1)),
			"fits big small | 1 on big | 1 on small",
		},
		"fewer copies": {
			withTasks(two, service("a", 3, reserve(0, 4*gib)), "small", "small", "big"),
			service("a", 1, reserve(0, 4*gib)),
			"fits big small | 1 on big",
		},
		"host port": {
			withTasks(two, service("b", 1, publish(host, 8080)), "big"), service("a", 2, publish(host, 8080)),
			"fits small | big: " + tcp8080 + `p_b | 1 on small | service "a": 1 of its 2 tasks have a place, and the ` +
				"next fits no node",
		},
		"own host port": {
			withTasks(two, service("a", 2, publish(host, 8080)), "big", "small"), service("a", 2, publish(host, 8080)),
			"fits big small | 1 on big | 1 on small",
		},
		"own host port, start-first": {
			withTasks(two, service("a", 1, publish(host, 8080)), "small"),
			service("a", 1, publish(host, 8080), startFirst, constrained("node.hostname!=big")),
			`fits  | big: constraint node.hostname!=big is not met: it is "big" | small: port 8080/tcp of the node ` +
				"is taken by another of its tasks | 1 on small | fits no node",
		},
		"mesh port": {
			withTasks(two, service("b", 1, publish(ingress, 8080)), "big"), service("a", 1, publish(host, 8080)),
			`fits  | service "a": port 8080/tcp is published by the service "p_b" of the Swarm already`,
		},
		"too little memory to reserve": {
			two, service("a", 1, reserve(0, 1<<20)), `fits  | service "a": deploy.resources.reservations.memory is ` +
				"1048576 bytes, and a Swarm takes no less than 4m",
		},
		"global": {
			nodes(node("a", drained), node("b"), node("c")), service("a", 1, global, constrained("node.hostname!=c")),
			"fits b | a: the node is drained (docker node update --availability active a) | " +
				`c: constraint node.hostname!=c is not met: it is "c" | 1 on b`,
		},
		"global, one is full": {
			withTasks(two, service("b", 1, reserve(0, 7*gib)), "small"), service("a", 1, global, reserve(0, 2*gib)),
			"fits big | small: 2GiB memory asked for, 1GiB of 8GiB free (lower deploy.resources.reservations.memory)" +
				` | 1 on big | service "a": 1 of its 2 tasks have a place, and the next fits no node`,
		},
		"a limit above the CPUs of all": {
			two, service("a", 1, limited(5e9)), "fits  | big, small: its engine refuses a limit of 5 CPUs, as the " +
				"node has 4 (lower deploy.resources.limits.cpus) | fits no node",
		},
		"a limit of all CPUs": {two, service("a", 1, limited(4e9)), "fits big small | 1 on big"},
		"a limit above the CPUs of one": {
			wide, service("a", 1, limited(5e9)), "fits wide | small: its engine refuses a limit of 5 CPUs, as the " +
				`node has 4 (lower deploy.resources.limits.cpus) | 1 on wide | service "a": ` + limitless,
		},
		"a limit above the CPUs of one, with a reservation": {
			wide, service("a", 1, limited(5e9), reserve(5e9, 0)), "fits wide | small: 5 CPUs asked for, and the node " +
				"has 4 (lower deploy.resources.reservations.cpus); its engine refuses a limit of 5 CPUs, as the " +
				"node has 4 (lower deploy.resources.limits.cpus) | 1 on wide",
		},
		"a limit above the CPUs of one, global": {
			wide, service("a", 1, limited(5e9), global), "fits wide | small: its engine refuses a limit of 5 CPUs, " +
				`as the node has 4 (lower deploy.resources.limits.cpus) | 1 on wide | service "a": 1 of its 2 tasks ` +
				"have a place, and the next fits no node",
		},
		"a limit above the CPUs of one, elsewhere": {
			wide, service("a", 1, limited(5e9), constrained("node.hostname==wide")), "fits wide | small: " +
				`constraint node.hostname==wide is not met: it is "small"; ` +
				`its engine refuses a limit of 5 CPUs, as the node has ` +
				"4 (lower deploy.resources.limits.cpus) | 1 on wide",
		},
		"global for no node": {
			two, service("a", 1, global, constrained("node.labels.x==y")), "fits  | " +
				"big: constraint node.labels.x==y is not met: the node has no label x (docker node update " +
				"--label-add x=y big) | small: constraint node.labels.x==y is not met: the node has no label x " +
				"(docker node update --label-add x=y small) | fits no node",
		},
	} {
		f := c.cluster.Fit("a", c.spec)
		if got := verdict(f); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestTasksThatTakeNoRoom(t *testing.T) {
	b := service("b", 1, reserve(0, 6*gib))
	c := withTasks(nodes(node("n")), b, "n")
	a := service("a", 1, reserve(0, 6*gib))
	for _, state := range []swarm.TaskState{
		swarm.TaskStateNew, swarm.TaskStatePending, swarm.TaskStateComplete, swarm.TaskStateFailed,
		swarm.TaskStateShutdown, swarm.TaskStateRejected, swarm.TaskStateOrphaned, swarm.TaskStateRemove,
	} {
		c.Tasks[0].Status.State = state
		if err := c.Fit("a", a).Err(); err != nil {
			t.Errorf("a task that is %s takes room: %v", state, err)
		}
	}
	for _, state := range []swarm.TaskState{
		swarm.TaskStateAssigned, swarm.TaskStateAccepted, swarm.TaskStatePreparing, swarm.TaskStateReady,
		swarm.TaskStateStarting, swarm.TaskStateRunning,
	} {
		c.Tasks[0].Status.State, c.Tasks[0].DesiredState = state, swarm.TaskStateShutdown
		if c.Fit("a", a).Err() == nil {
			t.Errorf("a task that is %s takes no room", state)
		}
	}
}
