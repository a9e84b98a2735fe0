package lifecycle

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/recreate"
)

const graph = `services:
  db: {image: x, networks: [back]}
  cache: {image: x, networks: [back, default]}
  api: {image: x, depends_on: {db: {condition: service_started, restart: true}, cache: {condition: service_started}}}
  web: {image: x, depends_on: {api: {condition: service_started}}}
  sidecar: {image: x, network_mode: "service:web"}
networks: {back: {}}
`

func TestRestartPlan(t *testing.T) {
	project := composetest.Load(t, graph)
	image := recreate.Change{Why: "its image changed", Recreate: true}
	net := recreate.Change{Why: "the settings of its network back changed", Recreate: true}
	back := map[string]bool{"back": true}
	for name, c := range map[string]struct {
		changes  map[string]recreate.Change
		o        RestartOptions
		want     string
		networks map[string]bool
	}{
		"a network, and one is named": {
			map[string]recreate.Change{"db": net, "cache": net}, RestartOptions{Services: []string{"cache"}}, `stage 0: replace cache: the settings of its network back changed
stage 0: replace db: the settings of its network back changed
stage 1: restart api: it depends on db with restart: true
left alone: sidecar, web; -all restarts them too
`, back,
		},
		"a network, and one that is not in it is named": {
			map[string]recreate.Change{"db": net, "cache": net}, RestartOptions{Services: []string{"web"}}, `stage 2: restart web: it is named
stage 3: restart sidecar: it shares the network of web
left alone: api, cache, db; -all restarts them too
`, back,
		},
		"nothing": {nil, RestartOptions{}, "nothing changed in api, cache, db, sidecar, web; -all restarts all the same\n", nil},
		"what others depend on": {map[string]recreate.Change{"cache": image}, RestartOptions{}, `stage 0: replace cache: its image changed
left alone: api, db, sidecar, web; -all restarts them too
`, nil},
		"what asks to go along": {map[string]recreate.Change{"db": image}, RestartOptions{}, `stage 0: replace db: its image changed
stage 1: restart api: it depends on db with restart: true
left alone: cache, sidecar, web; -all restarts them too
`, nil},
		"what can't stay": {map[string]recreate.Change{"web": image}, RestartOptions{}, `stage 2: replace web: its image changed
stage 3: replace sidecar: it shares the network of web
left alone: api, cache, db; -all restarts them too
`, nil},
		"stopped": {map[string]recreate.Change{"cache": {Why: "it does not run", Start: true}}, RestartOptions{}, `stage 0: start cache: it does not run
left alone: api, db, sidecar, web; -all restarts them too
`, nil},
		"named": {map[string]recreate.Change{"db": image}, RestartOptions{Services: []string{"cache", "web"}}, `stage 0: restart cache: it is named
stage 2: restart web: it is named
stage 3: restart sidecar: it shares the network of web
left alone: api, db; -all restarts them too
`, nil},
		"all": {map[string]recreate.Change{"db": image}, RestartOptions{All: true}, `stage 0: restart cache: all are
stage 0: replace db: its image changed
stage 1: restart api: all are
stage 2: restart web: all are
stage 3: restart sidecar: all are
`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			planRestart(project, c.changes, c.networks, c.o).Print(&got)
			if got.String() != c.want {
				t.Errorf("got:\n%swant:\n%s", got.String(), c.want)
			}
		})
	}
}

func TestRestartPlanOfReplicasAndRefusals(t *testing.T) {
	p := RestartPlan{Steps: []RestartStep{
		{Service: "api", Why: "it is named", Replicas: 3, Roll: true},
		{Service: "db", Why: "its image changed", Replicas: 1, Roll: true, Refused: []string{"one", "two"}},
	}}
	var got bytes.Buffer
	p.Print(&got)
	want := `stage 0: replace without down-time api, its 3 replicas one at a time: it is named
stage 0: replace without down-time db: its image changed
  can't be: one
  can't be: two
`
	if got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
	var typed *fault.Error
	if err := p.Err(); !errors.As(err, &typed) || typed.Code != fault.Config || !strings.Contains(err.Error(), "\"db\" can't be replaced without down-time; nothing was touched\n  one\n  two\n  next: go tool mage restart db") {
		t.Errorf("got %v", err)
	}
}

func TestStartPlanSaysWhatIsDone(t *testing.T) {
	plan := MakePlan(composetest.Load(t, `services:
  db: {image: x}
  cache: {image: x}
  job: {image: x}
  none: {image: x, scale: 0}
  web: {image: x, depends_on: {db: {condition: service_healthy}, job: {condition: service_completed_successfully}}}
  worker: {image: x}
`), 2)
	plan.Kept = []string{"the volume data stays as it is"}
	done := one(moby.StateExited, nil)
	plan.act(map[string]recreate.Change{
		"web": {Why: "its image changed", Recreate: true}, "cache": {Why: "p-cache-1 does not run (exit 3)", Start: true},
		"worker": {Why: "0 of 1 containers are there", Start: true}, "db": {Why: "p-db-1 is unhealthy"},
	}, map[string][]container.Replica{"web": {done}, "cache": {done}, "db": {one(moby.StateRunning, nil)}, "job": {done}})
	want := `stage 0: start cache: p-cache-1 does not run (exit 3)
stage 0: keep db: p-db-1 is unhealthy
stage 0: run job
stage 0: keep none (0 replicas)
stage 0: create worker
stage 1: recreate web when db is healthy, job has completed: its image changed
at most 4 containers start at a time
the volume data stays as it is
`
	var got bytes.Buffer
	if plan.Print(&got); got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
}

// TestRestartOfNoName: an empty name is none of the services, and is not all of them.
func TestRestartOfNoName(t *testing.T) {
	for _, name := range []string{"", "cahce"} {
		_, err := restarterOf(nil, composetest.Load(t, graph), RestartOptions{Services: []string{"web", name}})
		if typed := (*fault.Error)(nil); !errors.As(err, &typed) || typed.Code != fault.Usage {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestRestartOfAnInactiveProfile(t *testing.T) {
	r, err := restarterOf(nil, composetest.Load(t, "services: {app: {image: x}, dbg: {image: x, profiles: [debug]}}"), RestartOptions{Services: []string{"dbg"}})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	planRestart(r.project, nil, nil, RestartOptions{Services: []string{"dbg"}}).Print(&got)
	if want := "stage 0: restart dbg: it is named\nleft alone: app; -all restarts them too\n"; got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
}
