//go:build integration

package integration

import (
	"context"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/cleanup"
	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// TestIntegrationCurrentEngine runs what the other tests show on the distribution's engine on a current one, whose
// store is containerd's: with its own BuildKit, and with a builder beside it.
func TestIntegrationCurrentEngine(t *testing.T) {
	e := enginetest.Current(t, registry(t))
	if !e.ContainerdStore() {
		t.Fatal("this engine's store is not containerd's")
	}
	t.Run("its own BuildKit", func(t *testing.T) {
		f := layered(t)
		f.engine = e
		f.with = func(o *image.Options) {
			b, err := builder.ConnectEngine(context.Background(), e)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			o.Builders = []*builder.Builder{b}
		}
		first := f.loadsOnlyChanges(3)
		// What it exported, a builder elsewhere finds.
		f.on(enginetest.Builder(t))
		if again, err := f.build(t.Context(), registry(t)); err != nil || again[0].Built != 0 {
			t.Errorf("from the cache that the engine %s wrote: %+v, %v", first.ID, again[0], err)
		}
	})
	t.Run("its own BuildKit, an image made of others", func(t *testing.T) {
		f := needy(t)
		f.engine = e
		b, err := builder.ConnectEngine(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		f.with = func(o *image.Options) { o.Builders = []*builder.Builder{b} }
		f.buildsWhatIsNeeded("")
	})
	t.Run("a builder beside it", func(t *testing.T) {
		f := layered(t).on(enginetest.Builder(t))
		f.engine = e
		f.loadsOnlyChanges(3)
	})
	t.Run("a cleanup", func(t *testing.T) {
		f := newFixture(t).withService()
		f.write("compose.yaml", "services:\n  a: {image: '"+f.name+
			"-a:${VERSION}', build: {context: ., args: {VERSION: '${VERSION}'}}}\n")
		b, err := builder.ConnectEngine(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		f.with = func(o *image.Options) { o.Builders = []*builder.Builder{b} }
		f.cleansWhatItBuilt()
	})
	t.Run("images that share layers, of a builder beside it", func(t *testing.T) {
		f := newFixture(t, "compose.yaml",
			"services:\n  a: {build: {context: ., args: {WHO: a}}}\n  b: {build: {context: ., args: {WHO: b}}}\n  "+
				"c: {build: {context: ., args: {WHO: c}}}\n",
			"Dockerfile", "FROM debian:bookworm-slim\nARG WHO\nRUN echo $WHO > /who\n").on(enginetest.Builder(t))
		f.engine = e
		for _, r := range f.mustBuild() {
			who := strings.TrimPrefix(r.Target.Service, f.name+"-")
			if got := f.export(r.Target.Names[0])["who"]; r.State != image.Loaded || len(r.Warnings) > 0 || got != who+
				"\n" {
				t.Errorf("%s: %s, warnings %q, /who is %q", who, r.State, r.Warnings, got)
			}
		}
	})
}

// cleansWhatItBuilt builds five versions, runs the last one once and commits it: the first image and the run's
// container go.
func (f *fixture) cleansWhatItBuilt() {
	f.t.Helper()
	ctx := context.Background()
	f.write("Dockerfile",
		"FROM scratch\nCOPY service /service\nARG VERSION\nENV EXIT_CODE=0 VERSION=$VERSION\nENTRYPOINT "+
			"[\"/service\"]\n")
	for _, version := range []string{"1", "2", "3", "4", "5"} {
		f.t.Setenv("VERSION", version)
		f.mustBuild()
	}
	first, err := f.engine.ImageInspect(ctx, f.name+"-a:1")
	if err != nil {
		f.t.Fatal(err)
	}
	run := enginetest.Container(f.t, f.engine, f.name+"-run",
		&container.Config{Image: f.name + "-a:5", Labels: enginetest.Labels(f.name, "a", "True")}, nil, true)
	enginetest.Until(f.t, 20e9, "the run ends", func() bool {
		got, err := f.engine.ContainerInspect(ctx, run, client.ContainerInspectOptions{})
		return err == nil && got.Container.State.Status == container.StateExited
	})
	var commits []string
	for _, name := range []string{"", f.name + "-a:debug"} {
		commit, err := f.engine.ContainerCommit(ctx, run, client.ContainerCommitOptions{Reference: name})
		if err != nil {
			f.t.Fatal(err)
		}
		commits = append(commits, commit.ID)
	}
	plan, err := cleanup.MakePlan(ctx, f.engine, f.load().Project, cleanup.Options{Builds: f.builds()})
	if err != nil {
		f.t.Fatal(err)
	}
	plan.Print(ui.New(&f.out))
	if err := cleanup.Execute(ctx, f.engine, plan, ui.New(&f.out)); err != nil {
		f.t.Fatal(err)
	}
	for _, id := range append(commits, f.name+"-a:2", f.name+"-a:3", f.name+"-a:4", f.name+"-a:5") {
		if _, err := f.engine.ImageInspect(ctx, id); err != nil {
			f.t.Errorf("%s is gone: %v\n%s", id, err, f.out.String())
		}
	}
	if _, err := f.engine.ImageInspect(ctx, first.ID); err == nil {
		f.t.Errorf("the first image is still there:\n%s", f.out.String())
	}
	if len(plan.Remove) != 2 || plan.Remove[0].ID != run {
		f.t.Errorf("removed %+v", plan.Remove)
	}
}

// loadsOnlyChanges builds, builds again, edits and builds; steps is how many the Dockerfile has.
func (f *fixture) loadsOnlyChanges(steps int) image.Result {
	f.t.Helper()
	name := f.name + "-a"
	check := func(what string, state image.State, built int) image.Result {
		f.t.Helper()
		results, err := f.build(context.Background(), registry(f.t))
		if err != nil {
			f.t.Fatalf("%s: %v", what, err)
		}
		got := results[0]
		if got.State != state || got.Built != built || len(got.Warnings) > 0 {
			f.t.Errorf("%s: %s, %d steps ran, warnings %q; want %s, %d", what, got.State, got.Built, got.Warnings,
				state, built)
		}
		if files := f.export(name); files["copy"] != files["top"] || files["heavy"] != "heavy\n" {
			f.t.Errorf("%s: the engine's image is not what was built", what)
		}
		found, err := f.engine.ImageInspect(context.Background(), name)
		if records := f.builds().Records(); err != nil || len(records) == 0 || records[0].ID != found.ID {
			f.t.Errorf("%s: the engine has %s, the record %+v, %v", what, found.ID, records, err)
		}
		return got
	}
	check("first", image.Loaded, steps)
	check("unchanged", image.Unchanged, 0)
	f.write("top", "edited")
	check("edited", image.Loaded, steps-1)
	if files := f.export(name); files["top"] != "edited" {
		f.t.Errorf("the image has %q", files["top"])
	}
	f.removeImage(name)
	return check("removed from the engine", image.Loaded, 0)
}
