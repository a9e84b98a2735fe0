package buildplan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/25eloquence/compose-mage/internal/buildcache"
	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// plan loads a stack out of names and contents in turn and plans its build.
func plan(t *testing.T, o Options, files ...string) (Plan, string, error) {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := compose.Load(context.Background(), compose.Request{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Make(s.Project, o)
	return p, dir, err
}

func TestPlanReads(t *testing.T) {
	p, dir, err := plan(t, Options{},
		"compose.yaml", `name: demo
services:
  api: {build: .}
  web: {image: example/web:1, build: {context: ., dockerfile: docker/web.Dockerfile, tags: [example/web:latest]}}
  tiny: {build: {context: ., dockerfile_inline: "FROM scratch"}}
  far: {build: {context: "https://example.com/repo.git"}}
  redis: {image: redis}
`, "Dockerfile", "FROM scratch", "docker/web.Dockerfile", "FROM scratch")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	cache, err := buildcache.Parse("127.0.0.1:5000/")
	if err != nil {
		t.Fatal(err)
	}
	p.Print(&got, cache)
	want := `build demo-api from DIR/Dockerfile, cache 127.0.0.1:5000/demo/api:cache-main
build demo-far from https://example.com/repo.git, cache 127.0.0.1:5000/demo/far:cache-main
build demo-tiny from an inline Dockerfile, cache 127.0.0.1:5000/demo/tiny:cache-main
build example/web:1 from DIR/docker/web.Dockerfile, cache 127.0.0.1:5000/demo/web:cache-main
skip redis: it has no build section
`
	if text := strings.ReplaceAll(got.String(), dir, "DIR"); text != want {
		t.Errorf("got:\n%swant:\n%s", text, want)
	}
	if names := p.Targets[3].Names; strings.Join(names, " ") != "example/web:1 example/web:latest" {
		t.Errorf("names %v", names)
	}
}

func TestPlanRefusesWhatIsNotThere(t *testing.T) {
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"no context": {
			[]string{"compose.yaml", "services: {api: {build: ./nowhere}}"},
			`building "api": build context: `,
		},
		"context is a file": {
			[]string{"compose.yaml", "services: {api: {build: ./file}}", "file", ""},
			`is not a directory`,
		},
		"no Dockerfile": {[]string{
			"compose.yaml", "services: {api: {build: {context: ., dockerfile: Dockerfil.api}}}",
			"Dockerfile.api", "",
		}, `(did you mean "Dockerfile.api"?)`},
	} {
		_, _, err := plan(t, Options{}, c.files...)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Config || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestAPlanShowsNoUserInfo(t *testing.T) {
	var b strings.Builder
	Plan{
		Project: "p",
		Targets: []Target{{
			Service: "app", Names: []string{"p-app"},
			Context: "https://tok3n@github.com/a/b.git",
		}},
	}.Print(&b, buildcache.Cache{})
	if strings.Contains(b.String(), "tok3n") || !strings.Contains(b.String(), "https://…@github.com/a/b.git") {
		t.Errorf("got %s", b.String())
	}
}

func TestPlanRefusesADockerfileThatIsNoFile(t *testing.T) {
	_, _, err := plan(t, Options{}, "compose.yaml", "services: {api: {build: {context: ., dockerfile: d}}}", "d/x", "")
	if err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	_, _, err = plan(t, Options{}, "compose.yaml", "services: {api: {build: {context: ., dockerfile: /dev/null}}}")
	if err == nil || !strings.Contains(err.Error(), "is no regular file") {
		t.Errorf("a device: %v", err)
	}
}

func TestNetworksThatBuildKitHas(t *testing.T) {
	for _, network := range []string{"default", "host", "none", `""`} {
		_, _,
			err := plan(t, Options{}, "compose.yaml", "services: {api: {build: {context: ., network: "+network+"}}}",
			"Dockerfile", "FROM scratch")
		if err != nil {
			t.Errorf("%s: %v", network, err)
		}
	}
}

func TestTitleNamesAllServices(t *testing.T) {
	one, two := Target{Names: []string{"a", "b"}, Services: []string{"a"}},
		Target{Names: []string{"a"}, Services: []string{"a", "b"}}
	if one.Title() != "a" || two.Title() != "a (2 services)" {
		t.Errorf("%q, %q", one.Title(), two.Title())
	}
}

func TestWhatIgnoresTheCache(t *testing.T) {
	for name, c := range map[string]struct {
		build types.BuildConfig
		want  bool
	}{
		"a whole build": {types.BuildConfig{NoCache: true}, true},
		"a stage":       {types.BuildConfig{NoCacheFilter: []string{"x"}}, true},
		"nothing":       {types.BuildConfig{Pull: true}, false},
	} {
		if got := (Target{Build: c.build}).IgnoresCache(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestChoicesOfABuildOrOfItsSection(t *testing.T) {
	section := "services: {api: {build: {context: ., no_cache: true}}, web: {build: {context: ., pull: true}}, db: " +
		"{build: .}}"
	for _, o := range []Options{{}, {NoCache: true}, {Pull: true}} {
		p, _, err := plan(t, o, "compose.yaml", section, "Dockerfile", "FROM scratch")
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range p.Targets {
			if target.Build.NoCache != (o.NoCache || target.Service == "api") ||
				target.Build.Pull != (o.Pull || target.Service == "web") {
				t.Errorf("%+v: %s: no cache %v, pull %v", o, target.Service, target.Build.NoCache, target.Build.Pull)
			}
		}
	}
}

func TestRemoteContextsOfAllKinds(t *testing.T) {
	const remote = `context: "https://example.com/x.git"`
	for name, c := range map[string]struct{ section, want string }{
		"its own Dockerfile": {remote, `"" ""`},
		"one inside":         {remote + ", dockerfile: d/Dockerfile", `"" ""`},
		"an inline one":      {remote + `, dockerfile_inline: "FROM a"`, `"FROM a" ""`},
		"one that is gone":   {remote + ", dockerfile: /nowhere/Dockerfile", "error"},
	} {
		p, _, err := plan(t, Options{}, "compose.yaml", "services: {api: {build: {"+c.section+"}}}")
		got := "error"
		if err == nil {
			got = fmt.Sprintf("%q %q", p.Targets[0].Inline, p.Targets[0].Dockerfile)
		}
		if got != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestProblemsOfEachService(t *testing.T) {
	dir := t.TempDir()
	project := &types.Project{Name: "p", WorkingDir: dir, Services: types.Services{
		"pulled": {Name: "pulled"},
		"gone":   {Name: "gone"}, "fine": {Name: "fine"},
	}}
	for name, build := range map[string]types.BuildConfig{
		"gone": {Context: "gone"},
		"fine": {Context: ".", DockerfileInline: "FROM scratch"},
	} {
		s := project.Services[name]
		s.Build = &build
		project.Services[name] = s
	}
	got := Problems(project)
	if len(got) != 1 || got[0].Service != "gone" || !strings.HasPrefix(got[0].What, "build context: ") {
		t.Errorf("got %+v", got)
	}
}

func TestPlanPrintsWhereItBuildsFrom(t *testing.T) {
	var b bytes.Buffer
	p := Plan{Targets: []Target{
		{
			Names: []string{"a"}, Services: []string{"a"}, Dockerfile: "/x/Dockerfile", CacheImage: "p/a",
			Build: types.BuildConfig{CacheTo: []string{"own"}},
		},
		{Names: []string{"b"}, Services: []string{"b"}, Inline: "FROM x", Dockerfile: "/x/Dockerfile"},
		{Names: []string{"c"}, Services: []string{"c"}, Context: "https://example.com/x.git"},
	}, Pulled: []string{"d"}}
	p.Print(&b, buildcache.Cache{Type: "registry", Prefix: "reg", Branch: "main", Write: true})
	want := "build a from /x/Dockerfile, cache reg/p/a:cache-main and own\nbuild b from an inline Dockerfile, cache " +
		"reg/:cache-main\n" +
		"build c from https://example.com/x.git, cache reg/:cache-main\nskip d: it has no build section\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
