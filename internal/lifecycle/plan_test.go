package lifecycle

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/stack"
)

// load reads a Compose file's text, or the repository's own stack for "".
func load(t *testing.T, text string) *types.Project {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	dir := filepath.Join("..", "..")
	if text != "" {
		dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Setenv("COMPOSE_PROFILES", "agent-v1")
	}
	s, err := stack.Load(context.Background(), stack.Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s.Project
}

// TestPlanOfTheStack is the specification's staged start: what nothing is needed for first, the agent last.
func TestPlanOfTheStack(t *testing.T) {
	var got bytes.Buffer
	MakePlan(load(t, "")).Print(&got)
	want := `stage 0: start azure-tts
stage 0: start redis
stage 0: start whisper-stt
stage 1: start livekit when redis is healthy
stage 2: start api-backend when livekit is healthy, redis is healthy
stage 3: start eloquence-agent-v1 when api-backend is healthy, azure-tts is healthy, livekit is healthy, redis is healthy, whisper-stt is healthy
`
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
}

func TestPlanConditionsAndWaiters(t *testing.T) {
	p := MakePlan(load(t, `services:
  db: {image: x, deploy: {resources: {reservations: {cpus: "1.5"}}}}
  migrate: {image: x, depends_on: {db: {condition: service_started}}}
  web: {image: x, depends_on: {migrate: {condition: service_completed_successfully}}}
  other: {image: x}
`))
	var got bytes.Buffer
	p.Print(&got)
	for _, want := range []string{"stage 1: start migrate when db is started", "stage 2: start web when migrate is completed successfully"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("%q is not in\n%s", want, got.String())
		}
	}
	if w := strings.Join(p.waitingFor("db"), " "); w != "migrate web" {
		t.Errorf("waiting for db: %q", w)
	}
	for _, s := range p.Steps {
		if want := map[string]float64{"db": 1.5}[s.Service]; want != 0 && s.CPUs != want || want == 0 && s.CPUs != startingCPUs {
			t.Errorf("%s is counted with %v cores", s.Service, s.CPUs)
		}
	}
}
