package buildplan

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/compose"
)

func TestEqualBuildSectionsAreBuiltOnce(t *testing.T) {
	var many strings.Builder
	for i := range 20 {
		fmt.Fprintf(&many, "  s%02d: {image: sentry-local, build: {context: ., args: {A: \"1\"}}}\n", i)
	}
	for name, c := range map[string]struct{ services, want string }{
		"one image":      {many.String(), "20 services, label s00: sentry-local"},
		"several images": {"  a: {build: .}\n  b: {build: .}\n", "2 services, label a: demo-a demo-b"},
		"tags": {
			"  a: {build: {context: ., tags: [x]}}\n  b: {build: {context: ., tags: [y, x]}}\n",
			"2 services, label a: demo-a x demo-b y",
		},
		"another argument": {"  a: {image: i, build: {context: ., args: {A: 1}}}\n  b: {image: i, build: " +
			"{context: ., args: {A: 2}}}\n", "1 services, label a: i\n1 services, label b: i"},
		"another platform": {
			"  a: {build: .}\n  b: {build: ., platform: linux/386}\n",
			"1 services, label a: demo-a\n1 services, label b: demo-b",
		},
		"another spelling": {
			"  a: {build: .}\n  b: {build: {context: ./, dockerfile: Dockerfile}}\n",
			"2 services, label a: demo-a demo-b",
		},
		"one that is needed": {"  a: {build: .}\n  b: {build: .}\n  c: {build: {context: ., additional_contexts: " +
			"{x: \"service:b\"}}}\n", "2 services, label a: demo-a demo-b\n1 services, label c: demo-c"},
		"an inactive profile": {"  a: {build: ., profiles: [p]}\n  b: {build: .}\n", "1 services, label a: demo-b"},
	} {
		p, _,
			err := plan(t, Options{}, "compose.yaml", "name: demo\nservices:\n"+c.services, "Dockerfile",
			"FROM scratch")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, target := range p.Targets {
			got = append(got,
				fmt.Sprintf("%d services, label %s: %s", len(target.Services), target.Key,
					strings.Join(target.Names, " ")))
			if target.CacheImage != "demo/"+target.Key {
				t.Errorf("%s: cached as %s", name, target.CacheImage)
			}
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, text, c.want)
		}
	}
}

func TestOneOfEqualServicesHasTheImageOfAll(t *testing.T) {
	_, dir,
		err := plan(t, Options{}, "compose.yaml", "name: demo\nservices:\n  a: {build: .}\n  b: {build: .}\n",
		"Dockerfile", "FROM scratch")
	if err != nil {
		t.Fatal(err)
	}
	s, err := compose.Load(t.Context(), compose.Request{Dir: dir, Services: []string{"b"}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Make(s.Project, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Targets[0]; len(p.Targets) != 1 || got.Service != "b" || got.Key != "a" ||
		strings.Join(got.Names, " ") != "demo-b" {
		t.Errorf("got %+v", p.Targets)
	}
}

func TestPlatforms(t *testing.T) {
	for _, c := range []struct {
		listed, service, preset string
		push                    bool
		option                  string
		want                    string // beginning with "error" for one
	}{
		{want: ""},
		{service: "linux/386", want: "linux/386"},
		{preset: "linux/386", want: "linux/386"},
		{preset: "linux/386", service: "linux/arm64", want: "linux/arm64"},
		{listed: "linux/386", want: "linux/386"},
		{listed: "linux/386 linux/amd64", want: ""},
		{listed: "linux/386 linux/amd64", service: "linux/amd64", want: "linux/amd64"},
		{listed: "linux/386 linux/amd64", push: true, want: "linux/386,linux/amd64"},
		{listed: "linux/386 linux/amd64", service: "linux/amd64", push: true, want: "linux/386,linux/amd64"},
		{listed: "linux/386 linux/amd64", push: true, option: "linux/arm64", want: "linux/arm64"},
		{service: "linux/386", push: true, want: "linux/386"},
		{listed: "linux/386", service: "linux/amd64", want: "error"},
		{listed: "linux/386", preset: "linux/amd64", want: "error"},
	} {
		service := types.ServiceConfig{Name: "a"}
		service.Platform, service.Build = c.service, &types.BuildConfig{Platforms: strings.Fields(c.listed)}
		project := &types.Project{Environment: types.Mapping{"DOCKER_DEFAULT_PLATFORM": c.preset}}
		got, err := platform(project, service, Options{Push: c.push, Platforms: c.option})
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

func TestPlanTakesALowerCaseDockerfile(t *testing.T) {
	p, _, err := plan(t, Options{}, "compose.yaml", "services: {api: {build: .}}", "dockerfile", "FROM scratch")
	if err != nil || !strings.HasSuffix(p.Targets[0].Dockerfile, "dockerfile") {
		t.Errorf("got %+v, %v", p.Targets, err)
	}
}

func TestPlanRefusesANetworkThatBuildKitHasNot(t *testing.T) {
	_, _,
		err := plan(t, Options{}, "compose.yaml", "services: {api: {build: {context: ., network: bridge}}}",
		"Dockerfile", "FROM scratch")
	if err == nil || !strings.Contains(err.Error(), `building "api": build.network "bridge"`) {
		t.Errorf("got %v", err)
	}
}

func TestARemoteContextMayHaveADockerfileOfThisMachine(t *testing.T) {
	file := t.TempDir() + "/Dockerfile"
	if err := os.WriteFile(file, []byte("FROM scratch\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, _,
		err := plan(t, Options{}, "compose.yaml",
		"services: {api: {build: {context: \"https://example.com/x.git\", dockerfile: "+file+"}}}")
	if err != nil || p.Targets[0].Inline != "FROM scratch\n" {
		t.Errorf("got %+v, %v", p.Targets, err)
	}
}

func TestDefinitionIsAllButTheNames(t *testing.T) {
	service := func(change func(*types.ServiceConfig)) types.ServiceConfig {
		s := types.ServiceConfig{Name: "a"}
		s.Image = "i"
		s.Build = &types.BuildConfig{Context: ".", Tags: []string{"x"}}
		if change != nil {
			change(&s)
		}
		return s
	}
	one := service(nil)
	for name, c := range map[string]struct {
		change func(*types.ServiceConfig)
		push   bool
		same   bool
	}{
		"another name": {
			func(s *types.ServiceConfig) { s.Name, s.Image, s.Build.Tags = "b", "j", nil },
			false, true,
		},
		"another name, pushed":   {func(s *types.ServiceConfig) { s.Name, s.Image = "b", "j" }, true, true},
		"no image":               {func(s *types.ServiceConfig) { s.Image = "" }, false, true},
		"no image, not pushed":   {func(s *types.ServiceConfig) { s.Image = "" }, true, false},
		"another platform":       {func(s *types.ServiceConfig) { s.Platform = "linux/386" }, false, false},
		"another target":         {func(s *types.ServiceConfig) { s.Build.Target = "t" }, false, false},
		"nothing that is built":  {func(s *types.ServiceConfig) { s.Build = nil }, false, false},
		"nothing of another one": {func(s *types.ServiceConfig) { s.Build, s.Name = nil, "b" }, false, false},
	} {
		o := Options{Push: c.push}
		if got := definition(service(c.change), o) == definition(one, o); got != c.same {
			t.Errorf("%s: the same %v", name, got)
		}
	}
	nothing := types.ServiceConfig{Name: "a"}
	if definition(nothing, Options{}) == definition(types.ServiceConfig{Name: "b"}, Options{}) {
		t.Error("two services that are not built are one image")
	}
}

func TestMergeOfNoDisabledService(t *testing.T) {
	project := &types.Project{Services: types.Services{}}
	for _, name := range []string{"b", "a"} {
		s := types.ServiceConfig{Name: name}
		s.Image = "i"
		s.Build = &types.BuildConfig{Context: "."}
		project.Services[name] = s
	}
	p := Plan{Project: "P", Targets: []Target{
		{Service: "b", Services: []string{"b"}, Names: []string{"i", "x"}},
		{Service: "a", Services: []string{"a"}, Names: []string{"i", "y"}},
	}}
	p.merge(project, Options{})
	if len(p.Targets) != 1 || p.Targets[0].Key != "a" || strings.Join(p.Targets[0].Names, " ") != "i x y" ||
		strings.Join(p.Targets[0].Services, " ") != "b a" {
		t.Errorf("got %+v", p.Targets)
	}
}
