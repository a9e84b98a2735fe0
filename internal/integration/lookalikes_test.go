//go:build integration

package integration

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/builds"
	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// lookalikes is a project among things that look like its own: each has a name here, and the engine's ID.
type lookalikes struct {
	*fixture
	images, containers, networks, volumes map[string]string
}

const (
	projectLabel = "com.docker.compose.project"
	folderLabel  = "com.docker.compose.project.working_dir"
	filesLabel   = "com.docker.compose.project.config_files"
)

// TestIntegrationCleanupAmongLookalikes: a tagged docker commit, an untagged one and the tag of the release before
// used to go, though nobody could make them again.
func TestIntegrationCleanupAmongLookalikes(t *testing.T) {
	f := newFixture(t, "Dockerfile", "FROM debian:bookworm-slim\nCOPY version /version\n")
	f.write("compose.yaml", "services:\n  web: {image: '"+f.name+"/web:${VERSION}', build: {context: ., tags: ['"+
		f.name+"/web:newest']}, command: [sleep, '1000'], init: true, stop_grace_period: 1s}\n")
	l := &lookalikes{f, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}}
	store := f.builds()
	for _, version := range []string{
		"used", "parent", "golden", "renamed", "moved", "1", "2", "3", "4", "5", "6 as it was", "6",
	} {
		l.release(version)
	}
	f.mustStart()
	l.imagesOfOthers()
	l.containersOfAll()
	l.networksAndVolumes()
	if n := len(l.images) + len(l.containers) + len(l.networks) + len(l.volumes); n < 40 {
		t.Errorf("only %d things", n)
	}
	whole := l.present()

	t.Run("without the state", func(t *testing.T) {
		lost := builds.Open(t.TempDir(), f.name, f.dir, f.engine.Info.ID)
		plan := l.cleanUp(cleanup.Options{Builds: lost}, "container empty run", "container empty volume",
			"container orphan", "network dead")
		for _, i := range plan.Keep {
			if i.Kind == cleanup.Image && i.ID == l.images["1"] &&
				(!i.Unknown || !strings.Contains(i.Why, "only when named") || i.Bytes <= 0) {
				t.Errorf("%+v", i)
			}
		}
		contains(t, f.out.String(), "by name only: ", "go tool mage cleanup -images=", "it is the only link to volume "+
			l.volumes["anonymous"])
	})
	t.Run("with the state", func(t *testing.T) {
		l.cleanUp(cleanup.Options{Builds: store}, "image 1", "image 2", "image 6 as it was", "image moved")
		l.cleanUp(cleanup.Options{Builds: store})
	})
	t.Run("by name", func(t *testing.T) {
		untagged := strings.TrimPrefix(l.images["untagged commit"], "sha256:")[:12]
		l.cleanUp(cleanup.Options{Builds: store, Images: []string{f.name + "/web:0", untagged}}, "image import",
			"image untagged commit")
	})
	t.Run("built again after the state was deleted", func(t *testing.T) {
		if err := os.RemoveAll(filepath.Join(f.memory, "projects")); err != nil {
			t.Fatal(err)
		}
		l.release("6")
		if again := f.builds().Records(); len(again) != 1 || again[0].ID != l.images["6"] {
			t.Errorf("the record has %+v", again)
		}
	})
	gone := slices.DeleteFunc(whole, func(name string) bool { return slices.Contains(l.present(), name) })
	want := []string{
		"container empty run", "container empty volume", "container orphan", "image 1", "image 2", "image 6 as it was",
		"image import",
		"image moved", "image untagged commit", "network dead",
	}
	if !slices.Equal(gone, want) {
		t.Errorf("gone in all: %q, want %q", gone, want)
	}
}

// cleanUp runs a cleanup, and holds what it removes against want, in the plan and on the engine.
func (l *lookalikes) cleanUp(o cleanup.Options, want ...string) cleanup.Plan {
	l.t.Helper()
	before := l.present()
	ctx := context.Background()
	l.t.Setenv("VERSION", "6")
	plan, err := cleanup.MakePlan(ctx, l.engine, l.load().Project, o)
	if err != nil {
		l.t.Fatal(err)
	}
	planned := []string{}
	for _, i := range plan.Remove {
		planned = append(planned, l.called(i.Kind, i.ID))
	}
	plan.Print(ui.New(&l.out))
	if err := cleanup.Execute(ctx, l.engine, plan, ui.New(&l.out)); err != nil {
		l.t.Fatal(err)
	}
	after := l.present()
	gone := slices.DeleteFunc(before, func(name string) bool { return slices.Contains(after, name) })
	slices.Sort(planned)
	if len(want)+len(gone)+len(planned) > 0 && (!slices.Equal(gone, want) || !slices.Equal(planned, want)) {
		l.t.Errorf("planned %q\ngone    %q\nwant    %q\n%s", planned, gone, want, l.out.String())
	}
	return plan
}

func (l *lookalikes) called(kind cleanup.Kind, id string) string {
	for name, its := range map[cleanup.Kind]map[string]string{
		cleanup.Image: l.images, cleanup.Container: l.containers, cleanup.Network: l.networks,
		cleanup.Volume: l.volumes,
	}[kind] {
		if its == id {
			return string(kind) + " " + name
		}
	}
	return string(kind) + " " + id
}

// present names what the engine has, sorted.
func (l *lookalikes) present() []string {
	var all []string
	ctx := context.Background()
	for name, id := range l.images {
		if _, err := l.engine.ImageInspect(ctx, id); err == nil {
			all = append(all, "image "+name)
		}
	}
	for name, id := range l.containers {
		if _, err := l.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{}); err == nil {
			all = append(all, "container "+name)
		}
	}
	for name, id := range l.networks {
		if _, err := l.engine.NetworkInspect(ctx, id, client.NetworkInspectOptions{}); err == nil {
			all = append(all, "network "+name)
		}
	}
	for name, id := range l.volumes {
		if _, err := l.engine.VolumeInspect(ctx, id, client.VolumeInspectOptions{}); err == nil {
			all = append(all, "volume "+name)
		}
	}
	slices.Sort(all)
	return all
}

// release builds a version, whose tag is its first word.
func (l *lookalikes) release(version string) {
	l.t.Helper()
	l.write("version", version)
	l.t.Setenv("VERSION", strings.Fields(version)[0])
	l.images[version] = l.mustBuild()[0].ID
}

func (l *lookalikes) web(tag string) string { return l.name + "/web:" + tag }

// commit makes an image of a container that it makes of another, and gives its ID; name may be "".
func (l *lookalikes) commit(from, name string) string {
	l.t.Helper()
	ctx := context.Background()
	made, err := l.engine.ContainerCreate(ctx,
		client.ContainerCreateOptions{Config: &container.Config{Image: from, Cmd: []string{"true"}}})
	if err != nil {
		l.t.Fatal(err)
	}
	id := l.commitOf(made.ID, name)
	if _, err := l.engine.ContainerRemove(ctx, made.ID, client.ContainerRemoveOptions{}); err != nil {
		l.t.Fatal(err)
	}
	return id
}

func (l *lookalikes) commitOf(container, name string) string {
	l.t.Helper()
	got, err := l.engine.ContainerCommit(context.Background(), container,
		client.ContainerCommitOptions{Reference: name})
	if err != nil {
		l.t.Fatal(err)
	}
	return got.ID
}

// imagesOfOthers makes images that no build of this checkout made, and changes what else hangs on those that it made.
func (l *lookalikes) imagesOfOthers() {
	l.t.Helper()
	labelled := func(project string) map[string]string { return map[string]string{projectLabel: project} }
	untagged := func(labels map[string]string) string { // once the next one takes its name
		return enginetest.Image(l.t, l.engine, "lookalike-"+l.name+":last", labels)
	}
	l.tag(l.web("golden"), l.web("keep-this"))
	l.tag(l.web("renamed"), l.web("by-hand"))
	l.removeTag(l.web("renamed"))
	l.images["tagged commit"] = l.commit(l.web("6"), l.web("debug"))
	l.images["untagged commit"] = l.commit(l.web("6"), "")
	l.images["commit of a commit"] = l.commit(l.web("debug"), l.web("debug-again"))
	l.tag(l.images["commit of a commit"], "lookalike-"+l.name+":debug")
	l.removeTag(l.web("debug-again"))
	l.images["commit of an old one"] = l.commit(l.web("parent"), "")
	l.images["commit with a build's name"] = l.commit(l.web("5"), l.web("moved"))
	l.images["import"] = enginetest.Image(l.t, l.engine, l.web("0"), labelled(l.name))
	l.images["untagged import"] = untagged(labelled(l.name))
	l.images["of another project"] = enginetest.Image(l.t, l.engine, "other-"+l.name+"/web:1",
		labelled("other-"+l.name))
	l.images["untagged, of another project"] = untagged(labelled("other-" + l.name))
	l.images["of a longer project"] = untagged(labelled(l.name + "-2"))
	l.images["of nobody"] = untagged(nil)
	l.images["of another checkout"] = enginetest.Image(l.t, l.engine, l.web("7"), labelled(l.name))
	l.images["untagged, of another checkout"] = untagged(labelled(l.name))
	untagged(nil)
	elsewhere := builds.Open(l.memory, l.name, l.t.TempDir(), l.engine.Info.ID)
	abroad := builds.Open(l.memory, l.name, l.dir, "another engine")
	for image, by := range map[string]*builds.Store{
		l.images["of another checkout"]: elsewhere, l.images["untagged, of another checkout"]: elsewhere,
		l.images["untagged import"]: abroad,
	} {
		if err := by.Add(context.Background(), image, "web", []string{l.web("7")}); err != nil {
			l.t.Fatal(err)
		}
	}
	if n := len(l.builds().Records()); n != 14 {
		l.t.Errorf("%d records of 12 builds here and 2 in another checkout", n)
	}
}

// removeTag takes a name from an image that has another.
func (l *lookalikes) removeTag(name string) {
	l.t.Helper()
	if _, err := l.engine.ImageRemove(context.Background(), name, client.ImageRemoveOptions{}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lookalikes) containersOfAll() {
	l.t.Helper()
	l.containers["service"] = l.all("web")[0].ID
	labels := func(project, service, oneOff string, more ...string) map[string]string {
		all := enginetest.Labels(project, service, oneOff)
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	clone := l.t.TempDir()
	if err := os.WriteFile(filepath.Join(clone, "compose.yaml"), []byte("services: {}\n"), 0o600); err != nil {
		l.t.Fatal(err)
	}
	none := map[string]string{}
	l.run("empty run", "", labels(l.name, "web", "True"), "true", "")
	l.run("empty volume", "", labels(l.name, "web", "True"), "true", "/data")
	l.run("run with data", "", labels(l.name, "web", "True"), "head -c 100000 /dev/zero > /data/f", "/data")
	l.run("stopped service", "", labels(l.name, "web", "False"), "true", "")
	l.run("orphan", "", labels(l.name, "gone", "False"), "true", "")
	l.run("running orphan", "", labels(l.name, "gone", "False"), "sleep 1000", "")
	l.run("running one-off", "", labels(l.name, "web", "True"), "sleep 1000", "")
	l.run("by hand", l.web("4"), none, "true", "")
	l.run("by hand of an old image", l.web("used"), none, "true", "")
	l.run("of another project", "", labels("other-"+l.name, "web", "True"), "true", "")
	l.run("of another checkout", "",
		labels(l.name, "gone", "False", folderLabel, clone, filesLabel, clone+"/compose.yaml"), "true", "")
	l.images["commit of an orphan"] = l.commitOf(l.containers["orphan"], "")
	l.run("of a commit by hand", l.images["commit of an orphan"], none, "true", "")
	for _, name := range []string{
		"empty run", "empty volume", "run with data", "stopped service", "orphan", "by hand", "by hand of an old image",
		"of another project", "of another checkout", "of a commit by hand",
	} {
		enginetest.Until(l.t, 20e9, name+" ends", func() bool {
			got, err := l.engine.ContainerInspect(context.Background(), l.containers[name],
				client.ContainerInspectOptions{})
			return err == nil && got.Container.State.Status == container.StateExited
		})
	}
	fresh := &container.Config{Image: l.web("6"), Labels: labels(l.name, "web", "True")}
	l.containers["one-off just made"] = enginetest.Container(l.t, l.engine, l.name+"-fresh", fresh, nil, false)
	got, err := l.engine.ContainerInspect(context.Background(), l.containers["run with data"],
		client.ContainerInspectOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	l.volumes["anonymous"] = got.Container.Mounts[0].Name
}

// run starts a container of the image, "" for the current one, with a volume that nobody names where volume says where.
func (l *lookalikes) run(name, image string, labels map[string]string, command, volume string) {
	l.t.Helper()
	cfg := &container.Config{Image: cmp.Or(image, l.web("6")), Cmd: []string{"sh", "-c", command}, Labels: labels}
	if volume != "" {
		cfg.Volumes = map[string]struct{}{volume: {}}
	}
	host := &container.HostConfig{Init: new(true)}
	id := enginetest.Container(l.t, l.engine, l.name+"-"+strings.ReplaceAll(name, " ", "-"), cfg, host, true)
	l.t.Cleanup(func() { // with its volume
		_, _ = l.engine.ContainerRemove(context.Background(), id,
			client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	})
	l.containers[name] = id
}

func (l *lookalikes) networksAndVolumes() {
	l.t.Helper()
	l.networks["default"] = l.networkID("default")
	l.networks["dead"] = enginetest.Network(l.t, l.engine, l.name+"_dead", map[string]string{projectLabel: l.name})
	l.networks["of another project"] = enginetest.Network(l.t, l.engine, "other-"+l.name+"_dead",
		map[string]string{projectLabel: "other-" + l.name})
	for name, labels := range map[string]map[string]string{
		"data":               {projectLabel: l.name, "com.docker.compose.volume": "data"},
		"of another project": {projectLabel: "other-" + l.name}, "of nobody": nil,
	} {
		full := strings.ReplaceAll(l.name+"_"+name, " ", "-")
		l.volumes[name] = full
		if _, err := l.engine.VolumeCreate(context.Background(),
			client.VolumeCreateOptions{Name: full, Labels: labels}); err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() {
			_, _ = l.engine.VolumeRemove(context.Background(), full, client.VolumeRemoveOptions{Force: true})
		})
	}
}
