package buildplan

import (
	"strings"
	"testing"
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
			"  a: {build: {context: ., additional_contexts: {x: \"service:b\"}}}\n  b: {build: {context: ., additional_contexts: {y: \"service:a\"}}}\n",
			`building "a": the additional contexts need each other: a → b → a`,
		},
		"itself": {
			"  a: {build: {context: ., additional_contexts: {x: \"service:a\"}}}\n",
			`building "a": the additional contexts need each other: a → a`,
		},
	} {
		_, _, err := plan(t, Options{}, "compose.yaml", "name: demo\nservices:\n"+c.services, "Dockerfile", "FROM scratch")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}
