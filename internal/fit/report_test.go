package fit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/extension"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// parse gives the project of a Compose file's text.
func parse(t *testing.T, text string) *types.Project {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: t.TempDir(), ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: []byte(text)}},
	}, func(o *loader.Options) { o.SetProjectName("shop", true) })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTiersFollowMemory(t *testing.T) {
	if got := strings.Join(Tiers(), " "); got != "32g 16g 8g" {
		t.Errorf("the tiers are %s", got)
	}
	for name, want := range map[string]int64{"32g": 28 << 30, "16g": 14 << 30, "8g": 0, "": 0} {
		if got := TierFloor(name); got != want {
			t.Errorf("%q is for %d bytes and more, want %d", name, got, want)
		}
	}
	for gib, want := range map[int64]string{
		4: "8g", 8: "8g", 13: "8g", 14: "16g", 15: "16g", 16: "16g", 23: "16g", 28: "32g", 31: "32g", 64: "32g",
	} {
		if got := TierFor(gib << 30); got != want {
			t.Errorf("%d GiB: got %q, want %q", gib, got, want)
		}
	}
}

func TestHandSetValueWins(t *testing.T) {
	p := parse(t, `services:
  a:
    image: x
    x-compose-mage: {runtime: [openmp, go, java, node]}
    environment: {OMP_NUM_THREADS: "3", GOMEMLIMIT: 100MiB}
    deploy: {resources: {limits: {cpus: "4", memory: 1G}}}
`)
	changes := Fit(p, engine.Machine{CPUs: 2, Memory: 8 << 30})
	env := p.Services["a"].Environment
	const fitted = "a: fitted deploy.resources.limits.cpus, environment.GOMAXPROCS: not set -> 2, "
	if !strings.HasPrefix(Sentence(changes), fitted) {
		t.Errorf("got %s", Sentence(changes))
	}
	for key, want := range map[string]string{
		"OMP_NUM_THREADS": "3", "GOMEMLIMIT": "100MiB", "GOMAXPROCS": "2",
		"JAVA_TOOL_OPTIONS": "-Xmx768m -XX:ActiveProcessorCount=2", "NODE_OPTIONS": "--max-old-space-size=768",
	} {
		if env[key] == nil || *env[key] != want {
			t.Errorf("%s is %v, want %q", key, env[key], want)
		}
	}
}

func TestEveryDerivedVariableHasAReason(t *testing.T) {
	for name := range settings(extension.KnownRuntimes(), Resources{CPUs: 2, Memory: 1 << 30}) {
		if reasons[name] == "" {
			t.Errorf("nobody says why %s has its value", name)
		}
	}
}

// TestSettings holds what each runtime gets from the limits, and that there is nothing where there is no limit.
func TestSettings(t *testing.T) {
	both := Resources{CPUs: 1.5, Memory: 1 << 30}
	for name, c := range map[string]struct {
		runtime string
		limits  Resources
		want    string
	}{
		"go":                    {"go", both, "map[GOMAXPROCS:2 GOMEMLIMIT:921MiB]"},
		"go, memory alone":      {"go", Resources{Memory: 1 << 30}, "map[GOMEMLIMIT:921MiB]"},
		"go, CPUs alone":        {"go", Resources{CPUs: 0.1}, "map[GOMAXPROCS:1]"},
		"go, no limit":          {"go", Resources{}, "map[]"},
		"OpenMP":                {"openmp", both, "map[OMP_NUM_THREADS:1]"},
		"OpenMP, part of a CPU": {"openmp", Resources{CPUs: 0.5}, "map[OMP_NUM_THREADS:1]"},
		"OpenMP, no limit":      {"openmp", Resources{Memory: 1 << 30}, "map[]"},
		"python": {
			"python", Resources{}, "map[PYTHONDONTWRITEBYTECODE:1 PYTHONHASHSEED:random PYTHONUNBUFFERED:1]",
		},
		"node":             {"node", both, "map[NODE_OPTIONS:--max-old-space-size=768]"},
		"node, no limit":   {"node", Resources{CPUs: 1}, "map[]"},
		"java":             {"java", both, "map[JAVA_TOOL_OPTIONS:-Xmx768m -XX:ActiveProcessorCount=2]"},
		"java, CPUs alone": {"java", Resources{CPUs: 2}, "map[JAVA_TOOL_OPTIONS:-XX:ActiveProcessorCount=2]"},
		"java, no limit":   {"java", Resources{}, "map[]"},
		"redis":            {"redis", both, "map[REDIS_MAXMEMORY:805306368]"},
		"redis, no limit":  {"redis", Resources{CPUs: 1}, "map[]"},
	} {
		if got := fmt.Sprint(settings([]string{c.runtime}, c.limits)); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// TestHandSetValueFollowsItsLimit: a value that is what the declared limit gives moves with the limit; any other is
// the user's.
func TestHandSetValueFollowsItsLimit(t *testing.T) {
	for value, want := range map[string]string{"4": "2", "3": "3", "2": "2"} {
		p := parse(t, `services: {a: {image: x, x-compose-mage: {runtime: openmp}, environment: {OMP_NUM_THREADS: "`+
			value+`"}, cpus: 4}}`)
		Fit(p, engine.Machine{CPUs: 2, Memory: 8 << 30})
		if got := *p.Services["a"].Environment["OMP_NUM_THREADS"]; got != want {
			t.Errorf("%s became %s, want %s", value, got, want)
		}
	}
	p := parse(t,
		`services: {a: {image: x, x-compose-mage: {runtime: openmp}, environment: {OMP_NUM_THREADS: }, cpus: 4}}`)
	if Fit(p, engine.Machine{CPUs: 2, Memory: 8 << 30}); p.Services["a"].Environment["OMP_NUM_THREADS"] != nil {
		t.Error("a variable that the file takes from the environment is set")
	}
}

func TestOpenFilesAreLimitsOfTheEngine(t *testing.T) {
	const stack = "services: {a: {image: x, ulimits: {nofile: {soft: 1000, hard: 3000}, nproc: 9000}}}"
	for most, want := range map[int64]string{
		0: "{0 1000 3000}", 3000: "{0 1000 3000}", 2000: "{0 1000 2000}", 500: "{0 500 500}",
	} {
		p := parse(t, stack)
		changes := Fit(p, engine.Machine{CPUs: 2, OpenFiles: most})
		u := p.Services["a"].Ulimits
		if got := fmt.Sprintf("{%d %d %d}", u["nofile"].Single, u["nofile"].Soft, u["nofile"].Hard); got != want ||
			u["nproc"].Single != 9000 {
			t.Errorf("of %d: got %s, want %s", most, got, want)
		}
		if (len(changes) > 0) != (want != "{0 1000 3000}") {
			t.Errorf("of %d: %v", most, changes)
		}
	}
}

// TestWhatIsNotKnownOfTheMachineLimitsNothing: an engine that does not tell its memory or its nofile limit.
func TestWhatIsNotKnownOfTheMachineLimitsNothing(t *testing.T) {
	p := parse(t, "services: {a: {image: x, mem_limit: 64g, ulimits: {nofile: 1000000}}}")
	if changes := Fit(p, engine.Machine{CPUs: 2}); len(changes) > 0 {
		t.Errorf("got %v", changes)
	}
}

func TestSentence(t *testing.T) {
	for want, changes := range map[string][]Change{
		"": nil,
		"a: fitted cpus, k: not set -> 1; b: fitted k: 2 -> 1; docker compose's next up makes these containers anew": {
			{"a", "cpus", "4", "2", "the machine's 2"}, {"a", "k", "", "1", ""}, {"b", "k", "2", "1", ""},
		},
	} {
		if got := Sentence(changes); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	got := strings.Join(Notices([]Change{{"a", "cpus", "4", "2", "the machine's 2"}, {"a", "k", "", "1", ""}}), "\n")
	if want := "a: cpus 4 is above the machine's 2, clamped to 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestExplain prints what fitting makes of a stack that asks for more than the machine has, and of one that does not.
func TestExplain(t *testing.T) {
	const stack = `services:
  api:
    image: api
    x-compose-mage: {runtime: go}
    environment: {GOMEMLIMIT: 100MiB}
    scale: 3
    mem_limit: 1g
    mem_reservation: 900m
    cpus: 1
  db: {image: db, deploy: {resources: {reservations: {memory: 8g, cpus: "3"}}}}
`
	explained := func(m engine.Machine) (Report, string) {
		p := parse(t, stack)
		given := ResourcesOfAll(p)
		Fit(p, m)
		r := Explain(p, given, m)
		var out bytes.Buffer
		r.Print(ui.New(&out))
		return r, out.String()
	}
	r, text := explained(engine.Machine{CPUs: 2, Memory: 900 << 20, GPU: true})
	for _, want := range []string{
		"tier none: ", "machine: 2 CPUs, 900MiB of memory, an NVIDIA GPU",
		"api      1     1GiB -> 900MiB  -              900MiB\n",
		"db       -     -               3              8GiB\n",
		"api      GOMAXPROCS  1       the cpus limit, rounded up\n",
		"api      GOMEMLIMIT  100MiB  set in the Compose file; the limits would give 810MiB\n",
		"the memory reservations add up to 10.64GiB, above the machine's 900MiB: not all can be met",
		"the cpus reservations add up to 3, above the machine's 2: not all can be met",
		"the memory limits add up to 2.637GiB, above the machine's 900MiB",
		"the cpus limits add up to 3, above the machine's 2",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	if data, err := json.Marshal(r); err != nil ||
		!strings.Contains(string(data), `"machine":{"cpus":2,"memory":943718400,"gpu":true}`) ||
		!strings.Contains(string(data), `"given":{"cpus":1,"memory":1073741824,"reserved_memory":943718400}`) {
		t.Errorf("%v: %s", err, data)
	}
	if r, text := explained(engine.Machine{CPUs: 3, Memory: 11 << 30}); len(r.Warnings) > 0 ||
		!strings.Contains(text, "no GPU") {
		t.Errorf("what the machine has is warned of, or it has a GPU:\n%s", text)
	}
	if r, _ := explained(engine.Machine{}); len(r.Warnings) > 0 {
		t.Errorf("a machine that is not known is exceeded: %v", r.Warnings)
	}
}
