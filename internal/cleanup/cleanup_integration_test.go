//go:build integration

package cleanup

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// stack is a project on the real engine, with everything that a cleanup could meet.
type stack struct {
	t    *testing.T
	e    *engine.Engine
	name string

	oldImage, image, v1Image string // IDs
	web, oneOff, orphan      string // container IDs
	usedNet, deadNet         string // network IDs
	volume                   string
}

func build(t *testing.T, e *engine.Engine, name string) *stack {
	s := &stack{t: t, e: e, name: name, volume: name + "_data"}
	mark := map[string]string{labelProject: name}
	s.oldImage = enginetest.Image(t, e, name+"/web:latest", mark)
	s.image = enginetest.Image(t, e, name+"/web:latest", mark) // takes the name: the first is untagged now
	s.v1Image = enginetest.Image(t, e, name+"/web:v1", mark)
	s.usedNet, s.deadNet = s.network("default"), s.network("dead")
	if _, err := e.VolumeCreate(t.Context(), client.VolumeCreateOptions{Name: s.volume, Labels: map[string]string{labelProject: name, labelVolume: "data", labelHolds: "data"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = e.VolumeRemove(context.Background(), s.volume, client.VolumeRemoveOptions{Force: true})
	})
	s.web = s.container("web", "False", "sleep", true)
	s.oneOff = s.container("web", "True", "exit 0", true)
	s.orphan = s.container("gone", "False", "exit 0", true)
	for _, id := range []string{s.oneOff, s.orphan} {
		wait := e.ContainerWait(t.Context(), id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case <-wait.Result:
		case err := <-wait.Error:
			t.Fatal(err)
		}
	}
	return s
}

func (s *stack) network(key string) string {
	return enginetest.Network(s.t, s.e, s.name+"_"+key, map[string]string{labelProject: s.name})
}

func (s *stack) container(service, oneOff, cmd string, start bool) string {
	return enginetest.Container(s.t, s.e, s.name+"-"+service+"-"+oneOff,
		&container.Config{Image: s.name + "/web:latest", Cmd: strings.Fields(cmd), Labels: enginetest.Labels(s.name, service, oneOff)},
		&container.HostConfig{NetworkMode: container.NetworkMode(s.name + "_default")}, start)
}

func (s *stack) model() *types.Project {
	return &types.Project{
		Name: s.name, Services: types.Services{"web": {Name: "web", ContainerSpec: types.ContainerSpec{Image: s.name + "/web:latest"}}},
		Networks: types.Networks{"default": {Name: s.name + "_default"}},
	}
}

// present lists, of everything that build made, what the engine still has.
func (s *stack) present() string {
	var there []string
	add := func(name string, err error) {
		if err == nil {
			there = append(there, name)
		}
	}
	ctx := s.t.Context()
	for _, c := range []struct{ name, id string }{{"web", s.web}, {"one-off", s.oneOff}, {"orphan", s.orphan}} {
		_, err := s.e.ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
		add(c.name, err)
	}
	for _, i := range []struct{ name, id string }{{"old-image", s.oldImage}, {"image", s.image}, {"v1-image", s.v1Image}} {
		_, err := s.e.ImageInspect(ctx, i.id)
		add(i.name, err)
	}
	for _, n := range []struct{ name, id string }{{"net", s.usedNet}, {"dead-net", s.deadNet}} {
		_, err := s.e.NetworkInspect(ctx, n.id, client.NetworkInspectOptions{})
		add(n.name, err)
	}
	_, err := s.e.VolumeInspect(ctx, s.volume, client.VolumeInspectOptions{})
	add("volume", err)
	return strings.Join(there, " ")
}

// keepCaches are options that leave the engine's build cache alone: tests share it with the machine's owner.
var keepCaches = Options{CacheBudget: 1 << 60}

func TestProjectScopeRemovesOnlyTheProjects(t *testing.T) {
	e := enginetest.Connect(t)
	ours, others := build(t, e, "watchclean-ours"), build(t, e, "watchclean-others")
	const all = "web one-off orphan old-image image v1-image net dead-net volume"
	if ours.present() != all || others.present() != all {
		t.Fatalf("the stacks are not complete: %s; %s", ours.present(), others.present())
	}
	plan, err := MakePlan(t.Context(), e, ours.model(), keepCaches)
	if err != nil {
		t.Fatal(err)
	}
	if ours.present() != all {
		t.Fatal("planning removed something")
	}
	var b bytes.Buffer
	plan.Print(ui.New(&b))
	if err := Execute(t.Context(), e, plan, ui.New(&b)); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if file := os.Getenv("CLEANUP_SAMPLE"); file != "" { // for docs/cleanup.md
		_ = os.WriteFile(file, b.Bytes(), 0o644)
	}
	if got, want := ours.present(), "web image net volume"; got != want {
		t.Errorf("left of ours: %s, want: %s\n%s", got, want, b.String())
	}
	if got := others.present(); got != all {
		t.Errorf("left of the other project: %s, want: %s\n%s", got, all, b.String())
	}
	again, err := MakePlan(t.Context(), e, ours.model(), keepCaches)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Remove) != 0 {
		t.Errorf("a second run would remove %+v", again.Remove)
	}
}

// TestExecuteLooksAgain changes the engine between plan and execution: what came into use must stay.
func TestExecuteLooksAgain(t *testing.T) {
	e := enginetest.Connect(t)
	s := build(t, e, "watchclean-race")
	plan, err := MakePlan(t.Context(), e, s.model(), keepCaches)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	// the old image is run again, the v1 image gets a name, the dead network is joined, the orphan is replaced by hand
	user := enginetest.Container(t, e, s.name+"-user", &container.Config{Image: s.oldImage, Cmd: []string{"sleep"}},
		&container.HostConfig{NetworkMode: container.NetworkMode(s.name + "_default")}, true)
	if _, err := e.ImageTag(ctx, client.ImageTagOptions{Source: s.v1Image, Target: s.name + "/kept:1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.NetworkConnect(ctx, s.deadNet, client.NetworkConnectOptions{Container: user, EndpointConfig: &network.EndpointSettings{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.ContainerRemove(ctx, s.orphan, client.ContainerRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Execute(ctx, e, plan, ui.New(&b)); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if got, want := s.present(), "web old-image image v1-image net dead-net volume"; got != want {
		t.Errorf("left: %s, want: %s\n%s", got, want, b.String())
	}
	for _, want := range []string{"watchclean-race-user uses it now", "it is named watchclean-race/kept:1 now", "a container is on it now", "is already gone"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, b.String())
		}
	}
}

func TestNamedVolumeGoesOnceUnused(t *testing.T) {
	e := enginetest.Connect(t)
	s := build(t, e, "watchclean-volume")
	user := enginetest.Container(t, e, s.name+"-user", &container.Config{Image: s.image, Cmd: []string{"sleep"}, Labels: enginetest.Labels(s.name, "web", "False")},
		&container.HostConfig{Binds: []string{s.volume + ":/data"}}, false)
	opts := keepCaches
	opts.Volumes = []string{"data"}
	if _, err := MakePlan(t.Context(), e, s.model(), opts); err == nil || !strings.Contains(err.Error(), "is in use by container") {
		t.Fatalf("a used volume: got %v", err)
	}
	if _, err := e.ContainerRemove(t.Context(), user, client.ContainerRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	plan, err := MakePlan(t.Context(), e, s.model(), opts)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Execute(t.Context(), e, plan, ui.New(&b)); err != nil {
		t.Fatal(err)
	}
	if got, want := s.present(), "web image net"; got != want {
		t.Errorf("left: %s, want: %s\n%s", got, want, b.String())
	}
}

// TestHostScopePlan only plans: executing it would touch what others have on this engine.
func TestHostScopePlan(t *testing.T) {
	e := enginetest.Connect(t)
	ours, others := build(t, e, "watchclean-hosta"), build(t, e, "watchclean-hostb")
	plan, err := MakePlan(t.Context(), e, ours.model(), Options{Scope: Host, CacheBudget: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	goes := map[string]bool{}
	for _, i := range plan.Remove {
		goes[i.ID] = true
		if i.Kind == Volume {
			t.Errorf("volume %s would go", i.Name)
		}
	}
	for what, want := range map[string]bool{
		others.oneOff: true, others.orphan: true, others.oldImage: true, others.deadNet: true, ours.oldImage: true, ours.v1Image: true,
		others.web: false, others.image: false, others.v1Image: false, others.usedNet: false, ours.web: false, ours.image: false,
	} {
		if goes[what] != want {
			t.Errorf("%s goes: %v, want %v", what, goes[what], want)
		}
	}
}
