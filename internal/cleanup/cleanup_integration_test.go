//go:build integration

package cleanup

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/engine"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/extension"
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
	volume, state            string
	builds                   *builds.Store
}

// recorded writes down that a build made the image and gave it these tags.
func (s *stack) recorded(image string, tags ...string) {
	names := []string{}
	for _, tag := range tags {
		names = append(names, s.name+"/web:"+tag)
	}
	if err := s.builds.Add(s.t.Context(), image, "web", names); err != nil {
		s.t.Fatal(err)
	}
}

// options are those of a cleanup of the project, which leave the engine's build cache alone: tests share it with the
// machine's owner.
func (s *stack) options() Options { return Options{CacheBudget: 1 << 60, Builds: s.builds} }

func (s *stack) plan(o Options) Plan {
	s.t.Helper()
	plan, err := MakePlan(s.t.Context(), s.e, s.model(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return plan
}

// execute runs the plan and gives what it says.
func (s *stack) execute(plan Plan) string {
	s.t.Helper()
	var b bytes.Buffer
	if err := Execute(s.t.Context(), s.e, plan, ui.New(&b)); err != nil {
		s.t.Fatalf("%v\n%s", err, b.String())
	}
	return b.String()
}

func build(t *testing.T, e *engine.Engine, name string) *stack {
	s := &stack{t: t, e: e, name: name, volume: name + "_data", state: t.TempDir()}
	mark := map[string]string{container.ProjectLabel: name}
	s.builds = builds.Open(s.state, name, "/src/"+name, e.Info.ID)
	s.oldImage = enginetest.Image(t, e, name+"/web:latest", mark)
	s.image = enginetest.Image(t, e, name+"/web:latest", mark) // takes the name: the first is untagged now
	s.v1Image = enginetest.Image(t, e, name+"/web:v1", mark)
	s.recorded(s.oldImage, "latest")
	s.recorded(s.image, "latest")
	s.recorded(s.v1Image, "v1")
	s.usedNet, s.deadNet = s.network("default"), s.network("dead")
	if _, err := e.VolumeCreate(t.Context(),
		client.VolumeCreateOptions{
			Name: s.volume,
			Labels: map[string]string{
				container.ProjectLabel: name, container.VolumeLabel: "data", extension.HoldsLabel: "data",
			},
		}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = e.VolumeRemove(context.Background(), s.volume, client.VolumeRemoveOptions{Force: true})
	})
	s.web = s.container("web", "False", "sleep", true)
	s.oneOff = s.container("web", "True", "exit 0", true)
	s.orphan = s.container("gone", "False", "exit 0", true)
	for _, id := range []string{s.oneOff, s.orphan} {
		wait := e.ContainerWait(t.Context(), id, client.ContainerWaitOptions{Condition: moby.WaitConditionNotRunning})
		select {
		case <-wait.Result:
		case err := <-wait.Error:
			t.Fatal(err)
		}
	}
	return s
}

func (s *stack) network(key string) string {
	return enginetest.Network(s.t, s.e, s.name+"_"+key, map[string]string{container.ProjectLabel: s.name})
}

func (s *stack) container(service, oneOff, cmd string, start bool) string {
	return enginetest.Container(s.t, s.e, s.name+"-"+service+"-"+oneOff,
		&moby.Config{
			Image: s.name + "/web:latest", Cmd: strings.Fields(cmd), Labels: enginetest.Labels(s.name, service, oneOff),
		},
		&moby.HostConfig{NetworkMode: moby.NetworkMode(s.name + "_default")}, start)
}

func (s *stack) model() *types.Project {
	return &types.Project{
		Name: s.name,
		Services: types.Services{
			"web": {Name: "web", ContainerSpec: types.ContainerSpec{Image: s.name + "/web:latest"}},
		},
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
	for _, i := range []struct {
		name, id string
	}{{"old-image", s.oldImage}, {"image", s.image}, {"v1-image", s.v1Image}} {
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

func TestProjectScopeRemovesOnlyTheProjects(t *testing.T) {
	e := enginetest.Connect(t)
	ours, others := build(t, e, "watchclean-ours"), build(t, e, "watchclean-others")
	const all = "web one-off orphan old-image image v1-image net dead-net volume"
	if ours.present() != all || others.present() != all {
		t.Fatalf("the stacks are not complete: %s; %s", ours.present(), others.present())
	}
	plan, err := MakePlan(t.Context(), e, ours.model(), ours.options())
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
	if got, want := ours.present(), "web image v1-image net volume"; got != want {
		t.Errorf("left of ours: %s, want: %s\n%s", got, want, b.String())
	}
	if got := others.present(); got != all {
		t.Errorf("left of the other project: %s, want: %s\n%s", got, all, b.String())
	}
	again, err := MakePlan(t.Context(), e, ours.model(), ours.options())
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
	plan, err := MakePlan(t.Context(), e, s.model(), s.options())
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	// the old image is run again, the dead network is joined, the orphan is removed by hand
	user := enginetest.Container(t, e, s.name+"-user", &moby.Config{Image: s.oldImage, Cmd: []string{"sleep"}},
		&moby.HostConfig{NetworkMode: moby.NetworkMode(s.name + "_default")}, true)
	if _, err := e.NetworkConnect(ctx, s.deadNet,
		client.NetworkConnectOptions{Container: user, EndpointConfig: &network.EndpointSettings{}}); err != nil {
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
	for _, want := range []string{"watchclean-race-user uses it now", "a container is on it now", "is already gone"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, b.String())
		}
	}
}

// TestExecuteLooksAgainAtImages has names, commits and containers come between plan and execution.
func TestExecuteLooksAgainAtImages(t *testing.T) {
	e := enginetest.Connect(t)
	s := build(t, e, "watchclean-images")
	ctx, mark := t.Context(), map[string]string{container.ProjectLabel: s.name}
	made := map[string]string{}
	for _, what := range []string{"two-names", "named", "committed", "moved", "run", "r1", "r2", "r3"} {
		made[what] = enginetest.Image(t, e, s.name+"/web:"+what, mark)
	}
	tag := func(image, name string) {
		t.Helper()
		if _, err := e.ImageTag(ctx,
			client.ImageTagOptions{Source: image, Target: s.name + "/web:" + name}); err != nil {
			t.Fatal(err)
		}
	}
	tag(made["two-names"], "second")
	for _, what := range []string{"two-names", "named", "committed", "moved", "run", "r1", "r2", "r3"} {
		s.recorded(made[what], what, "second")
	}
	o := s.options()
	o.Images = []string{s.name + "/web:second"}
	untags := s.plan(o)
	plan := s.plan(s.options())
	for _, what := range []string{"two-names", "named", "committed", "moved", "run"} {
		if !slices.ContainsFunc(plan.Remove, func(i Item) bool { return i.ID == made[what] }) {
			t.Errorf("%s is not in the plan", what)
		}
	}
	foreign := enginetest.Image(t, e, "watchclean-foreign:1", nil)
	tag(foreign, "second") // had by two-names when the plan was made
	tag(foreign, "moved")
	tag(made["named"], "kept")
	user := enginetest.Container(t, e, s.name+"-user", &moby.Config{Image: made["run"], Cmd: []string{"sleep"}}, nil,
		false)
	from := enginetest.Container(t, e, s.name+"-from", &moby.Config{Image: made["committed"], Cmd: []string{"sleep"}},
		nil, false)
	commit, err := e.ContainerCommit(ctx, from, client.ContainerCommitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = e.ImageRemove(context.Background(), commit.ID, client.ImageRemoveOptions{Force: true}) })
	if _, err := e.ContainerRemove(ctx, from, client.ContainerRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	said := s.execute(untags) + s.execute(plan)
	for what, stays := range map[string]bool{
		"two-names": false, "named": true, "committed": true, "moved": false, "run": true, "r1": true, "r2": true,
		"r3": true,
	} {
		if _, err := e.ImageInspect(ctx, made[what]); (err == nil) != stays {
			t.Errorf("%s is there: %v, want %v\n%s", what, err == nil, stays, said)
		}
	}
	for _, name := range []string{"second", "moved"} {
		if got, err := e.ImageInspect(ctx, s.name+"/web:"+name); err != nil || got.ID != foreign {
			t.Errorf("%s was taken from its new image: %v\n%s", name, err, said)
		}
	}
	if _, err := e.ContainerInspect(ctx, user, client.ContainerInspectOptions{}); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"second is another image now", "it is named watchclean-images/web:kept now",
		"watchclean-images-user uses it now", "an image was made from it",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing says %q:\n%s", want, said)
		}
	}
	for _, r := range s.builds.Records() {
		if r.ID == made["moved"] {
			t.Error("the record has an image that was removed")
		}
	}
}

// TestExecuteLooksAgainAtVolumes has the other link to a volume go, and a volume be replaced, between plan and
// execution.
func TestExecuteLooksAgainAtVolumes(t *testing.T) {
	e := enginetest.Connect(t)
	s := build(t, e, "watchclean-volumes")
	ctx := t.Context()
	withData := func(name, oneOff, from string) string {
		cfg := &moby.Config{
			Image: s.name + "/web:latest", Cmd: []string{"write", "/data/f"},
			Labels: enginetest.Labels(s.name, "web", oneOff),
		}
		host := &moby.HostConfig{}
		if from == "" {
			cfg.Volumes = map[string]struct{}{"/data": {}}
		} else {
			host.VolumesFrom = []string{from}
		}
		return enginetest.Container(t, e, s.name+name, cfg, host, from == "")
	}
	first := withData("-run", "True", "")
	enginetest.Until(t, 10e9, "the one-off run to end", func() bool {
		got, err := e.ContainerInspect(ctx, first, client.ContainerInspectOptions{})
		return err == nil && got.Container.State.Status == moby.StateExited
	})
	second := withData("-web-2", "False", first)
	got, err := e.ContainerInspect(ctx, first, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = e.ContainerRemove(context.Background(), first,
			client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		_, _ = e.VolumeRemove(context.Background(), got.Container.Mounts[0].Name, client.VolumeRemoveOptions{})
	})
	o := s.options()
	o.Volumes = []string{"data"}
	plan := s.plan(o)
	if !slices.ContainsFunc(plan.Remove, func(i Item) bool { return i.ID == first }) {
		t.Fatalf("the one-off run is not in the plan: %+v", plan.Remove)
	}
	if _, err := e.ContainerRemove(ctx, second, client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.VolumeRemove(ctx, s.volume, client.VolumeRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // the engine says in seconds when a volume was made
	if _, err := e.VolumeCreate(ctx,
		client.VolumeCreateOptions{
			Name: s.volume, Labels: map[string]string{container.ProjectLabel: s.name, container.VolumeLabel: "data"},
		}); err != nil {
		t.Fatal(err)
	}
	said := s.execute(plan)
	if _, err := e.ContainerInspect(ctx, first, client.ContainerInspectOptions{}); err != nil {
		t.Errorf("the only link to the data is gone: %v\n%s", err, said)
	}
	if _, err := e.VolumeInspect(ctx, s.volume, client.VolumeInspectOptions{}); err != nil {
		t.Errorf("the new volume is gone: %v\n%s", err, said)
	}
	for _, want := range []string{"it is the only link to volume", "another one has taken its name"} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing says %q:\n%s", want, said)
		}
	}
}

func TestNamedVolumeGoesOnceUnused(t *testing.T) {
	e := enginetest.Connect(t)
	s := build(t, e, "watchclean-volume")
	user := enginetest.Container(t, e, s.name+"-user",
		&moby.Config{Image: s.image, Cmd: []string{"sleep"}, Labels: enginetest.Labels(s.name, "web", "False")},
		&moby.HostConfig{Binds: []string{s.volume + ":/data"}}, false)
	opts := s.options()
	opts.Volumes = []string{"data"}
	if _, err := MakePlan(t.Context(), e, s.model(), opts); err == nil ||
		!strings.Contains(err.Error(), "is in use by container") {
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
	if got, want := s.present(), "web image v1-image net"; got != want {
		t.Errorf("left: %s, want: %s\n%s", got, want, b.String())
	}
}

// TestHostScopePlan only plans: executing it would touch what others have on this engine.
func TestHostScopePlan(t *testing.T) {
	e := enginetest.Connect(t)
	ours, others := build(t, e, "watchclean-hosta"), build(t, e, "watchclean-hostb")
	for _, r := range others.builds.Records() { // one state directory has the records of all projects
		if err := builds.Open(ours.state, others.name, r.Dir, r.Engine).Add(t.Context(), r.ID, r.Service,
			r.Names); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := MakePlan(t.Context(), e, ours.model(), Options{Scope: Host, CacheBudget: 1 << 60, Builds: ours.builds})
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
		others.oneOff: true, others.orphan: true, others.oldImage: true, others.deadNet: true, ours.oldImage: true,
		others.web: false, others.image: false, others.v1Image: false, ours.v1Image: false, others.usedNet: false,
		ours.web: false, ours.image: false,
	} {
		if goes[what] != want {
			t.Errorf("%s goes: %v, want %v", what, goes[what], want)
		}
	}
}
