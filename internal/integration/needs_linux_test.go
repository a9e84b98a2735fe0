//go:build integration

package integration

import (
	"context"
	"testing"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/image"
)

// needy is a stack whose app is made of two other services' images, one of them of a profile that is not active.
func needy(t *testing.T) *fixture {
	return newFixture(t, "compose.yaml", `services:
  app: {build: {context: app, additional_contexts: {base: "service:lib", assets: "service:assets"}}}
  assets: {profiles: [none], build: {context: assets}}
  lib: {build: {context: lib, additional_contexts: {assets: "service:assets"}}}
`,
		"lib/Dockerfile",
		"FROM debian:bookworm-slim\nENV NAME=lib\nCOPY file /from-lib\nCOPY --from=assets /file /assets\nRUN cat "+
			"/from-lib > /made\n", "lib/file", "lib 1\n",
		"app/Dockerfile",
		"FROM base\nCOPY file /app\nRUN echo $NAME > /name && cat /made /app > /both\nCOPY --from=assets /file /own\n",
		"app/file", "app 1\n",
		"assets/Dockerfile", "FROM scratch\nCOPY file /\n", "assets/file", "assets 1\n")
}

// check builds and compares: what became of the images, by service, and what the engine's image of app has in it.
func (f *fixture) checkNeeds(what, cache string, states map[string]image.State, files map[string]string) {
	f.t.Helper()
	results, err := f.build(context.Background(), cache)
	if err != nil {
		f.t.Fatalf("%s: %v", what, err)
	}
	if len(results) != 3 {
		f.t.Errorf("%s: %d images were built", what, len(results))
	}
	for _, r := range results {
		if r.State != states[r.Target.Service] || len(r.Warnings) > 0 || r.State == image.Unchanged && r.Built > 0 {
			f.t.Errorf("%s: %s: %s, %d steps ran, warnings %q; want %s", what, r.Target.Service, r.State, r.Built,
				r.Warnings, states[r.Target.Service])
		}
	}
	got := f.export(f.name + "-app")
	for name, content := range files {
		if got[name] != content {
			f.t.Errorf("%s: /%s is %q, want %q", what, name, got[name], content)
		}
	}
}

func (f *fixture) buildsWhatIsNeeded(cache string) {
	f.t.Helper()
	all := func(s image.State) map[string]image.State {
		return map[string]image.State{"app": s, "lib": s, "assets": s}
	}
	f.checkNeeds("first", cache, all(image.Loaded), map[string]string{
		"both": "lib 1\napp 1\n", "name": "lib\n", "own": "assets 1\n", "assets": "assets 1\n", "from-lib": "lib 1\n",
	})
	for range 2 {
		f.checkNeeds("unchanged", cache, all(image.Unchanged), nil)
	}
	f.write("lib/file", "lib 2\n")
	f.checkNeeds("lib edited", cache,
		map[string]image.State{"app": image.Loaded, "lib": image.Loaded, "assets": image.Unchanged}, map[string]string{
			"both": "lib 2\napp 1\n",
		})
	f.write("app/file", "app 2\n")
	f.checkNeeds("app edited", cache,
		map[string]image.State{
			"app": image.Loaded, "lib": image.Unchanged, "assets": image.Unchanged,
		}, map[string]string{
			"both": "lib 2\napp 2\n",
		})
	f.write("assets/file", "assets 2\n")
	f.checkNeeds("assets edited", cache, all(image.Loaded),
		map[string]string{"own": "assets 2\n", "assets": "assets 2\n", "both": "lib 2\napp 2\n"})
	f.noCache = true
	f.checkNeeds("without the build cache", cache, all(image.Loaded),
		map[string]string{"own": "assets 2\n", "assets": "assets 2\n", "both": "lib 2\napp 2\n"})
	f.noCache = false
}

func TestIntegrationAnImageMadeOfOtherServices(t *testing.T) {
	f := needy(t).on(enginetest.Builder(t), enginetest.Builder(t))
	f.buildsWhatIsNeeded(registry(t))
	// A builder that has nothing finds all of it in the cache, the steps of what is needed too.
	f.on(enginetest.Builder(t))
	results, err := f.build(t.Context(), registry(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Built > 0 {
			t.Errorf("on a fresh builder: %d steps of %s ran", r.Built, r.Target.Service)
		}
	}
}

func TestIntegrationANeededImageThatFails(t *testing.T) {
	f := needy(t)
	f.write("lib/Dockerfile", "FROM debian:bookworm-slim\nRUN echo broken && false\n")
	_, err := f.build(t.Context(), "")
	if err == nil {
		t.Fatal("it ended well")
	}
	contains(t, err.Error(), `building "lib": `, "broken",
		`building "app": not begun, since its additional context "base" is the image of "lib", which failed`)
	f.write("lib/Dockerfile", "FROM debian:bookworm-slim\nCOPY file /made\nENV NAME=lib\n")
	for _, r := range f.mustBuild() {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
}
