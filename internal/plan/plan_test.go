package plan

import (
	"bytes"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"

	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/operation"
	"github.com/25eloquence/compose-mage/internal/orphan"
	"github.com/25eloquence/compose-mage/internal/recreate"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// replica is one of a service's containers, in that state.
func replica(name string, status moby.ContainerState) container.Replica {
	return container.Replica{InspectResponse: moby.InspectResponse{
		ID: "id of " + name, Name: "/" + name, Config: &moby.Config{},
		State: &moby.State{
			Status:     status,
			Running:    status == moby.StateRunning,
			Restarting: status == moby.StateRestarting,
		},
	}}
}

func text(p Plan) string {
	var b bytes.Buffer
	p.Print(&b)
	return b.String()
}

// same holds a plan's text against the one that is wanted, which may begin with a line break.
func same(t *testing.T, got, want string) {
	t.Helper()
	want = strings.TrimPrefix(want, "\n")
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// TestPlanOfTheStack is the specification's staged start: what nothing is needed for first, the agent last.
func TestPlanOfTheStack(t *testing.T) {
	t.Setenv("COMPOSE_PROFILES", "agent-v1")
	same(t, text(Start(composetest.LoadDir(t, filepath.Join("..", "..")), 2, Observed{})), `
stage 0: create azure-tts
stage 0: create redis
stage 0: create whisper-stt
stage 1: create livekit when redis is healthy
stage 2: create api-backend when livekit is healthy, redis is healthy; holds 0.5 CPUs until ready
stage 3: create eloquence-agent-v1 when api-backend is healthy, azure-tts is healthy, `+
		`livekit is healthy, redis is healthy, whisper-stt is healthy
at most 4 containers start at a time; services that reserve CPUs start as long as those still starting fit 2
`)
}

// changes are those of services, by name.
type changes = map[string]recreate.Change

const conditions = `services:
  db: {image: x, deploy: {replicas: 2, resources: {reservations: {cpus: "9"}}}}
  migrate: {image: x, depends_on: {db: {condition: service_started}}}
  web:
    image: x
    depends_on: {migrate: {condition: service_completed_successfully}, db: {condition: service_healthy, restart: true}}
  other: {image: x, depends_on: {web: {condition: service_healthy, required: false}}}
  last: {image: x, depends_on: [other]}
  never: {image: x, profiles: [tools]}
`

func TestPlanOfConditions(t *testing.T) {
	p := Start(composetest.Load(t, conditions), 4, Observed{})
	same(t, text(p), `
stage 0: create db (2 replicas); holds 4 CPUs until ready
stage 1: create migrate when db is started
stage 2: create web when db is healthy (restarts with it), migrate has completed
stage 3: create other when web is healthy (optional)
stage 4: create last when other is started
at most 8 containers start at a time; services that reserve CPUs start as long as those still starting fit 4
`)
	same(t, operation.Text(p.Operations), `
[] 0 create db (2): it has no container
[0] 1 start db
[1] 2 wait db
[] 3 create migrate: it has no container
[1 3] 4 start migrate
[4] 5 wait migrate
[] 6 create web: it has no container
[2h 5 6] 7 start web
[7] 8 wait web
[] 9 create other: it has no container
[8h? 9] 10 start other
[10] 11 wait other
[] 12 create last: it has no container
[10 12] 13 start last
[13] 14 wait last
`)
	ranks := map[string]int{"db": 4, "migrate": 3, "web": 2, "other": 1, "last": 0}
	for _, s := range p.Steps {
		if s.Rank != ranks[s.Service] || s.OneShot != (s.Service == "migrate") {
			t.Errorf("%s has rank %d, want %d; a job: %v", s.Service, s.Rank, ranks[s.Service], s.OneShot)
		}
	}
}

func TestWhoWaits(t *testing.T) {
	p := Start(composetest.Load(t, conditions), 4, Observed{})
	for service, want := range map[string]string{"db": "migrate web", "other": "last", "last": "", "web": ""} {
		if got := strings.Join(p.WaitingFor(service), " "); got != want {
			t.Errorf("for %s wait %q, want %q", service, got, want)
		}
	}
	for service, want := range map[string]struct {
		by     string
		needed bool
	}{"db": {"web", true}, "web": {"other", false}, "migrate": {"", false}, "other": {"", false}} {
		if by, needed := p.AwaitedHealthy(service); by != want.by || needed != want.needed {
			t.Errorf("%s is awaited by %q, %v", service, by, needed)
		}
	}
	twice := Start(composetest.Load(t, `services:
  db: {image: x}
  a: {image: x, depends_on: {db: {condition: service_healthy, required: false}}}
  b: {image: x, depends_on: {db: {condition: service_healthy}}}
  c: {image: x, depends_on: {db: {condition: service_healthy, required: false}}}
`), 1, Observed{})
	if by, needed := twice.AwaitedHealthy("db"); by != "b" || !needed {
		t.Errorf("db is awaited by %q, %v: the one that can't do without it is named", by, needed)
	}
}

// TestStartPlan has a service for each thing that a start may find.
func TestStartPlan(t *testing.T) {
	project := composetest.Load(t, `services:
  db: {image: x}
  cache: {image: x, networks: [back]}
  job: {image: x}
  none: {image: x, scale: 0}
  many: {image: x, scale: 1}
  few: {image: x, scale: 3}
  hooked: {image: x}
  tunnel: {provider: {type: x}}
  web:
    image: x
    depends_on:
      db: {condition: service_healthy}
      job: {condition: service_completed_successfully}
      none: {condition: service_started}
  worker: {image: x}
networks: {back: {}, unused: {}}
`)
	stopped, up := moby.StateExited, moby.StateRunning
	p := Start(project, 2, Observed{
		Kept: []string{"the volume data stays as it is"},
		Networks: map[string]bool{
			"back":   true,
			"unused": true,
		}, Resources: []string{"network p_other", "network " + project.Networks["back"].Name},
		Anew: map[string]int{"web": 1}, Hooks: map[string]bool{"hooked": true},
		Changes: changes{
			"web": {
				Why:      "its image changed",
				Recreate: true,
			}, "cache": {Why: "p-cache-1 does not run (exit 3)", Start: true},
			"worker": {Why: "0 of 1 containers are there", Start: true}, "db": {Why: "p-db-1 is unhealthy"},
			"few": {
				Why:   "few has 1 of 3 containers",
				Start: true,
			}, "many": {Why: "many has 2 of 1 containers", Start: true},
		},
		Containers: map[string][]container.Replica{
			"web": {
				replica("p-web-1", stopped),
			}, "cache": {replica("p-cache-1", stopped)}, "db": {replica("p-db-1", up)},
			"job": {
				replica("p-job-1", stopped),
			}, "few": {replica("p-few-1", up)}, "hooked": {replica("p-hooked-1", up)},
			"many": {replica("p-many-1", up), replica("p-many-2", up)},
		},
	})
	same(t, text(p), `
stage 0: start cache: p-cache-1 does not run (exit 3)
stage 0: keep db: p-db-1 is unhealthy
stage 0: start few (3 replicas): few has 1 of 3 containers
stage 0: keep hooked
stage 0: run job
stage 0: start many: many has 2 of 1 containers
stage 0: keep none (0 replicas)
stage 0: create tunnel
stage 0: create worker
stage 1: recreate web when db is healthy, job has completed, none is started: its image changed
at most 4 containers start at a time
the volume data stays as it is
`)
	same(t, operation.Text(p.Operations), `
[] 0 recreate network `+project.Networks["back"].Name+`: its settings changed
[] 1 create network p_other: it is not there
[] 2 start cache: p-cache-1 does not run (exit 3)
[2] 3 wait cache
[] 4 start db
[4] 5 wait db
[] 6 create few (2): it has 1 of 3 containers
[6] 7 start few: few has 1 of 3 containers
[7] 8 wait few
[] 9 create hooked: its hooks before the start need containers
[9] 10 start hooked
[10] 11 wait hooked
[] 12 start job
[12] 13 wait job
[] 14 remove many: it has 2 of 1 containers
[14] 15 start many: many has 2 of 1 containers
[15] 16 wait many
[] 17 wait none
[] 18 create tunnel: a provider gives it
[18] 19 start tunnel
[19] 20 wait tunnel
[] 21 create worker: it has no container
[21] 22 start worker
[22] 23 wait worker
[] 24 recreate web: its image changed
[5h 13 17 24] 25 start web
[25] 26 wait web
`)
}

func TestActionOfAStart(t *testing.T) {
	for name, c := range map[string]struct {
		status moby.ContainerState
		job    bool
		change recreate.Change
		want   Action
	}{
		"runs":                            {moby.StateRunning, false, recreate.Change{}, ActionKeep},
		"a job that is done":              {moby.StateExited, true, recreate.Change{}, ActionStart},
		"a job that runs":                 {moby.StateRunning, true, recreate.Change{}, ActionKeep},
		"a job between two restarts":      {moby.StateRestarting, true, recreate.Change{}, ActionKeep},
		"one that ended and may be ended": {moby.StateExited, false, recreate.Change{}, ActionKeep},
		"stopped":                         {moby.StateExited, false, recreate.Change{Start: true}, ActionStart},
		"changed and stopped":             {moby.StateExited, false, recreate.Change{Recreate: true}, ActionRecreate},
	} {
		seen := Observed{
			Containers: map[string][]container.Replica{"s": {replica("s", c.status)}},
			Changes:    changes{"s": c.change},
		}
		if got, _ := startAction(Step{Service: "s", Replicas: 1, OneShot: c.job}, seen); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

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
		changes  changes
		o        Choice
		want     string
		networks map[string]bool
	}{
		"a network, and one is named": {
			changes{"db": net, "cache": net}, Choice{Services: []string{"cache"}}, `
stage 0: replace cache: the settings of its network back changed
stage 0: replace db: the settings of its network back changed
stage 1: restart api: it depends on db with restart: true
left alone: sidecar, web; -all restarts them too
`, back,
		},
		"a network, and one that is not in it is named": {
			changes{"db": net, "cache": net}, Choice{Services: []string{"web"}}, `
stage 2: restart web: it is named
stage 3: restart sidecar: it shares the network of web
left alone: api, cache, db; -all restarts them too
`, back,
		},
		"a network, and another change in it": {
			changes{"db": net, "cache": {Why: "it does not run", Start: true}},
			Choice{Services: []string{"db"}},
			`
stage 0: replace db: the settings of its network back changed
stage 1: restart api: it depends on db with restart: true
left alone: cache, sidecar, web; -all restarts them too
`, back,
		},
		"nothing": {
			nil, Choice{}, "nothing changed in api, cache, db, sidecar, web; -all restarts all the same\n", nil,
		},
		"what others depend on": {changes{"cache": image}, Choice{}, `
stage 0: replace cache: its image changed
left alone: api, db, sidecar, web; -all restarts them too
`, nil},
		"what asks to go along": {changes{"db": image}, Choice{}, `
stage 0: replace db: its image changed
stage 1: restart api: it depends on db with restart: true
left alone: cache, sidecar, web; -all restarts them too
`, nil},
		"what can't stay": {changes{"web": image}, Choice{}, `
stage 2: replace web: its image changed
stage 3: replace sidecar: it shares the network of web
left alone: api, cache, db; -all restarts them too
`, nil},
		"what can't stay, and does not run": {
			changes{"web": {Why: "it is unhealthy"}, "sidecar": {Why: "it does not run", Start: true}},
			Choice{},
			`
stage 2: restart web: it is unhealthy
stage 3: restart sidecar: it does not run
left alone: api, cache, db; -all restarts them too
`, nil,
		},
		"stopped": {changes{"cache": {Why: "it does not run", Start: true}}, Choice{}, `
stage 0: start cache: it does not run
left alone: api, db, sidecar, web; -all restarts them too
`, nil},
		"stopped, and named": {
			changes{"cache": {Why: "it does not run", Start: true}},
			Choice{Services: []string{"cache"}},
			"stage 0: restart cache: it does not run\nleft alone: api, db, sidecar, web; -all restarts them too\n",
			nil,
		},
		"named": {changes{"db": image}, Choice{Services: []string{"cache", "web"}}, `
stage 0: restart cache: it is named
stage 2: restart web: it is named
stage 3: restart sidecar: it shares the network of web
left alone: api, db; -all restarts them too
`, nil},
		"all": {changes{"db": image, "cache": {Why: "it does not run", Start: true}}, Choice{All: true}, `
stage 0: restart cache: it does not run
stage 0: replace db: its image changed
stage 1: restart api: all are
stage 2: restart web: all are
stage 3: restart sidecar: all are
`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, text(Restart(project, 1, Observed{Changes: c.changes, Networks: c.networks}, c.o)), c.want)
		})
	}
}

// running gives each of the services that many containers that run.
func running(counts map[string]int) map[string][]container.Replica {
	all := map[string][]container.Replica{}
	for service, n := range counts {
		for i := range n {
			all[service] = append(all[service], replica("p-"+service+"-"+string(rune('1'+i)), moby.StateRunning))
		}
	}
	return all
}

// TestOperationsOfARestart: what is stopped or replaced is when its dependencies are ready, and comes before the
// start; replicas go one at a time; where all are restarted, each is stopped as soon as its dependencies have been
// started.
func TestOperationsOfARestart(t *testing.T) {
	project := composetest.Load(t, `services:
  db: {image: x, networks: [back]}
  web: {image: x, scale: 2, depends_on: {db: {condition: service_healthy}}}
  worker:
    image: x
    depends_on: {db: {condition: service_healthy, required: false}, tunnel: {condition: service_started}}
  tunnel: {provider: {type: x}}
networks: {back: {}}
`)
	seen := Observed{
		Containers: running(map[string]int{"db": 1, "web": 2, "worker": 1}), Networks: map[string]bool{"back": true},
		Changes: changes{"db": {Why: "the settings of its network back changed", Recreate: true}},
	}
	back := project.Networks["back"].Name
	for name, c := range map[string]struct {
		o    Choice
		want string
	}{
		"named": {Choice{Services: []string{"db", "web", "worker"}}, `
[] 0 recreate network ` + back + `: its settings changed
[] 1 create tunnel: worker needs what it provides
[0] 2 recreate db: the settings of its network back changed
[2] 3 start db
[3] 4 wait db
[4h] 5 stop p-web-1: it is named
[5] 6 start p-web-1
[6] 7 wait p-web-1
[7] 8 stop p-web-2: it is named
[8] 9 start p-web-2
[9] 10 wait p-web-2
[10] 11 start web
[11] 12 wait web
[4h? 1] 13 stop worker: it is named
[13] 14 start worker
[14] 15 wait worker
`},
		"rolling": {Choice{Services: []string{"web", "worker"}, Rolling: true}, `
[] 0 create tunnel: worker needs what it provides
[] 1 roll web: it is named
[1] 2 start web
[2] 3 wait web
[0] 4 roll worker: it is named
[4] 5 start worker
[5] 6 wait worker
`},
		"all": {Choice{All: true}, `[] 0 recreate network ` + back + `: its settings changed
[0] 1 recreate db: the settings of its network back changed
[1] 2 start db
[2] 3 wait db
[] 4 create tunnel: a provider gives it
[] 5 stop tunnel: all are
[5 4] 6 start tunnel
[6] 7 wait tunnel
[3h] 8 stop p-web-1: all are
[8] 9 start p-web-1
[9] 10 wait p-web-1
[10] 11 stop p-web-2: all are
[11] 12 start p-web-2
[12] 13 wait p-web-2
[13] 14 start web
[14] 15 wait web
[2? 6] 16 stop worker: all are
[16 3h? 6] 17 start worker
[17] 18 wait worker
`},
		"what does not run": {Choice{Services: []string{}}, `[] 0 recreate network ` + back + `: its settings changed
[0] 1 recreate db: the settings of its network back changed
[1] 2 start db
[2] 3 wait db
`},
	} {
		t.Run(name, func(t *testing.T) {
			same(t, operation.Text(Restart(project, 1, seen, c.o).Operations), c.want)
		})
	}
	nothing := Restart(
		project,
		1,
		Observed{Containers: seen.Containers, Resources: []string{"network p_default"}},
		Choice{},
	)
	if len(nothing.Operations) > 0 {
		t.Errorf("a restart of nothing does %v", nothing.Operations)
	}
}

// TestRollingOfWhatDoesNotRun: only what runs can be replaced without down-time.
func TestRollingOfWhatDoesNotRun(t *testing.T) {
	project := composetest.Load(t, "services: {a: {image: x}, b: {image: x}, c: {image: x}}")
	p := Restart(project, 1, Observed{
		Containers: map[string][]container.Replica{
			"a": {replica("a", moby.StateRunning)},
			"b": {replica("b", moby.StatePaused)},
		},
		Changes: changes{
			"a": {Why: "one", Recreate: true}, "b": {Why: "two", Recreate: true}, "c": {Why: "three", Start: true},
		},
	}, Choice{Rolling: true})
	same(t, text(p), "stage 0: replace without down-time a: one\nstage 0: replace b: two\nstage 0: start c: three\n")
}

func TestRestartPlanOfReplicasAndRefusals(t *testing.T) {
	p := Plan{Restart: true, Steps: []Step{
		{Service: "api", Why: "it is named", Have: 3, Do: ActionRoll},
		{Service: "db", Why: "its image changed", Have: 1, Do: ActionRoll, Refused: []string{"one", "two"}},
		{Service: "job", Why: "it does not run", Have: 2, Do: ActionStart},
	}}
	same(t, text(p), `
stage 0: replace without down-time api, its 3 replicas one at a time: it is named
stage 0: replace without down-time db: its image changed
  can't be: one
  can't be: two
stage 0: start job: it does not run
`)
	var typed *fault.Error
	if err := p.Err(); !errors.As(err, &typed) || typed.Code != fault.Config || !strings.Contains(
		err.Error(),
		"\"db\" can't be replaced without down-time; nothing was touched\n"+
			"  one\n  two\n  next: go tool mage restart db",
	) || strings.Contains(err.Error(), `"api"`) {
		t.Errorf("got %v", err)
	}
	if err := (Plan{Steps: p.Steps[:1]}).Err(); err != nil {
		t.Errorf("nothing is refused, and %v", err)
	}
}

// TestMadeInARestart: what is made anew when its turn comes is not made by the creation.
func TestMadeInARestart(t *testing.T) {
	p := Plan{Restart: true, Operations: []operation.Operation{
		{
			Kind:    operation.Recreate,
			Service: "web",
			Count:   2,
		}, {Kind: operation.Create, Service: "web", Count: 1}, {Kind: operation.Start, Service: "web", Count: 7},
	}}
	p.Operations = append(p.Operations, operation.Operation{Kind: operation.Create, Service: "db", Count: 5},
		operation.Operation{Kind: operation.Remove, Service: "job", Count: 1})
	if n := p.Made(&types.Project{}, "web"); n != 1 {
		t.Errorf("%d", n)
	}
	if p.Restart = false; p.Made(&types.Project{}, "web") != 3 {
		t.Errorf("%d in a start", p.Made(&types.Project{}, "web"))
	}
}

func TestWhatIsDoneTogether(t *testing.T) {
	for name, c := range map[string]struct {
		o              operation.Operation
		start, restart bool
	}{
		"create":           {operation.Operation{Kind: operation.Create, Service: "a"}, true, true},
		"remove":           {operation.Operation{Kind: operation.Remove, Service: "a"}, true, true},
		"recreate":         {operation.Operation{Kind: operation.Recreate, Service: "a"}, true, false},
		"recreate network": {operation.Operation{Kind: operation.Recreate, Resource: "network a"}, true, true},
		"start":            {operation.Operation{Kind: operation.Start, Service: "a"}, false, false},
		"wait":             {operation.Operation{Kind: operation.Wait, Service: "a"}, false, false},
		"stop":             {operation.Operation{Kind: operation.Stop, Service: "a"}, false, false},
		"roll":             {operation.Operation{Kind: operation.Roll, Service: "a"}, false, false},
	} {
		all := []operation.Operation{c.o}
		for _, p := range []Plan{{Operations: all}, {Operations: all, Restart: true}} {
			want := c.start
			if p.Restart {
				want = c.restart
			}
			if p.Together(c.o) != want || p.Composes() != want {
				t.Errorf("%s, restart %v: %v, %v", name, p.Restart, p.Together(c.o), p.Composes())
			}
		}
	}
}

func TestWhatARestartBringsBackItself(t *testing.T) {
	for name, c := range map[string]struct {
		restart bool
		s       Step
		want    bool
	}{
		"a start":               {false, Step{Do: ActionKeep, Have: 2}, false},
		"one":                   {true, Step{Do: ActionRestart, Have: 1}, false},
		"one is rolled":         {true, Step{Do: ActionRoll, Have: 1}, true},
		"replicas":              {true, Step{Do: ActionReplace, Have: 2}, true},
		"replicas that stopped": {true, Step{Do: ActionStart, Have: 2}, false},
	} {
		if got := (Plan{Restart: c.restart}).RenewsRunning(c.s); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNamed(t *testing.T) {
	all := []operation.Operation{{Service: "db"}, {Resource: "network x"}, {Service: "web"}, {Service: "db"}}
	if got := strings.Join((Plan{Operations: all}).Services(), " "); got != "db web" {
		t.Errorf("got %q", got)
	}
	p := Plan{Steps: []Step{{Service: "a", Stage: 3}, {Service: "b"}}}
	if p.Step("a").Stage != 3 || p.Step("c").Service != "" || strings.Join(p.StepServices(), " ") != "a b" {
		t.Error("a step is another's")
	}
}

// TestAnnounce: a restart says why each service is restarted, unless all are; both say which volumes stay as they are.
func TestAnnounce(t *testing.T) {
	steps := []Step{{Service: "web", Why: "its image changed"}}
	for name, c := range map[string]struct {
		plan Plan
		want string
	}{
		"a start": {Plan{Steps: steps, Kept: []string{"data stays"}}, " ! data stays\n"},
		"a restart": {Plan{Restart: true, Steps: steps, Left: []string{"db"}}, "   web: its image changed\n" +
			"   left alone: db; -all restarts them too\n"},
		"a restart of all": {Plan{Restart: true, All: true, Steps: steps}, ""},
		"nothing": {Plan{Restart: true, Left: []string{"db"}}, "" +
			"   nothing changed in db; -all restarts all the same\n"},
	} {
		var out bytes.Buffer
		if c.plan.Announce(ui.New(&out)); out.String() != c.want {
			t.Errorf("%s: %q, want %q", name, out.String(), c.want)
		}
	}
}

func TestReports(t *testing.T) {
	waits := []Wait{{Service: "db", Optional: true}, {Service: "job", Condition: "service_completed_successfully"}}
	start := Plan{
		CPUs: 2, Kept: []string{"data stays"},
		Operations: []operation.Operation{{Kind: operation.Start, Service: "web"}},
		Steps: []Step{
			{
				Service:  "web",
				Stage:    1,
				Replicas: 2,
				OneShot:  true,
				CPUs:     0.5,
				Do:       ActionStart,
				Why:      "it is down",
				Waits:    waits,
			},
		},
	}.StartReport("shop", []orphan.Container{{Container: "old"}}, true)
	if want := (StartReport{
		Project: "shop", StartsAtOnce: 4, CPUs: 2, RemoveOrphans: true,
		Orphans:    []orphan.Container{{Container: "old"}},
		Kept:       []string{"data stays"},
		Operations: []operation.Operation{{Kind: operation.Start, Service: "web"}}, Steps: []StartStep{{
			Service: "web", Stage: 1, Replicas: 2, Job: true, CPUs: 0.5, Action: "start", Why: "it is down",
			Waits: []StartWait{
				{Service: "db", Condition: "service_started", Optional: true},
				{Service: "job", Condition: "service_completed_successfully"},
			},
		}},
	}); !reflect.DeepEqual(start, want) {
		t.Errorf("got %+v, want %+v", start, want)
	}
	restart := Plan{
		Left:  []string{"db"},
		Steps: []Step{{Service: "web", Have: 2, Do: ActionRoll, Refused: []string{"one"}}},
	}.RestartReport(
		"shop",
	)
	if want := (RestartReport{
		Project: "shop", Left: []string{"db"}, Kept: []string{}, Operations: []operation.Operation{},
		Steps: []RestartStep{{Service: "web", Action: "roll", Replicas: 2, Refused: []string{"one"}}},
	}); !reflect.DeepEqual(restart, want) {
		t.Errorf("got %+v, want %+v", restart, want)
	}
}

func TestWaitText(t *testing.T) {
	for want, w := range map[string]Wait{
		"a is started":            {Service: "a"},
		"a is healthy (optional)": {Service: "a", Condition: "service_healthy", Optional: true},
		"a has completed (optional, restarts with it)": {
			Service: "a", Condition: "service_completed_successfully", Optional: true, Restart: true,
		},
		"a is started (restarts with it)": {Service: "a", Condition: "service_started", Restart: true},
	} {
		if got := w.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestPlacesAreGivenByWhatWaits has starts and probes that all wait for a place of the engine: what the longest
// chain waits for comes first, a start before a probe of the same rank, and all starts before the probes of what
// nobody waits for.
func TestPlacesAreGivenByWhatWaits(t *testing.T) {
	first, second, leaf := Step{Rank: 2}, Step{Rank: 1}, Step{Rank: 0}
	ranks := map[string]int{
		"start first": first.StartRank(), "start second": second.StartRank(), "start leaf": leaf.StartRank(),
		"probe first": first.Rank, "probe second": second.Rank, "probe leaf": leaf.Rank,
	}
	for _, order := range [][2]string{
		{"start first", "probe first"},
		{"start second", "probe second"},
		{"start leaf", "probe leaf"},
		{"start first", "start second"},
		{"probe first", "probe second"},
		{"probe first", "start leaf"},
		{"start second", "probe leaf"},
	} {
		if ranks[order[0]] <= ranks[order[1]] {
			t.Errorf("%s (%d) does not go before %s (%d)", order[0], ranks[order[0]], order[1], ranks[order[1]])
		}
	}
}
