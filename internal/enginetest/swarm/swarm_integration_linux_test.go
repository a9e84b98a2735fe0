//go:build integration && linux

package swarm

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/enginetest/current"
)

// TestMain is also the process that starts a Swarm and is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SWARM_HOLD"); dir != "" {
		s, err := Start(context.Background(), Options{Nodes: 2, Dir: dir, Registry: true})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "ready"), []byte(s.plan.link()), 0o600)
		}
		if err != nil {
			println(err.Error())
			os.Exit(1)
		}
		select {}
	}
	os.Exit(m.Run())
}

// machine is what of the machine's network must stay as it is: rules, routes, and interfaces less those of Swarms.
func machine(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, command := range []string{
		"iptables -w -t filter -S", "iptables -w -t nat -S", "iptables -w -t raw -S", "ip -4 route", "ip -4 -o addr",
		"cat /proc/sys/net/ipv4/ip_forward",
	} {
		words := strings.Fields(command)
		out, err := exec.Command(words[0], words[1:]...).Output()
		if err != nil {
			t.Fatalf("running %s: %v", command, err)
		}
		for line := range strings.Lines(string(out)) {
			if !ofASwarm.MatchString(line) {
				all.WriteString(line)
			}
		}
	}
	return all.String()
}

var ofASwarm = regexp.MustCompile(`swarm-\d+\b`)

// using lists the processes whose command line names dir.
func using(t *testing.T, dir string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if line, err := os.ReadFile(f); err == nil && strings.Contains(string(line), dir) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

func groups(p plan) []string {
	found, _ := filepath.Glob("/sys/fs/cgroup/*/" + p.cgroup() + "/*")
	one, _ := filepath.Glob("/sys/fs/cgroup/" + p.cgroup() + "/*")
	return append(found, one...)
}

func TestIntegrationSwarmRunsAServiceAcrossNodesAndLeavesNothing(t *testing.T) {
	before, dir := machine(t), mustTemp(t)
	began := time.Now()
	s, err := Start(t.Context(), Options{Nodes: 3, Managers: 3, Dir: dir, Registry: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	t.Logf("three nodes after %s", time.Since(began))
	if during := machine(t); during != before {
		t.Errorf("the machine's network before:\n%s\nwhile it runs:\n%s", before, during)
	}
	seen := map[string]bool{}
	nodes, err := s.Nodes[2].Client.NodeList(t.Context(), client.NodeListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes.Items {
		seen[node.Description.Hostname] = node.ManagerStatus != nil
	}
	if len(seen) != 3 || !seen["node1"] || !seen["node2"] || !seen["node3"] {
		t.Errorf("the third node sees %v, want node1 to node3, all managers", seen)
	}
	reference, err := s.Image(t.Context(), "probe:1")
	if err != nil {
		t.Fatal(err)
	}
	s.serve(t, reference)
	got := s.ask(t, "web:8080", reference, 2*time.Second)
	if got.Failed > 0 || len(got.Addresses) != 3 {
		t.Errorf("asking three copies on three nodes: %+v", got)
	}
	if len(groups(s.plan)) == 0 {
		t.Error("no control group of a node's: the test shows nothing")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if left := using(t, dir); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	if left := groups(s.plan); len(left) > 0 {
		t.Errorf("control groups that are left: %v", left)
	}
	if _, err := net.InterfaceByName(s.plan.link()); err == nil {
		t.Errorf("the interface %s is left", s.plan.link())
	}
	if after := machine(t); after != before {
		t.Errorf("the machine's network before:\n%s\nafter:\n%s", before, after)
	}
}

// A node that died is down to the others, and comes back as itself.
func TestIntegrationSwarmNodeDiesAndRevives(t *testing.T) {
	s := New(t, Options{Nodes: 2})
	reference, err := s.Image(t.Context(), "probe:1")
	if err != nil || reference != "probe:1" {
		t.Fatalf("without a registry: %q, %v", reference, err)
	}
	ids := map[string]bool{}
	for _, node := range s.Nodes {
		got, err := node.Client.ImageInspect(t.Context(), reference)
		if err != nil {
			t.Fatal(err)
		}
		ids[got.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("the nodes' images: %v, want one", ids)
	}
	bridge, node := hardware(t, s.bridge, "bridge"), hardware(t, s.Nodes[1].space, "eth0")
	if err := s.Kill(1); err != nil {
		t.Fatal(err)
	}
	if left := using(t, s.Nodes[1].dir); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	if _, err := s.Nodes[1].Client.Ping(t.Context(), client.PingOptions{}); err == nil {
		t.Error("the dead node's engine answers")
	}
	state := func(want swarm.NodeState) func() bool {
		return func() bool {
			nodes, err := s.Nodes[0].Client.NodeList(t.Context(), client.NodeListOptions{})
			for _, node := range nodes.Items {
				if err == nil && node.Description.Hostname == "node2" {
					return node.Status.State == want
				}
			}
			return false
		}
	}
	enginetest.Until(t, time.Minute, "node2 is down", state(swarm.NodeStateDown))
	if err := s.Revive(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	enginetest.Until(t, time.Minute, "node2 is ready", state(swarm.NodeStateReady))
	// Neighbours go on sending to the addresses that they know, for half a minute.
	if now := hardware(t, s.bridge, "bridge"); now != bridge {
		t.Errorf("the bridge's hardware address is %s, before %s", now, bridge)
	}
	if now := hardware(t, s.Nodes[1].space, "eth0"); now != node {
		t.Errorf("node2's hardware address is %s, before %s", now, node)
	}
}

func hardware(t *testing.T, in *current.Namespace, link string) (address string) {
	t.Helper()
	err := in.Do(func() error {
		found, err := net.InterfaceByName(link)
		if err == nil {
			address = found.HardwareAddr.String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// A test that is killed leaves nothing but files and empty control groups, which go when the next begins.
func TestIntegrationSwarmEndsWithItsStarter(t *testing.T) {
	before, dir := machine(t), mustTemp(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SWARM_HOLD="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var link []byte
	enginetest.Until(t, 2*time.Minute, "the Swarm is ready", func() bool {
		link, _ = os.ReadFile(filepath.Join(dir, "ready"))
		return len(link) > 0
	})
	if _, err := net.InterfaceByName(string(link)); err != nil {
		t.Errorf("looking for %q while it runs: %v", link, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	enginetest.Until(t, 20*time.Second, "its processes and its interface are gone", func() bool {
		_, err := net.InterfaceByName(string(link))
		return err != nil && len(using(t, dir)) == 0
	})
	if after := machine(t); after != before {
		t.Errorf("the machine's network before:\n%s\nafter:\n%s", before, after)
	}
}

func mustTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "swarm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// serve makes a network and a service web on it, a copy on each node, and waits until they run.
func (s *Swarm) serve(t *testing.T, reference string) {
	t.Helper()
	api := s.Nodes[0].Client
	_, err := api.NetworkCreate(t.Context(), "inner", client.NetworkCreateOptions{Driver: "overlay", Attachable: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = api.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "web"},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: reference, Args: []string{"serve", "8080", "200", "0"}},
			Networks:      []swarm.NetworkAttachmentConfig{{Target: "inner"}},
		},
		Mode:         swarm.ServiceMode{Global: &swarm.GlobalService{}},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR},
	}})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.Until(t, time.Minute, "all tasks run", func() bool {
		tasks, err := api.TaskList(t.Context(), client.TaskListOptions{})
		running := 0
		for _, task := range tasks.Items {
			if task.Status.State == swarm.TaskStateRunning {
				running++
			}
		}
		return err == nil && running == len(s.Nodes)
	})
}

type answers struct {
	Requests, Failed int
	Addresses        map[string]int
	Errors           []string
}

// ask has a container of the first node on the network inner ask target 50 times a second.
func (s *Swarm) ask(t *testing.T, target, image string, during time.Duration) (got answers) {
	t.Helper()
	api := s.Nodes[0].Client
	made, err := api.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config:     &container.Config{Image: image, Cmd: []string{"load", target, "50"}},
		HostConfig: &container.HostConfig{NetworkMode: "inner"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.ContainerStart(t.Context(), made.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(during)
	if _, err := api.ContainerStop(t.Context(), made.ID, client.ContainerStopOptions{}); err != nil {
		t.Fatal(err)
	}
	logs, err := api.ContainerLogs(t.Context(), made.ID, client.ContainerLogsOptions{ShowStdout: true})
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	var out strings.Builder
	if _, err := stdcopy.StdCopy(&out, io.Discard, logs); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatalf("reading %q: %v", out.String(), err)
	}
	return got
}
