package buildplan

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func TestPlanTakesInWhatIsNeeded(t *testing.T) {
	p, _, err := plan(t, Options{}, "compose.yaml", `name: demo
services:
  app: {build: {context: ., additional_contexts: {base: "service:lib"}}}
  lib: {profiles: [none], build: {context: ., additional_contexts: {deep: "service:deeper"}}}
  deeper: {profiles: [none], build: .}
  other: {profiles: [none], build: .}
`, "Dockerfile", "FROM scratch")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, target := range p.Targets {
		names = append(names, target.Service)
	}
	if got := strings.Join(names, " "); got != "app lib deeper" {
		t.Errorf("built: %s", got)
	}
	app := p.Targets[0]
	if got := app.Needs["base"].Needs["deep"].Service; got != "deeper" || len(app.Needs) != 1 {
		t.Errorf("app needs %+v", app.Needs)
	}
}

func TestPlanRefusesNeedsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct{ services, want string }{
		"circle": {
			"  a: {build: {context: ., additional_contexts: {x: \"service:b\"}}}\n  b: {build: {context: ., " +
				"additional_contexts: {y: \"service:a\"}}}\n",
			`building "a": the additional contexts need each other: a → b → a`,
		},
		"itself": {
			"  a: {build: {context: ., additional_contexts: {x: \"service:a\"}}}\n",
			`building "a": the additional contexts need each other: a → a`,
		},
	} {
		_, _,
			err := plan(t, Options{}, "compose.yaml", "name: demo\nservices:\n"+c.services, "Dockerfile",
			"FROM scratch")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// A service that is needed and has no build section is the loader's to refuse; a circle is told once, whichever
// service it is seen from.
func TestWhatIsNeededAndIsNotBuilt(t *testing.T) {
	build := func(needs ...string) *types.BuildConfig {
		b := &types.BuildConfig{Context: ".", AdditionalContexts: types.Mapping{"dir": "./x"}}
		for _, n := range needs {
			b.AdditionalContexts[n] = "service:" + n
		}
		return b
	}
	service := func(name string, b *types.BuildConfig) types.ServiceConfig {
		s := types.ServiceConfig{Name: name}
		s.Build = b
		return s
	}
	project := &types.Project{
		Services: types.Services{
			"app": service("app", build("lib", "pulled")),
			"web": service("web", build("lib")),
		},
		DisabledServices: types.Services{
			"lib": service("lib", build("app")), "pulled": service("pulled", nil),
			"other": service("other", build()),
		},
	}
	var names []string
	for _, s := range withNeeded(project) {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "app web lib" {
		t.Errorf("got %s", got)
	}
	p := Plan{Targets: []Target{
		{Service: "app", Services: []string{"app", "also"}, Build: *build("pulled")},
		{Service: "web", Services: []string{"web"}, Build: *build("app")},
		{Service: "two", Services: []string{"two"}, Build: *build("also")},
	}}
	problems := p.attach()
	if len(problems) != 1 ||
		!strings.Contains(problems[0].Error(),
			`building "app": additional context "pulled": service "pulled" is not built`) {
		t.Errorf("got %v", problems)
	}
	p.Targets[0].Build = *build()
	if problems := p.attach(); len(problems) != 0 || p.Targets[1].Needs["app"].Service != "app" ||
		p.Targets[2].Needs["also"].Service != "app" {
		t.Errorf("got %v, %+v", problems, p.Targets)
	}
}
