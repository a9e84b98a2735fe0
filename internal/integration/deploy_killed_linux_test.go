//go:build integration

package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	testswarm "github.com/25eloquence/compose-mage/internal/enginetest/swarm"
)

// deployKillsVariable says how many deploys TestIntegrationDeployKilledAtAnyPoint kills; 2 by default. Where it is set
// TestIntegrationDeployWithoutItsLeader kills the leader that is asked too.
const deployKillsVariable = "DEPLOYKILLS"

// twoTiers are a service and one of two copies that waits for it, with a secret of the version's.
const twoTiers = `x-s: &s
  image: %[1]s
  command: [serve, "8080", "200", "0"]
  environment: {VERSION: "%[2]s"}
  secrets: [key]
  healthcheck: {test: [CMD, /probe, health, "0", "0"], interval: 1s, timeout: 2s, retries: 2}
services:
  store: {<<: *s}
  api: {<<: *s, depends_on: {store: {condition: service_healthy}}, deploy: {replicas: 2}}
secrets:
  key: {file: ./key}
`

var twoTiersCopies = map[string]int{"store": 1, "api": 2}

// version writes the project in this version.
func (s *swarmed) version(image, version string) {
	s.write("compose.yaml", fmt.Sprintf(twoTiers, image, version))
	s.write("key", version)
}

func (s *swarmed) probe() string {
	s.t.Helper()
	image, err := s.Image(s.t.Context(), "probe:"+s.name)
	if err != nil {
		s.t.Fatal(err)
	}
	return image
}

// TestIntegrationDeployKilledAtAnyPoint kills (SIGKILL) deploys of new versions at random moments: the next one of the
// same ends well each time, no service is half of the old version, and nothing is left of the one before.
func TestIntegrationDeployKilledAtAnyPoint(t *testing.T) {
	s := newSwarmed(t, 2, 1)
	image := s.probe()
	s.version(image, "v0")
	s.mustDeploy()
	began := time.Now()
	s.version(image, "v1")
	s.mustDeploy()
	whole := time.Since(began)
	if plan := s.mustDeploy(); len(plan.Operations) > 0 {
		t.Errorf("a deploy of nothing: %s", asJSON(plan.Operations))
	}
	cut, kills := 0, numberIn(t, deployKillsVariable, 2)
	for n := range kills {
		version := fmt.Sprintf("v%d", n+2)
		s.version(image, version)
		var printed output
		command := s.process(&printed)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		after := rand.N(whole * 3 / 4) // within the deploy, also where the next one is quicker
		time.Sleep(after)
		_ = command.Process.Signal(syscall.SIGKILL)
		if command.Wait() != nil {
			cut++
		}
		began := time.Now()
		s.mustDeploy()
		t.Logf("killed after %s, the next took %s", after.Round(time.Millisecond), time.Since(began))
		if wrong := s.whole(s.Nodes[0], version, twoTiersCopies); len(wrong) > 0 {
			t.Errorf("killed after %s: %q\n%s", after, wrong, printed.String())
		}
	}
	t.Logf("a whole deploy took %s; %d of %d were cut short", whole, cut, kills)
	if cut*2 < kills {
		t.Errorf("only %d of %d kills cut a deploy short", cut, kills)
	}
}

// TestIntegrationDeployWithoutItsLeader: the leader's machine dies in mid-deploy. Where it is not the one that is
// asked, the deploy goes on, or says how to go on; where it is, it says so. Another manager finishes either.
func TestIntegrationDeployWithoutItsLeader(t *testing.T) {
	s := newSwarmed(t, 3, 3)
	image := s.probe()
	s.version(image, "v0")
	s.mustDeploy()
	cases := []bool{false}
	if os.Getenv(deployKillsVariable) != "" {
		cases = append(cases, true)
	}
	for n, asksLeader := range cases {
		version := fmt.Sprintf("v%d", n+1)
		s.version(image, version)
		leader, err := s.Leader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		other := s.otherThan(leader)
		if s.ask(other); asksLeader {
			s.ask(leader)
		}
		var printed output
		command := s.process(&printed)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- command.Wait() }()
		enginetest.Until(t, time.Minute, "the deploy has begun to change services", func() bool {
			return strings.Contains(asJSON(s.services(other)["store"].Spec), "VERSION="+version)
		})
		if err := s.Kill(leader.Number()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		select {
		case err = <-ended:
		case <-time.After(3 * time.Minute):
			_ = command.Process.Kill()
			t.Fatalf("the deploy hangs:\n%s", printed.String())
		}
		t.Logf("asked the leader: %v; ended %s after its death: %v\n%s", asksLeader, time.Since(began), err,
			printed.String())
		if err != nil && !strings.Contains(printed.String(), "next:") {
			t.Error("it does not say how to go on")
		}
		s.ask(other)
		enginetest.Until(t, time.Minute, "another leads", func() bool {
			_, err := s.Leader(t.Context())
			return err == nil
		})
		s.mustDeploy()
		if wrong := s.whole(other, version, twoTiersCopies); len(wrong) > 0 {
			t.Errorf("asked the leader: %v: %q", asksLeader, wrong)
		}
		if err := s.Revive(t.Context(), leader.Number()); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *swarmed) otherThan(n *testswarm.Node) *testswarm.Node {
	for _, other := range s.Nodes {
		if other != n {
			return other
		}
	}
	return nil
}

const pinnedAndFree = `x-s: &s
  image: %[1]s
  command: [serve, "8080", "200", "0"]
  healthcheck: {test: [CMD, /probe, health, "0", "0"], interval: 1s, timeout: 2s, retries: 2}
services:
  pinned:
    <<: *s
    volumes: ["data:/data"]
    deploy: {placement: {constraints: [node.role==worker]}}
  free: {<<: *s, deploy: {replicas: 4}}
volumes: {data: {}}
`

// TestIntegrationDeployedNodeDies: tasks that no volume pins run elsewhere, and a deploy names those that it can't.
func TestIntegrationDeployedNodeDies(t *testing.T) {
	s := newSwarmed(t, 3, 1)
	s.write("compose.yaml", fmt.Sprintf(pinnedAndFree, s.probe()))
	s.mustDeploy()
	manager := s.Nodes[0]
	nodes, err := manager.Client.NodeList(t.Context(), client.NodeListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, n := range nodes.Items {
		names[n.ID] = n.Description.Hostname
	}
	pinned := s.tasks(manager, s.services(manager)["pinned"])
	if len(pinned) != 1 {
		t.Fatalf("pinned: %s", asJSON(pinned))
	}
	var dead *testswarm.Node
	for _, n := range s.Nodes {
		if n.Name == names[pinned[0].NodeID] {
			dead = n
		}
	}
	began := time.Now()
	if err := s.Kill(dead.Number()); err != nil {
		t.Fatal(err)
	}
	enginetest.Until(t, time.Minute, "the tasks that nothing pins run elsewhere", func() bool {
		elsewhere := 0
		for _, task := range s.tasks(manager, s.services(manager)["free"]) {
			if task.Status.State == swarm.TaskStateRunning && names[task.NodeID] != dead.Name {
				elsewhere++
			}
		}
		return elsewhere == 4
	})
	t.Logf("elsewhere within %s", time.Since(began))
	_, printed, err := s.deploy()
	if err == nil {
		t.Fatalf("a deploy with a pinned service whose node is dead ends well:\n%s", printed)
	}
	for _, want := range []string{"pinned", dead.Name} {
		if all := printed + err.Error(); !strings.Contains(all, want) {
			t.Errorf("%q is not named: %v\n%s", want, err, printed)
		}
	}
	t.Logf("%v\n%s", err, printed)
	if err := s.Revive(t.Context(), dead.Number()); err != nil {
		t.Fatal(err)
	}
	enginetest.Until(t, time.Minute, "the node is back, and what is pinned to it", func() bool {
		tasks := s.tasks(manager, s.services(manager)["pinned"])
		return len(tasks) == 1 && tasks[0].Status.State == swarm.TaskStateRunning
	})
	s.mustDeploy()
}
