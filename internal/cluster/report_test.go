package cluster

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/25eloquence/compose-mage/internal/golden"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
	"github.com/25eloquence/compose-mage/internal/ui"
)

func manager(leader bool) func(*swarm.Node) {
	return func(n *swarm.Node) {
		n.Spec.Role = swarm.NodeRoleManager
		n.ManagerStatus = &swarm.ManagerStatus{
			Leader: leader, Reachability: swarm.ReachabilityReachable, Addr: "10.0.0.9:2377",
		}
	}
}

func ofStack(name string) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) { s.Labels = map[string]string{swarmspec.StackLabel: name} }
}

// shop is a Swarm with two stacks and some trouble.
func shop() Cluster {
	ip := func(n *swarm.Node) { n.Status.Addr = "0.0.0.0" }
	version := func(v string) func(*swarm.Node) {
		return func(n *swarm.Node) { n.Description.Engine.EngineVersion = v }
	}
	gpu := node("gpu1", memory(64*gib), offers(discrete("NVIDIA-GPU", 2), discrete("ssd", 1)), version("29.8.2"),
		func(n *swarm.Node) {
			n.Spec.Labels = map[string]string{
				"gpu": "true", VolumeLabel("shop_models"): "true", "zone": "cellar \x1b[31m",
			}
			n.Description.Engine.Labels = map[string]string{"rack": "7"}
		})
	c := nodes(node("box1", manager(true), ip, version("20.10.24")), gpu,
		node("box2", version("20.10.24"), func(n *swarm.Node) {
			n.Status = swarm.NodeStatus{State: swarm.NodeStateDown, Message: "heartbeat failure"}
		}),
		node("box3", version("20.10.24"), func(n *swarm.Node) {
			n.Spec.Availability = swarm.NodeAvailabilityDrain
			n.Description.Platform.Architecture = "aarch64"
		}))
	c.Self = "id-box1"
	c = withTasks(c, service("stt", 1, ofStack("shop"), reserve(2e9, 16*gib, discrete("NVIDIA-GPU", 1))), "gpu1")
	c = withTasks(c, service("web", 2, ofStack("shop"), reserve(5e8, gib)), "box1", "gpu1", "box1")
	c.Tasks[3].Status.State = swarm.TaskStateFailed
	c = withTasks(c, service("page", 2, ofStack("blog")), "gpu1", "")
	c.Tasks[4].Status.State = swarm.TaskStatePreparing
	c.Tasks[5].NodeID = ""
	c.Tasks[5].Status = swarm.TaskStatus{
		State: swarm.TaskStatePending, Err: "no suitable node (insufficient resources on 1 node)",
	}
	return withTasks(c, service("alone", 1), "box1")
}

func TestReportOfNodes(t *testing.T) {
	report := shop().Report(true)
	for _, columns := range []int{80, 120} {
		var b bytes.Buffer
		report.Print(ui.New(ui.Within(&b, columns)))
		golden.Check(t, fmt.Sprintf("nodes-%d.txt", columns), b.String())
	}
	got := report.Nodes[3]
	if got.Name != "gpu1" || report.Nodes[0].Address != "10.0.0.9" || got.ReservedCPUs != 2.5 ||
		got.ReservedMemory != 17*gib || got.Resources[0].Reserved != 1 || len(got.Volumes) != 1 ||
		len(got.Labels) != 2 || len(got.Stacks) != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestFindingsOfNodes(t *testing.T) {
	worker := func(name string) swarm.Node { return node(name) }
	unreachable := node("m3", manager(false), func(n *swarm.Node) {
		n.ManagerStatus.Reachability = swarm.ReachabilityUnreachable
	})
	for name, c := range map[string]struct {
		cluster Cluster
		want    string // the IDs of the findings
	}{
		"one node":         {nodes(node("m", manager(true))), ""},
		"two, one manager": {nodes(node("m", manager(true)), worker("w")), ""},
		"two managers":     {nodes(node("m", manager(true)), node("m2", manager(false))), "managers.even"},
		"three, one":       {nodes(node("m", manager(true)), worker("w1"), worker("w2")), "managers.single"},
		"three, two":       {nodes(node("m", manager(true)), node("m2", manager(false)), worker("w")), "managers.even"},
		"three managers": {
			nodes(node("m", manager(true)), node("m2", manager(false)), node("m3", manager(false)), worker("w")), "",
		},
		"four managers": {
			nodes(node("m", manager(true)), node("m2", manager(false)), node("m3", manager(false)),
				node("m4", manager(false))), "managers.even",
		},
		"one not reached": {
			nodes(node("m", manager(true)), node("m2", manager(false)), unreachable), "managers.unreachable",
		},
		"full": {withTasks(nodes(node("m")), service("a", 1, reserve(0, 9*gib)), "m"), "node.full"},
		"of no service": {Cluster{Nodes: []swarm.Node{node("m")}, Tasks: []swarm.Task{{
			DesiredState: swarm.TaskStateRunning, Status: swarm.TaskStatus{State: swarm.TaskStatePending},
		}}}, ""},
		"just so": {withTasks(nodes(node("m")), service("a", 1, reserve(4e9, 8*gib)), "m"), ""},
		"unknown": {nodes(node("m", func(n *swarm.Node) { n.Status.State = swarm.NodeStateUnknown })), "node.unknown"},
		"trouble": {
			shop(), "node.down node.unavailable managers.single engines.differ platforms.differ tasks.waiting",
		},
	} {
		var got []string
		for _, f := range c.cluster.Report(false).Findings {
			got = append(got, f.ID)
			if f.Remedy == "" {
				t.Errorf("%s: %s has no remedy", name, f.ID)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %s, want %s", name, strings.Join(got, " "), c.want)
		}
	}
}

func TestClocks(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		lags []time.Duration // from what a node says to when the manager writes it
		want string
	}{
		"none":              {nil, ""},
		"the same":          {[]time.Duration{time.Millisecond, time.Second}, ""},
		"a second ahead":    {[]time.Duration{-time.Second}, ""},
		"ahead":             {[]time.Duration{time.Hour, -time.Minute}, "n: its clock is 60.0s ahead of the managers'"},
		"behind":            {[]time.Duration{time.Hour, time.Hour, time.Minute}, "n: its clock is about 60.0s behind"},
		"behind, too few":   {[]time.Duration{time.Minute, time.Minute}, ""},
		"written on, later": {[]time.Duration{time.Hour, time.Hour, time.Second}, ""},
	} {
		cluster := withTasks(nodes(node("n")), service("a", 1), make([]string, len(c.lags))...)
		for i, lag := range c.lags {
			cluster.Tasks[i].NodeID = "id-n"
			cluster.Tasks[i].Status.Timestamp, cluster.Tasks[i].UpdatedAt = now, now.Add(lag)
		}
		got := ""
		for _, f := range cluster.Report(false).Findings {
			got += f.Evidence
		}
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
