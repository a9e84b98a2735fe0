package image

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

func TestPlanTakesInWhatIsNeeded(t *testing.T) {
	p, _, err := plan(t, PlanOptions{}, "compose.yaml", `name: demo
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
		_, _, err := plan(t, PlanOptions{}, "compose.yaml", "name: demo\nservices:\n"+c.services, "Dockerfile", "FROM scratch")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestSecretsOfWhatIsNeededAreOnOfferToo(t *testing.T) {
	env := Environment{Secrets: types.Secrets{"one": {Content: "1"}, "two": {Content: "2"}}}
	with := func(source, target string) Target {
		return Target{Service: source, Build: types.BuildConfig{Secrets: []types.ServiceSecretConfig{{Source: source, Target: target}}}}
	}
	app := with("one", "token")
	app.Needs = map[string]Target{"base": with("two", "")}
	got, err := app.secrets(env)
	if err != nil || string(got["token"]) != "1" || string(got["two"]) != "2" || len(got) != 2 {
		t.Errorf("got %q, error %v", got, err)
	}
	app.Needs["base"] = with("two", "token")
	if _, err := app.secrets(env); err == nil || !strings.Contains(err.Error(), `build secret "token" is another one in "two"`) {
		t.Errorf("two secrets of one name: %v", err)
	}
}
