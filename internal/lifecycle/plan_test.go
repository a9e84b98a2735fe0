package lifecycle

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
)

// TestPlanOfTheStack is the specification's staged start: what nothing is needed for first, the agent last.
func TestPlanOfTheStack(t *testing.T) {
	t.Setenv("COMPOSE_PROFILES", "agent-v1")
	var got bytes.Buffer
	MakePlan(composetest.LoadDir(t, filepath.Join("..", "..")), 2).Print(&got)
	want := `stage 0: start azure-tts
stage 0: start redis
stage 0: start whisper-stt
stage 1: start livekit when redis is healthy
stage 2: start api-backend when livekit is healthy, redis is healthy; holds 0.5 CPUs until ready
stage 3: start eloquence-agent-v1 when api-backend is healthy, azure-tts is healthy, livekit is healthy, redis is healthy, whisper-stt is healthy
at most 4 containers start at a time; services that reserve CPUs start as long as those still starting fit 2
`
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
}

func TestPlanConditionsAndWaiters(t *testing.T) {
	p := MakePlan(composetest.Load(t, `services:
  db: {image: x, deploy: {replicas: 2, resources: {reservations: {cpus: "9"}}}}
  migrate: {image: x, depends_on: {db: {condition: service_started}}}
  web: {image: x, depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_healthy, restart: true}}}
  other: {image: x, depends_on: {web: {condition: service_healthy, required: false}}}
  last: {image: x, depends_on: [other]}
  never: {image: x, profiles: [tools]}
`), 4)
	var got bytes.Buffer
	p.Print(&got)
	want := `stage 0: start db (2 replicas); holds 4 CPUs until ready
stage 1: run migrate when db is started
stage 2: start web when db is healthy (restarts with it), migrate has completed
stage 3: start other when web is healthy (optional)
stage 4: start last when other is started
at most 8 containers start at a time; services that reserve CPUs start as long as those still starting fit 4
`
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
	if w := strings.Join(p.waitingFor("db"), " "); w != "migrate web" { // other can do without web
		t.Errorf("waiting for db: %q", w)
	}
	ranks := map[string]int{"db": 4, "migrate": 3, "web": 2, "other": 1, "last": 0}
	for _, s := range p.Steps {
		if s.Rank != ranks[s.Service] {
			t.Errorf("%s has rank %d, want %d", s.Service, s.Rank, ranks[s.Service])
		}
	}
}

func TestACycleIsNamed(t *testing.T) {
	dir := t.TempDir()
	text := "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n  c: {image: x, depends_on: [a]}\n"
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := compose.Load(context.Background(), compose.Request{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "cycle") || !strings.Contains(err.Error(), "-> b ->") {
		t.Errorf("got %v", err)
	}
}

// one is a container in that state.
func one(status moby.ContainerState, change func(*container.Replica)) container.Replica {
	c := container.Replica{InspectResponse: moby.InspectResponse{
		Name: "/p-s-1", State: &moby.State{Status: status, Running: status == moby.StateRunning}, Config: &moby.Config{},
	}}
	if change != nil {
		change(&c)
	}
	return c
}
