package buildplan

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		"no context":        {[]string{"compose.yaml", "services: {api: {build: ./nowhere}}"}, `building "api": build context: `},
		"context is a file": {[]string{"compose.yaml", "services: {api: {build: ./file}}", "file", ""}, `is not a directory`},
		"no Dockerfile":     {[]string{"compose.yaml", "services: {api: {build: {context: ., dockerfile: Dockerfil.api}}}", "Dockerfile.api", ""}, `(did you mean "Dockerfile.api"?)`},
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
	Plan{Project: "p", Targets: []Target{{Service: "app", Names: []string{"p-app"}, Context: "https://tok3n@github.com/a/b.git"}}}.Print(&b, buildcache.Cache{})
	if strings.Contains(b.String(), "tok3n") || !strings.Contains(b.String(), "https://…@github.com/a/b.git") {
		t.Errorf("got %s", b.String())
	}
}
