//go:build integration && linux

package cluster

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	bed "github.com/25eloquence/compose-mage/internal/enginetest/swarm"
)

// judged is a Swarm whose scheduler is compared with Fit.
type judged struct {
	t     *testing.T
	api   *client.Client
	self  string
	image string // which runs
	// silent is an image of a registry that says nothing: its tasks hold what they reserve, without a container.
	silent string
	run    bool // containers too
}

func (j judged) look() Cluster {
	j.t.Helper()
	c, err := Look(j.t.Context(), j.api, j.self, "p")
	if err != nil {
		j.t.Fatal(err)
	}
	return c
}

// spec is a service that runs, and ends at once when it is told to.
func (j judged) spec(s swarm.ServiceSpec) swarm.ServiceSpec {
	zero := time.Duration(0)
	container := *s.TaskTemplate.ContainerSpec
	container.Image, container.StopSignal, container.StopGracePeriod = j.silent, "SIGKILL", &zero
	if j.run {
		container.Image = j.image
	}
	s.TaskTemplate.ContainerSpec = &container
	s.Labels = map[string]string{"com.docker.stack.namespace": "p"}
	if s.Mode.Replicated != nil || s.Mode.Global != nil {
		s.UpdateConfig.Monitor = time.Second
	} else {
		s.UpdateConfig = nil
		s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
	}
	return s
}

func (j judged) create(s swarm.ServiceSpec) error {
	_, err := j.api.ServiceCreate(j.t.Context(), client.ServiceCreateOptions{Spec: j.spec(s)})
	return err
}

// settled waits until every task of the service that is to run does so, or waits for a node, and gives them.
func (j judged) settled(name string) (running, pending []swarm.Task) {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), time.Minute)
	defer cancel()
	for quiet := 0; quiet < 2; {
		var busy []string
		running, pending = nil, nil
		s, err := j.api.ServiceInspect(ctx, name, client.ServiceInspectOptions{})
		if err != nil {
			j.t.Fatal(err)
		}
		tasks, err := j.api.TaskList(ctx, client.TaskListOptions{
			Filters: make(client.Filters).Add("service", name),
		})
		if err != nil {
			j.t.Fatal(err)
		}
		for _, t := range tasks.Items {
			switch {
			case !ToRun(t) && holds(t):
				busy = append(busy, "still "+string(t.Status.State))
			case !ToRun(t):
			case t.Status.State == swarm.TaskStatePending && t.Status.Err != "":
				pending = append(pending, t)
			case t.Status.State == swarm.TaskStateRunning, !j.run && t.Status.State == swarm.TaskStatePreparing:
				running = append(running, t)
			default:
				busy = append(busy, string(t.Status.State)+" "+t.Status.Err)
			}
		}
		u := s.Service.UpdateStatus
		updating := u != nil && u.State == swarm.UpdateStateUpdating && len(pending) == 0
		if len(busy) > 0 || updating {
			quiet = 0
		} else {
			quiet++
		}
		select {
		case <-ctx.Done():
			j.t.Fatalf("%s does not settle: %v, %+v", name, busy, u)
		case <-time.After(300 * time.Millisecond):
		}
	}
	return running, pending
}

// clear removes all services, and waits until their tasks have gone.
func (j judged) clear() {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(j.t.Context()), time.Minute)
	defer cancel()
	services, err := j.api.ServiceList(ctx, client.ServiceListOptions{})
	if err != nil {
		j.t.Fatal(err)
	}
	for _, s := range services.Items {
		if _, err := j.api.ServiceRemove(ctx, s.ID, client.ServiceRemoveOptions{}); err != nil {
			j.t.Fatal(err)
		}
	}
	for {
		tasks, err := j.api.TaskList(ctx, client.TaskListOptions{})
		if err != nil {
			j.t.Fatal(err)
		}
		if !slices.ContainsFunc(tasks.Items, holds) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// node changes a node's specification.
func (j judged) node(name string, change func(*swarm.NodeSpec)) {
	j.t.Helper()
	for _, n := range j.look().Nodes {
		if Name(n) != name {
			continue
		}
		change(&n.Spec)
		_, err := j.api.NodeUpdate(j.t.Context(), n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec})
		if err != nil {
			j.t.Fatal(err)
		}
	}
}

// words are what the scheduler says where the first reason of each node is what it counts, in any order.
func words(left []Refusal) []string {
	count := map[Filter]int{}
	for _, r := range left {
		count[r.Reasons[0].Filter]++
	}
	var out []string
	for filter, n := range count {
		on := fmt.Sprintf("%s on %d nodes", filter, n)
		if n == 1 {
			on = fmt.Sprintf("%s on 1 node", filter)
		}
		switch {
		case filter == FilterCopies:
			on = string(filter)
		case filter == FilterReady && n == 1:
			on = "1 node " + string(filter)
		case filter == FilterReady:
			on = fmt.Sprintf("%d nodes %s", n, filter)
		}
		out = append(out, on)
	}
	slices.Sort(out)
	return out
}

var suitable = regexp.MustCompile(`^no suitable node \((.*)\)$`)

// said are the parts of what the scheduler says of a task.
func said(t swarm.Task) []string {
	text := t.Status.Err
	if m := suitable.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	out := strings.Split(text, "; ")
	slices.Sort(out)
	return out
}

// compare holds Fit's verdict against what the scheduler did. The scheduler's words count all nodes only where no task
// found one: a node that fits resets its counts.
func (j judged) compare(name string, f Fit, kept int) {
	j.t.Helper()
	running, pending := j.settled("p_a")
	on := map[string]int{}
	for _, t := range running {
		on[t.NodeID]++
	}
	j.t.Logf("%s: %d run on %v; %d wait: %v", name, len(running), on, len(pending), firstSaid(pending))
	if len(running) != f.Placed+kept {
		j.t.Errorf("%s: %d tasks run, and Fit has places for %d and keeps %d (%v)", name, len(running), f.Placed, kept,
			f.Err())
	}
	if (len(pending) > 0) != (f.Err() != nil) {
		j.t.Errorf("%s: %d tasks wait (%v), and Fit says %v", name, len(pending), firstSaid(pending), f.Err())
	}
	for _, t := range pending {
		got, want := said(t), words(f.Left)
		if t.NodeID != "" { // of a global service: about its node alone
			i := slices.IndexFunc(f.Left, func(r Refusal) bool { return r.Node.ID == t.NodeID })
			if i < 0 {
				j.t.Errorf("%s: a task waits for %s, which Fit does not refuse", name, t.NodeID)
				continue
			}
			want = words(f.Left[i : i+1])
		}
		if f.Placed == 0 && !slices.Equal(got, want) {
			j.t.Errorf("%s: the scheduler says %q, and Fit %q", name, got, want)
		}
	}
}

func firstSaid(tasks []swarm.Task) string {
	if len(tasks) == 0 {
		return ""
	}
	return tasks[0].Status.Err
}

func judge(t *testing.T) (j judged, total, nano int64, address string) {
	s := bed.New(t, bed.Options{Nodes: 3, Registry: true, Settings: map[string]map[string]any{
		"node1": {"labels": []string{"rack=7"}},
		"node2": {"node-generic-resources": []string{"gpu=2", "card=a", "card=b"}},
	}})
	image, err := s.Image(t.Context(), "judged:1")
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Nodes[0].Client.Info(t.Context(), client.InfoOptions{})
	if err != nil {
		t.Fatal(err)
	}
	j = judged{
		t: t, api: s.Nodes[0].Client, self: info.Info.Swarm.NodeID, image: image,
		silent: silence(t, s.Nodes[0].Address) + "/silent:1",
	}
	j.node("node2", func(n *swarm.NodeSpec) { n.Labels = map[string]string{"gpu": "true"} })
	r := j.look().Nodes[0].Description.Resources
	return j, r.MemoryBytes, r.NanoCPUs, s.Nodes[1].Address
}

// silence listens where a node at that address reaches it, takes connections and never answers.
func silence(t *testing.T, node string) string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(addresses, func(a net.Addr) bool {
		ours, ok := a.(*net.IPNet)
		return ok && ours.Contains(net.ParseIP(node))
	})
	if i < 0 {
		t.Fatalf("no interface is in the network of %s", node)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(addresses[i].(*net.IPNet).IP.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l.Addr().String()
}
