package extension

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// model is a project with what Check says of it.
type model struct {
	Project *types.Project
	Notices []string
}

// loaded checks the project of a Compose file's text. Where the text would have a file:line, errors have the path
// that is looked up.
func loaded(t *testing.T, text string) (*model, error) {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: t.TempDir(), ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: []byte(text)}},
	}, func(o *loader.Options) { o.SetProjectName("shop", true) })
	if err != nil {
		t.Fatal(err)
	}
	notices, err := Check(p, func(path []string) string { return strings.Join(path, ".") })
	return &model{p, notices}, err
}

func TestExtensionIsRead(t *testing.T) {
	m, err := loaded(t, `
x-compose-mage:
  smoke: {service: a, command: [/learner, -n, 1], timeout: 90s, at-least: {ratio: 0.85, answers: 1}}
  needs: {memory: 8g}
services:
  a: {image: x, x-compose-mage: {runtime: [go, python]}, secrets: [s]}
  b: {image: x, x-compose-mage: {runtime: java}, x-runtime: nodejs20}
  c: {image: x, x-compose-mage: }
secrets:
  s: {file: ./s, x-compose-mage: {generate: "{hex:8}"}}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Smoke{
		Service: "a", Command: []string{"/learner", "-n", "1"}, Timeout: 90 * time.Second,
		AtLeast: map[string]float64{"ratio": 0.85, "answers": 1},
	}
	if got, ok := SmokeTest(m.Project); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("smoke test %+v (%t), want %+v", got, ok, want)
	}
	for service, want := range map[string]string{"a": "go python", "b": "java", "c": ""} {
		if got := strings.Join(Runtimes(m.Project.Services[service]), " "); got != want {
			t.Errorf("runtimes of %s: %q, want %q", service, got, want)
		}
	}
	if got, ok := Generated(m.Project.Secrets["s"]); !ok || got != "{hex:8}" {
		t.Errorf("generated %q (%t)", got, ok)
	}
	if len(m.Notices) > 0 {
		t.Errorf("notices %q", m.Notices)
	}
}

func TestOldKeysWorkAndSayTheNewOnes(t *testing.T) {
	m, err := loaded(t, `
x-smoke: {service: a, command: [/learner], at-least: {ratio: 1}}
services:
  a: {image: x, x-runtime: [go, python], secrets: [s, empty]}
  b: {image: x, x-runtime: java}
secrets:
  s: {file: ./s, x-generate: "API{hex:6}: {hex:32}"}
  empty: {file: ./e, x-generate: ""}
`)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := SmokeTest(m.Project); !ok {
		t.Error("no smoke test")
	}
	if got := Runtimes(m.Project.Services["a"]); !slices.Equal(got, []string{"go", "python"}) {
		t.Errorf("runtimes of a: %q", got)
	}
	for _, name := range []string{"s", "empty"} {
		if _, ok := Generated(m.Project.Secrets[name]); !ok {
			t.Errorf("%s is not generated", name)
		}
	}
	want := []string{
		"x-runtime (a, b) is spelled x-compose-mage: {runtime: […]} now; the old key still works",
		"x-generate (empty, s) is spelled x-compose-mage: {generate: …} now; the old key still works",
		"x-smoke (top level) is spelled x-compose-mage: {smoke: …} now; the old key still works",
	}
	if !slices.Equal(m.Notices, want) {
		t.Errorf("notices:\n%s", strings.Join(m.Notices, "\n"))
	}
}

// What has our old keys' names and is somebody else's is left alone, without an error (case foreign-x-runtime).
func TestForeignKeysAreLeftAlone(t *testing.T) {
	m, err := loaded(t, `
x-smoke: true
x-runtime: nodejs20
services:
  a: {image: x, x-runtime: {name: nodejs, version: 20}, secrets: [s, u, n]}
  b: {image: x, x-runtime: nodejs20.x}
  c: {image: x, x-runtime: [1, 2]}
  d: {image: x, x-runtime: [go, runc]}
  e: {image: x, x-runtime: }
secrets:
  s: {file: ./s, x-generate: "pwgen -s 32"}
  u: {file: ./u, x-generate: "{uuid}"}
  n: {file: ./n, x-generate: {length: 20}}
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range m.Project.Services {
		if got := Runtimes(s); len(got) > 0 {
			t.Errorf("runtimes of %s: %q", name, got)
		}
	}
	for name, s := range m.Project.Secrets {
		if got, ok := Generated(s); ok {
			t.Errorf("%s would be generated from %q", name, got)
		}
	}
	if _, ok := SmokeTest(m.Project); ok {
		t.Error("a smoke test")
	}
	for _, n := range m.Notices {
		if !strings.Contains(n, "left alone") {
			t.Errorf("notice %q", n)
		}
	}
	for _, x := range []string{"{url: http://x}", "{service: a}", "[a, b]", "{service: a, command: [x], retries: 3}"} {
		if m, err := loaded(t, "x-smoke: "+x+"\nservices: {a: {image: x}}\n"); err != nil {
			t.Errorf("x-smoke: %s: %v", x, err)
		} else if _, ok := SmokeTest(m.Project); ok {
			t.Errorf("x-smoke: %s is taken for ours", x)
		}
	}
}

func TestMistakesNameThePath(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{
			"services:\n  a:\n    image: x\n    x-compose-mage:\n      runtme: go\n",
			`services.a.x-compose-mage.runtme: service "a": unknown key "runtme" in x-compose-mage (did you mean ` +
				`"runtime"?)`,
		},
		{
			"services:\n  a:\n    image: x\n    x-compose-mage:\n      runtime: [pyton]\n",
			`services.a.x-compose-mage.runtime: service "a": unknown runtime "pyton" (did you mean "python"?)`,
		},
		{
			"services:\n  a:\n    image: x\n    x-compose-mage: go\n",
			`services.a.x-compose-mage: service "a": x-compose-mage is a map of keys, not go`,
		},
		{
			"services: {a: {image: x, profiles: [p]}, b: {image: x}}\nx-compose-mage: {smoek: {}}\n",
			`x-compose-mage.smoek: unknown key "smoek" in x-compose-mage (did you mean "smoke"?)`,
		},
		{
			"services: {a: {image: x}}\nx-compose-mage:\n  smoke:\n    service: a\n    comand: [x]\n",
			`x-compose-mage.smoke.comand: unknown key "comand" in x-compose-mage.smoke (did you mean "command"?)`,
		},
		{
			"services: {a: {image: x}}\nx-compose-mage:\n  smoke: {service: a}\n",
			`x-compose-mage.smoke: x-compose-mage.smoke needs a service and a command`,
		},
		{
			"services: {a: {image: x}}\nx-compose-mage:\n  smoke: {service: a, command: [x], timeout: soon}",
			"x-compose-mage: x-compose-mage: ",
		},
		{
			"services: {a: {image: x}}\nx-compose-mage:\n  smoke: {service: a, command: [x], at-least: {ratio: much}}",
			"x-compose-mage: x-compose-mage: ",
		},
		{
			"services: {a: {image: x, volumes: [\"data:/v\"]}}\nvolumes:\n  data: {x-compose-mage: {keep: true}}\n",
			`volumes.data.x-compose-mage.keep: volume "data": unknown key "keep"`,
		},
		{
			"services: {a: {image: x, secrets: [s]}}\nsecrets:\n  s: {file: s, x-compose-mage: {genrate: x}}\n",
			`(did you mean "generate"?)`,
		},
		{
			"services:\n  z: {image: x, profiles: [p], x-compose-mage: {runtme: go}}\n  a: {image: x}\n",
			`services.z.x-compose-mage.runtme: service "z": unknown key "runtme"`,
		},
	} {
		_, err := loaded(t, c.text)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Config || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestHealedServices(t *testing.T) {
	m, err := loaded(t, `
services:
  a: {image: x, x-compose-mage: {heal: true}}
  b: {image: x, x-compose-mage: {heal: false}}
  c: {image: x}
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": true, "b": false, "c": false} {
		if got := Healed(m.Project.Services[name]); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for text, want := range map[string]string{
		"{heal: often}": "x-compose-mage: ", "{heals: true}": `"heals" in x-compose-mage (did you mean "heal"?)`,
	} {
		_, err := loaded(t, "services:\n  a: {image: x, x-compose-mage: "+text+"}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
