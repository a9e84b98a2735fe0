package image

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/compose"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// plan loads a stack out of names and contents in turn and plans its build.
func plan(t *testing.T, o PlanOptions, files ...string) (Plan, string, error) {
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
	p, err := MakePlan(s.Project, o)
	return p, dir, err
}

func TestPlanReads(t *testing.T) {
	p, dir, err := plan(t, PlanOptions{},
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
	cache, err := ReadCache("127.0.0.1:5000/")
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
		_, _, err := plan(t, PlanOptions{}, c.files...)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Config || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestAttributesCarryArgsAndLabels(t *testing.T) {
	t.Setenv("FROM_ENV", "2")
	p, _, err := plan(t, PlanOptions{NoCache: true}, "compose.yaml", `name: demo
services:
  api:
    build: {context: ., target: final, network: host, args: {A: "1", FROM_ENV: null, UNSET: null}, labels: {own: x}, extra_hosts: ["h:1.2.3.4"]}
`, "Dockerfile", "FROM scratch")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"HTTPS_PROXY": "http://proxy:3128"}
	got := p.Targets[0].attributes("demo", Environment{Lookup: func(k string) (string, bool) { v, ok := env[k]; return v, ok }})
	for key, want := range map[string]string{
		"filename": "Dockerfile", "target": "final", "build-arg:A": "1", "build-arg:FROM_ENV": "2", "build-arg:HTTPS_PROXY": "http://proxy:3128",
		"label:own": "x", "label:com.docker.compose.project": "demo", "label:com.docker.compose.service": "api",
		"force-network-mode": "host", "add-hosts": "h=1.2.3.4", "no-cache": "",
	} {
		if have, ok := got[key]; !ok || have != want {
			t.Errorf("%s is %q, want %q", key, have, want)
		}
	}
	if _, ok := got["build-arg:UNSET"]; ok {
		t.Error("an unset argument is passed")
	}
}

func TestCacheEntries(t *testing.T) {
	e := cacheEntry("type=gha,scope=main")
	if e.Type != "gha" || e.Attrs["scope"] != "main" {
		t.Errorf("got %+v", e)
	}
	if e = cacheEntry("ghcr.io/org/app:cache"); e.Type != "registry" || e.Attrs["ref"] != "ghcr.io/org/app:cache" {
		t.Errorf("got %+v", e)
	}
}

func TestStepsAreWhatTheDockerfileSays(t *testing.T) {
	r := newRecorder("app", nil)
	for name, want := range map[string]bool{
		"[app 2/3] RUN true": true, "[app stage-1 2/3] COPY . .": true, "[app linux/arm64 build 10/12] RUN x": true,
		"[app internal] load build context": false, "[app 1/3] FROM debian": false, "[app] exporting to image": false,
		"[app context lib] load from client": false, "[app context lib] load .dockerignore": false, "[app context 1/2] RUN a stage of that name": true,
		"[other 2/3] RUN true": false,
	} {
		if got := r.ofDockerfile(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
