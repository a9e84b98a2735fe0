//go:build integration

package trace

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/enginetest"
	"github.com/25eloquence/compose-mage/internal/trace/schema"
	"github.com/25eloquence/compose-mage/internal/verify"
	"github.com/25eloquence/compose-mage/stack"
)

// built is a stack of two images, of which the second is built from the first; %[1]s is its name, %[2]s the image that
// both start from.
const built = `name: %[1]s
services:
  base:
    image: %[1]s-base
    build: {context: ., dockerfile_inline: "FROM %[2]s\nCOPY compose.yaml /\nRUN sleep 0.3"}
  web:
    image: %[1]s-web
    build:
      context: .
      additional_contexts: {lib: "service:base"}
      args: {TOKEN: hunter2secret}
      dockerfile_inline: "FROM lib\nARG TOKEN\nRUN echo $$TOKEN %[3]s"
`

// The trace of a build has its steps, what the cache had, transfers and loads, its critical path is the one that is
// printed, and no argument's value is in it. That of a failed one is there too.
func TestIntegrationTraceOfABuild(t *testing.T) {
	builder := os.Getenv(verify.BuilderVariable)
	if builder == "" {
		t.Fatalf("this test needs a builder in %s", verify.BuilderVariable)
	}
	t.Setenv("BUILDKIT_HOST", builder)
	text := strings.ReplaceAll(built, "%[2]s", enginetest.Base(t))
	s, out := opened(t, strings.ReplaceAll(text, "%[3]s", "&& sleep 0.3"))
	path := filepath.Join(t.TempDir(), "build.json")
	build := func() schema.File {
		t.Helper()
		ctx, tr, err := Open(t.Context(), path, "build")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Build(ctx, stack.BuildOptions{})
		if err := tr.Close(err); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return read(t, path)
	}
	f := build()
	if printed := otherOf(f, "critical path of build"); !strings.Contains(printed, "RUN echo $TOKEN") ||
		!strings.Contains(out.String(), "critical path: "+printed+"\n") {
		t.Errorf("the trace has the critical path %q, and this was printed:\n%s", printed, out)
	}
	for service, steps := range map[string]string{"base": "RUN sleep 0.3", "web": "RUN echo $TOKEN"} {
		if !slices.ContainsFunc(spans(f, service, "step"), func(e schema.Event) bool {
			return strings.Contains(*e.Name, steps) && *e.Duration > 290_000 && *e.Duration < 60e6
		}) {
			t.Errorf("%s: no step %s of its time", service, steps)
		}
		loads, images := spans(f, service, "load"), spans(f, service, "image")
		if len(loads) != 1 || len(images) != 1 || loads[0].Args["bytes"] != images[0].Args["bytes"] ||
			images[0].Args["result"] != "loaded" || *loads[0].Time < *images[0].Time ||
			loads[0].End() > images[0].End() {
			t.Errorf("%s: loads %+v, images %+v", service, loads, images)
		}
	}
	if len(spans(f, "web", "waiting")) != 1 || len(spans(f, "base", "transfer")) == 0 {
		t.Error("web waits for nothing, or base has no transfer")
	}
	again := build()
	if len(spans(again, "web", "cached")) == 0 || len(spans(again, "web", "load")) > 0 ||
		otherOf(again, "critical path") != "" {
		t.Errorf("the second build: %v", again.Other)
	}
	failing, said := opened(t, strings.ReplaceAll(text, "%[3]s", "&& false"))
	ctx, tr, err := Open(t.Context(), path, "build")
	if err != nil {
		t.Fatal(err)
	}
	_, err = failing.Build(ctx, stack.BuildOptions{Services: []string{"base", "web"}})
	if tr.Close(err) == nil {
		t.Fatalf("a build that fails succeeds:\n%s", said)
	}
	f = read(t, path)
	broken := slices.DeleteFunc(spans(f, "web", "step"), func(e schema.Event) bool { return e.Args["failed"] != true })
	if f.Other["result"] != "failed" || len(broken) != 1 || !strings.Contains(*broken[0].Name, "RUN echo $TOKEN") {
		t.Errorf("%v: failed are %+v", f.Other, broken)
	}
}
