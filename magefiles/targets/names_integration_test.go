//go:build integration

package targets

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
)

// userStack is a folder with a Compose file, in which the compiled targets are run as a user runs them.
type userStack struct {
	t         *testing.T
	dir, name string
	engine    *engine.Engine
	image     string
}

// newUserStack names the project after the test's begin; what is left of it on the engine goes when the test ends.
// services are the lines under services of the Compose file, in which BASE is an image that has a shell, and IMAGE
// all that a service needs.
func newUserStack(t *testing.T, services string) *userStack {
	t.Helper()
	for _, v := range []string{"COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_REMOVE_ORPHANS", "COMPOSE_IGNORE_ORPHANS"} {
		t.Setenv(v, "")
		_ = os.Unsetenv(v)
	}
	e, err := engine.Connect(context.Background())
	if err != nil {
		t.Fatalf("integration tests need an engine: %v", err)
	}
	s := &userStack{
		t: t, dir: t.TempDir(), name: fmt.Sprintf("user-%d", time.Now().UnixNano()), engine: e,
		image: enginetest.Base(t),
	}
	t.Setenv("COMPOSE_PROJECT_NAME", s.name)
	s.file(services)
	t.Cleanup(s.remove)
	return s
}

func (s *userStack) file(services string) {
	s.t.Helper()
	text := "services:\n" + strings.NewReplacer("BASE", s.image, "IMAGE",
		"image: "+s.image+", init: true, stop_grace_period: 1s, command: [sleep, infinity]").Replace(services)
	if err := os.WriteFile(filepath.Join(s.dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// mage runs a command line and gives what it prints; the exit code must be want.
func (s *userStack) mage(want int, line string) string {
	s.t.Helper()
	out, code := run(s.t, s.dir, strings.Fields(line)...)
	if code != want {
		s.t.Errorf("mage %s: exit %d, want %d:\n%s", line, code, want, out)
	}
	return out
}

// containers gives the state of the project's containers by name, without the project's.
func (s *userStack) containers() map[string]string {
	s.t.Helper()
	list, err := s.engine.ContainerList(context.Background(), client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", "com.docker.compose.project="+s.name),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range list.Items {
		out[strings.TrimPrefix(c.Names[0], "/"+s.name+"-")] = string(c.State)
	}
	return out
}

func (s *userStack) want(states string) {
	s.t.Helper()
	if got := fmt.Sprint(s.containers()); got != "map["+states+"]" {
		s.t.Errorf("containers %s, want %s", got, states)
	}
}

func (s *userStack) remove() {
	ctx := context.Background()
	for name := range s.containers() {
		o := client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}
		_, _ = s.engine.ContainerRemove(ctx, s.name+"-"+name, o)
	}
	_, _ = s.engine.NetworkRemove(ctx, s.name+"_default", client.NetworkRemoveOptions{})
}

func TestIntegrationEmptyAndAmbiguousNamesStopNothing(t *testing.T) {
	s := newUserStack(t, "  web: {IMAGE}\n  build: {IMAGE}\n  smoke: {IMAGE, profiles: [ci]}\n")
	s.mage(0, "start -services=web,build,smoke")
	for _, args := range [][]string{
		{"stop", ""},
		{"stop", "web", ""},
		{"stop", "-services="},
		{"stop", "-services=,"},
		{"stop", "build"},
		{"stop", "web", "smoke"},
	} {
		if out, code := run(t, s.dir, args...); code != 2 {
			t.Errorf("mage %q: exit %d, want 2:\n%s", args, code, out)
		}
	}
	s.want("build-1:running smoke-1:running web-1:running")
	s.mage(0, "stop -services=build")
	s.mage(0, "stop -services=smoke")
	s.want("build-1:exited smoke-1:exited web-1:running")
}

var nextCommand = regexp.MustCompile(`next: go tool mage (.*)`)

// What start, status and monitor say of an orphan names a command; that command is run here, and helps.
func TestIntegrationAdviceOnOrphansHelps(t *testing.T) {
	s := newUserStack(t, "  app: {IMAGE}\n  old: {IMAGE, volumes: [/kept]}\n  ended: {IMAGE}\n")
	s.mage(0, "start")
	s.mage(0, "stop ended")
	oneOff, err := s.engine.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: s.name + "-app-run-1",
		Config: &container.Config{Image: s.image, Cmd: []string{"true"}, Labels: map[string]string{
			"com.docker.compose.project": s.name, "com.docker.compose.service": "gone",
			"com.docker.compose.oneoff": "True",
		}},
	})
	if err != nil {
		t.Fatal(oneOff, err)
	}
	old, err := s.engine.ContainerInspect(t.Context(), s.name+"-old-1", client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kept := old.Container.Mounts[0].Name
	t.Cleanup(func() { _, _ = s.engine.VolumeRemove(context.Background(), kept, client.VolumeRemoveOptions{}) })
	s.file("  app: {IMAGE}\n")
	next := ""
	for _, line := range []string{"start", "status", "monitor"} {
		out := s.mage(0, line)
		m := nextCommand.FindStringSubmatch(out)
		if m == nil || !strings.Contains(out, "old") || next != "" && m[1] != next {
			t.Errorf("mage %s says nothing of the orphan, or not what helps (%q):\n%s", line, next, out)
		} else {
			next = m[1]
		}
	}
	s.want("app-1:running app-run-1:created ended-1:exited old-1:running")
	if out := s.mage(0, "start -dry-run -remove-orphans"); !strings.Contains(out,
		"first: remove the orphan "+s.name+"-old-1 of service old") {
		t.Errorf("the plan has no orphan:\n%s", out)
	}
	out := s.mage(0, next)
	s.want("app-1:running app-run-1:created")
	if _, err := s.engine.VolumeInspect(t.Context(), kept, client.VolumeInspectOptions{}); err != nil ||
		!strings.Contains(out, kept) {
		t.Errorf("the volume without a name is gone or not named: %v\n%s", err, out)
	}
	if out := s.mage(0, "status"); strings.Contains(out, "left of") {
		t.Errorf("an orphan after all:\n%s", out)
	}
}

// COMPOSE_REMOVE_ORPHANS and COMPOSE_IGNORE_ORPHANS count from .env too, as for docker compose's command.
func TestIntegrationOrphanVariables(t *testing.T) {
	s := newUserStack(t, "  app: {IMAGE}\n  old: {IMAGE}\n")
	s.mage(0, "start")
	s.file("  app: {IMAGE}\n")
	env := filepath.Join(s.dir, ".env")
	write := func(text string) {
		if err := os.WriteFile(env, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("COMPOSE_IGNORE_ORPHANS=1\n")
	for _, line := range []string{"start", "status"} {
		if out := s.mage(0, line); strings.Contains(out, "old") {
			t.Errorf("mage %s names an orphan that is to be ignored:\n%s", line, out)
		}
	}
	if out := s.mage(2, "start -remove-orphans"); !strings.Contains(out, "COMPOSE_IGNORE_ORPHANS") {
		t.Errorf("got:\n%s", out)
	}
	write("COMPOSE_REMOVE_ORPHANS=yes please\n")
	s.mage(0, "start")
	s.want("app-1:running old-1:running")
	write("COMPOSE_REMOVE_ORPHANS=y\n")
	s.mage(0, "start -remove-orphans=false")
	s.want("app-1:running old-1:running")
	s.mage(0, "start")
	s.want("app-1:running")
}

// Everything that the engine has is in monitor -disk, with its project.
func TestIntegrationDiskListsTheProject(t *testing.T) {
	s := newUserStack(t, "  app: {IMAGE}\n")
	s.mage(0, "start")
	mine := s.name + "_mine"
	labels := map[string]string{"com.docker.compose.project": s.name}
	o := client.VolumeCreateOptions{Name: mine, Labels: labels}
	if _, err := s.engine.VolumeCreate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.engine.VolumeRemove(context.Background(), mine, client.VolumeRemoveOptions{}) })
	out := s.mage(0, "monitor -disk")
	for _, want := range []string{
		`image +\S*bookworm-slim.* ` + s.name, `container +` + s.name + `-app-1 +\S+ +` + s.name, `volume +` + mine +
			` +\S+ +` + s.name,
		`network +` + s.name + `_default +- +` + s.name + ` +` + s.name + `-app-1`, `cache +engine's build cache`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s is not in:\n%s", want, out)
		}
	}
}
