//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/compose"
	testswarm "github.com/25eloquence/compose-mage/internal/enginetest/swarm"
	"github.com/25eloquence/compose-mage/internal/swarmspec"
	door "github.com/25eloquence/compose-mage/stack/swarm"
)

// swarmed is a project of its own on a Swarm of engines that only this test has.
type swarmed struct {
	*testswarm.Swarm
	t    *testing.T
	dir  string
	name string
}

// newSwarmed starts the Swarm; its first node is the engine that deploys ask.
func newSwarmed(t *testing.T, nodes, managers int) *swarmed {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", compose.TierVariable} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	s := &swarmed{
		Swarm: testswarm.New(t, testswarm.Options{Nodes: nodes, Managers: managers, Registry: true}),
		t:     t, dir: t.TempDir(), name: fmt.Sprintf("sw-%d", time.Now().UnixNano()),
	}
	t.Setenv("COMPOSE_PROJECT_NAME", s.name)
	s.ask(s.Nodes[0])
	return s
}

// ask has deploys ask this node.
func (s *swarmed) ask(n *testswarm.Node) { s.t.Setenv("DOCKER_HOST", n.Host) }

func (s *swarmed) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// deploy is the target in this process.
func (s *swarmed) deploy() (door.Plan, string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	var printed bytes.Buffer
	files := []string{filepath.Join(s.dir, "compose.yaml")}
	if override := filepath.Join(s.dir, "compose.override.yaml"); exists(override) {
		files = append(files, override)
	}
	plan, err := door.Deploy(ctx, door.Options{Files: files, Output: &printed})
	return plan, printed.String(), err
}

func (s *swarmed) mustDeploy() door.Plan {
	s.t.Helper()
	began := time.Now()
	plan, printed, err := s.deploy()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, printed)
	}
	s.t.Logf("deployed in %s:\n%s", time.Since(began).Round(time.Millisecond), printed)
	return plan
}

// process is the target as a process, with the environment as it is now.
func (s *swarmed) process(printed *output) *exec.Cmd {
	s.t.Helper()
	path, err := mageBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	command := exec.Command(path, "deploy")
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "COMPOSE_FILE="+filepath.Join(s.dir, "compose.yaml"))
	command.Stdout, command.Stderr = printed, printed
	return command
}

// services are the stack's, by their names in the Compose file, as the node says.
func (s *swarmed) services(n *testswarm.Node) map[string]swarm.Service {
	s.t.Helper()
	got, err := n.Client.ServiceList(s.t.Context(), client.ServiceListOptions{
		Filters: make(client.Filters).Add("label", swarmspec.StackLabel+"="+s.name),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]swarm.Service{}
	for _, service := range got.Items {
		all[strings.TrimPrefix(service.Spec.Name, s.name+"_")] = service
	}
	return all
}

// tasks are the service's that are to run, as the node says.
func (s *swarmed) tasks(n *testswarm.Node, service swarm.Service) []swarm.Task {
	s.t.Helper()
	got, err := n.Client.TaskList(s.t.Context(), client.TaskListOptions{
		Filters: make(client.Filters).Add("service", service.ID).Add("desired-state", "running"),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return got.Items
}

// whole says what is not as a deploy that ended well leaves it: every service has this many tasks, all of them run and
// are made from the service's spec of this version, nothing is left of earlier deploys.
func (s *swarmed) whole(n *testswarm.Node, version string, copies map[string]int) (wrong []string) {
	s.t.Helper()
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	services := s.services(n)
	if len(services) != len(copies) {
		say("%d services", len(services))
	}
	for name, service := range services {
		want := service.Spec.TaskTemplate.ContainerSpec
		if env := strings.Join(want.Env, " "); !strings.Contains(env, "VERSION="+version) {
			say("%s is of %s, not %s", name, env, version)
		}
		tasks := s.tasks(n, service)
		if len(tasks) != copies[name] {
			say("%s has %d tasks", name, len(tasks))
		}
		for _, task := range tasks {
			if task.Status.State != swarm.TaskStateRunning {
				say("a task of %s is %s", name, task.Status.State)
			}
			if !reflect.DeepEqual(task.Spec.ContainerSpec, want) {
				say("a task of %s is of %v", name, task.Spec.ContainerSpec.Env)
			}
		}
	}
	secrets, err := n.Client.SecretList(s.t.Context(), client.SecretListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(secrets.Items) != 1 {
		say("%d secrets", len(secrets.Items))
	}
	configs, err := n.Client.ConfigList(s.t.Context(), client.ConfigListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range configs.Items {
		say("config %s", c.Spec.Name)
	}
	return wrong
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// asJSON is a value as JSON, for messages.
func asJSON(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}
