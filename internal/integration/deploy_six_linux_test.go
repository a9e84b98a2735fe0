//go:build integration

package integration

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/delivery"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	testswarm "github.com/25eloquence/compose-mage/internal/enginetest/swarm"
)

// sixSecrets are what setup would generate.
var sixSecrets = map[string]string{
	"redis_password": strings.Repeat("1f", 32), "livekit_keys": "API0123456789ab: " + strings.Repeat("2e", 32),
	"api_token": strings.Repeat("3d", 32), "azure_speech_key": "",
}

// spread keeps services away from each other: by themselves all might find room on one node.
const spread = `services:
  whisper-stt: {deploy: {placement: {constraints: [node.hostname==node2]}}}
  azure-tts: {deploy: {placement: {constraints: [node.hostname==node3]}}}
  api-backend: {deploy: {placement: {constraints: [node.hostname==node2]}}}
  eloquence-agent-v1: {deploy: {placement: {constraints: [node.hostname==node3]}}}
`

// TestIntegrationShippedStackIsDeployed has three engines run the repository's own six services, as `mage test` has
// built them: all healthy, the smoke test passes over the overlay, and a second deploy does nothing.
func TestIntegrationShippedStackIsDeployed(t *testing.T) {
	own := enginetest.Connect(t)
	s := newSwarmed(t, 3, 1)
	manager := s.Nodes[0]
	t.Setenv("COMPOSE_PROFILES", "agent-v1")
	t.Setenv(delivery.RegistryVariable, s.Registry)
	file, err := os.ReadFile(filepath.Join("..", "..", "compose", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("compose.yaml", string(file))
	s.write("compose.override.yaml", spread)
	if err := os.Mkdir(filepath.Join(s.dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range sixSecrets {
		s.write(filepath.Join("secrets", name), content)
	}
	giveImages(t, own, manager, "redis", "livekit", "whisper-stt", "azure-tts", "api-backend", "eloquence-agent-v1")
	began := time.Now()
	plan := s.mustDeploy()
	t.Logf("deployed in %s, images included; %q", time.Since(began), plan.Notes)
	services := s.services(manager)
	if len(services) != 6 {
		t.Errorf("%d services", len(services))
	}
	on := map[string]bool{}
	for name, service := range services {
		tasks := s.tasks(manager, service)
		if len(tasks) != 1 || tasks[0].Status.State != swarm.TaskStateRunning {
			t.Errorf("%s: %s", name, asJSON(tasks))
			continue
		}
		on[tasks[0].NodeID] = true
		if !strings.Contains(service.Spec.TaskTemplate.ContainerSpec.Image, "@sha256:") {
			t.Errorf("%s runs %s, which is not pinned", name, service.Spec.TaskTemplate.ContainerSpec.Image)
		}
	}
	if len(on) < 3 {
		t.Errorf("it runs on %d nodes", len(on))
	}
	learn(t, s, services["eloquence-agent-v1"])
	began = time.Now()
	if plan := s.mustDeploy(); len(plan.Operations) > 0 {
		t.Errorf("a deploy of nothing: %s", asJSON(plan.Operations))
	}
	t.Logf("deploy of nothing: %s", time.Since(began))
}

// giveImages copies the repository's own images, as they were built, from one engine to a node's.
func giveImages(t *testing.T, from *engine.Engine, to *testswarm.Node, services ...string) {
	t.Helper()
	var names []string
	for _, service := range services {
		names = append(names, "25eloquence/"+service+":latest")
	}
	saved, err := from.ImageSave(t.Context(), names)
	if err != nil {
		t.Fatalf("reading the images that mage build makes: %v", err)
	}
	defer saved.Close()
	loaded, err := to.Client.ImageLoad(t.Context(), saved)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	said, err := io.ReadAll(loaded)
	if err != nil || strings.Contains(string(said), `"error"`) {
		t.Fatalf("%v: %s", err, said)
	}
}

// learn runs the stack's smoke test in the agent's container, on the node that has its task.
func learn(t *testing.T, s *swarmed, agent swarm.Service) {
	t.Helper()
	task := s.tasks(s.Nodes[0], agent)[0]
	for _, n := range s.Nodes {
		got, err := n.Client.Info(t.Context(), client.InfoOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Info.Swarm.NodeID != task.NodeID {
			continue
		}
		done, err := engine.Exec(t.Context(), n.Client, task.Status.ContainerStatus.ContainerID, []string{"/learner"})
		var answer struct {
			Ratio   float64 `json:"ratio"`
			Seconds float64 `json:"answer_seconds"`
		}
		if err != nil || done.Code != 0 || json.Unmarshal([]byte(done.Stdout), &answer) != nil ||
			answer.Ratio < 0.85 || answer.Seconds < 0.5 {
			t.Errorf("the smoke test on %s: %+v, %+v, %v", n.Name, answer, done, err)
		}
		t.Logf("the smoke test on %s: %+v", n.Name, answer)
	}
}
