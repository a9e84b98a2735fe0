//go:build integration

package integration

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/image"
	"github.com/25eloquence/compose-mage/internal/verify"
)

func TestIntegrationBuildMovesOnlyWhatChanged(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: {context: a}}\n  b: {build: {context: b}}\n",
		"a/Dockerfile", "FROM scratch\nCOPY file /\n", "a/file", "one", "b/Dockerfile", "FROM scratch\nCOPY file /\n",
		"b/file", "two")
	for _, r := range f.mustBuild() {
		if r.Loaded == 0 {
			t.Errorf("first build: %s was not loaded", r.Target.Service)
		}
	}
	for _, r := range f.mustBuild() {
		if r.Loaded != 0 {
			t.Errorf("unchanged: %s moved %d bytes", r.Target.Service, r.Loaded)
		}
	}
	f.write("b/file", "three")
	for _, r := range f.mustBuild() {
		if (r.Loaded > 0) != (r.Target.Service == "b") {
			t.Errorf("after a change of b: %s moved %d bytes", r.Target.Service, r.Loaded)
		}
		found, err := f.engine.ImageInspect(context.Background(), r.Target.Names[0])
		if err != nil || found.ID != r.ID || found.Config.Labels["com.docker.compose.project"] != f.name {
			t.Errorf("%s: the engine has %s (%v), want %s with the project's label", r.Target.Service, found.ID, err,
				r.ID)
		}
	}
}

// Nothing of what is built from is edited, and no step of the Dockerfile runs: only the base's name stands for
// another image.
func TestIntegrationAMovedBaseMakesAnotherImage(t *testing.T) {
	registry := os.Getenv(verify.RegistryVariable)
	if registry == "" {
		t.Fatalf("integration tests need a registry in %s", verify.RegistryVariable)
	}
	base := newFixture(t, "base/Dockerfile", "FROM scratch\nCOPY file /\n", "base/file", "one")
	name := registry + "/" + base.name + ":1"
	base.write("compose.yaml", "services:\n  base: {image: \""+name+"\", build: {context: base}}\n")
	f := newFixture(t, "compose.yaml", "services:\n  app: {build: {context: app}}\n", "app/Dockerfile", "FROM "+name+
		"\nLABEL of=app\n")
	base.with = func(o *image.Options) { o.Push = true }
	base.mustBuild()
	first := f.mustBuild()[0]
	for range 2 {
		if r := f.mustBuild()[0]; r.State != image.Unchanged || r.ID != first.ID {
			t.Errorf("unchanged: %s, %s, want %s", r.State, r.ID, first.ID)
		}
	}
	base.write("base/file", "two")
	base.mustBuild()
	r := f.mustBuild()[0]
	if r.State != image.Loaded || r.ID == first.ID {
		t.Errorf("with another base: %s, %s, at first %s", r.State, r.ID, first.ID)
	}
	if found, err := f.engine.ImageInspect(t.Context(), r.Target.Names[0]); err != nil || found.ID != r.ID {
		t.Errorf("the engine has %s (%v), want %s", found.ID, err, r.ID)
	}
	if again := f.mustBuild()[0]; again.State != image.Unchanged || again.ID != r.ID {
		t.Errorf("after it: %s, %s, want %s", again.State, again.ID, r.ID)
	}
}

func TestIntegrationBuildFailureNamesTheStep(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  bad: {build: {context: bad}}\n  good: {build: {context: good}}\n",
		"bad/Dockerfile", "FROM scratch\nCOPY file /\nCOPY missing /\n", "bad/file", "x", "good/Dockerfile",
		"FROM scratch\nCOPY file /\n", "good/file", "x")
	results, err := f.build(context.Background(), "")
	var typed *fault.Error
	if !errors.As(err, &typed) || typed.Code != fault.Failed {
		t.Fatalf("got %v", err)
	}
	contains(t, err.Error(), `building "bad": `, "COPY missing", ">>>")
	for _, r := range results {
		if (r.Err == nil) != (r.Target.Service == "good") || r.Target.Service == "good" && r.Loaded == 0 {
			t.Errorf("%s: loaded %d, %v", r.Target.Service, r.Loaded, r.Err)
		}
	}
}

func TestIntegrationFailFastEndsTheOthers(t *testing.T) {
	f := newFixture(t, "compose.yaml",
		"services:\n  bad: {build: {context: bad}}\n  slow: {build: {context: ., args: {NOW: \""+time.Now().String()+
			"\"}}}\n",
		"bad/Dockerfile", "FROM scratch\nCOPY missing /\n").withService()
	// runs until it is killed
	f.write("Dockerfile", "FROM scratch\nARG NOW\nCOPY service /service\nRUN [\"/service\"]\n")
	f.with = func(o *image.Options) { o.FailFast = true }
	_, err := f.build(context.Background(), "")
	if err == nil {
		t.Fatal("it ended well")
	}
	contains(t, err.Error(), `building "bad": `, "1 images were not finished: stopped, since another image failed")
}

func TestIntegrationBuildSyntaxErrorIsConfig(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  bad: {build: .}\n", "Dockerfile", "FROM scratch\nCOPPY x /\n")
	_, err := f.build(context.Background(), "")
	var typed *fault.Error
	if !errors.As(err, &typed) || typed.Code != fault.Config {
		t.Fatalf("got %v", err)
	}
	contains(t, err.Error(), `building "bad"`, "unknown instruction: COPPY")
}

func TestIntegrationBuildCacheGoesThroughTheRegistry(t *testing.T) {
	registry := os.Getenv(verify.RegistryVariable)
	if registry == "" {
		t.Fatalf("integration tests need a registry in %s", verify.RegistryVariable)
	}
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", "FROM scratch\nCOPY file /\n",
		"file", "cached")
	results, err := f.build(context.Background(), registry)
	if err != nil {
		t.Fatal(err)
	}
	if w := results[0].Warnings; len(w) > 0 {
		t.Errorf("the cache was not written: %s", w)
	}
}

func TestIntegrationBuildGoesOnWithoutItsCache(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: .}\n", "Dockerfile", "FROM scratch\nCOPY file /\n",
		"file", time.Now().String())
	results, err := f.build(context.Background(), "127.0.0.1:1")
	if err != nil {
		t.Fatalf("an unreachable cache failed the build: %v", err)
	}
	if results[0].Loaded == 0 {
		t.Error("nothing was loaded")
	}
	contains(t, f.out.String(), "the build cache at 127.0.0.1:1 is neither read nor written: connection refused")
}

func TestIntegrationBuildStopsPromptly(t *testing.T) {
	f := newFixture(t, "compose.yaml", "services:\n  a: {build: {context: ., args: {NOW: \""+time.Now().String()+
		"\"}}}\n").withService()
	// runs until it is killed
	f.write("Dockerfile", "FROM scratch\nARG NOW\nCOPY service /service\nRUN [\"/service\"]\n")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(3*time.Second, cancel)
	began := time.Now()
	_, err := f.build(ctx, "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("Ctrl-C took %s", took-3*time.Second)
	}
	if _, err := f.engine.ImageInspect(context.Background(), f.name+"-a"); err == nil {
		t.Error("a cancelled build left an image")
	}
}
