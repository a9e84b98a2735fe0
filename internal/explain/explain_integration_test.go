//go:build integration

package explain

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/verify"
)

// realSteps has one step of every kind that reads something.
const realSteps = `FROM debian:bookworm-slim AS build
ARG V=1
ENV E=1
WORKDIR /src
COPY a/*.txt ./
RUN cat *.txt >/sum && echo "$V"
COPY --exclude=**/*.md b b
RUN --mount=type=bind,source=c,target=/c cp -r /c /out
USER 10001
RUN echo "$E" unique

FROM scratch
WORKDIR /
COPY --from=build /sum /
COPY --from=build /out /out
COPY d/link /d
ADD d/plain <<end /f/
text
end
ENTRYPOINT ["/x"]
`

// TestIntegrationReasonsAgreeWithTheBuilder edits one thing at a time and builds: every step that BuildKit runs has a
// reason that names the edit, the steps that are said to run do, and nothing runs where nothing is said to.
func TestIntegrationReasonsAgreeWithTheBuilder(t *testing.T) {
	b := newBuilder(t)
	w := newWorkspace(t, strings.ReplaceAll(realSteps, "unique", fmt.Sprint(time.Now().UnixNano())), map[string]string{
		"a/1.txt": "1", "a/2.txt": "2", "a/x.go": "x", "b/f": "1", "b/f.md": "1", "b/sub/g": "1", "c/h": "1",
		"d/plain": "1", "e/target": "1",
		"other": "1", "b/ignored.log": "1",
	})
	w.do(os.Symlink("../e/target", w.path("d/link")))
	w.ignore("**/*.log\n")
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	fresh := func() string { return fmt.Sprint(r.Uint64()) }
	before := w.take(nil)
	addBases(before, b.build(w))

	for i, e := range []struct {
		name string
		do   func()
		line int // of the step that runs first; 0 for none
		why  string
	}{
		{"nothing", func() {}, 0, ""},
		{"a file that a wildcard takes", func() { w.write("a/1.txt", fresh()) }, 5, "a/1.txt changed"},
		{"one that it does not take", func() { w.write("a/x.go", fresh()) }, 0, ""},
		{"a file in a directory", func() { w.write("b/sub/g", fresh()) }, 7, "b/sub/g changed"},
		{"an excluded one", func() { w.write("b/f.md", fresh()) }, 0, ""},
		{"a new file", func() { w.write("b/"+fresh(), "1") }, 7, "was added"},
		{"a removed file", func() { w.do(os.Remove(w.path("b/f"))) }, 7, "b/f was removed"},
		{"a mode", func() { w.do(os.Chmod(w.path("b/sub/g"), 0o700)) }, 7, "mode of b/sub/g"},
		{"a directory's mode", func() { w.do(os.Chmod(w.path("b/sub"), 0o700)) }, 0, ""},
		{"an empty directory", func() { w.do(os.Mkdir(w.path("c/empty"), 0o755)) }, 8, "c/empty was added"},
		{"a mounted file", func() { w.write("c/h", fresh()) }, 8, "c/h changed"},
		{"what a link leads to", func() { w.write("e/target", fresh()) }, 16, "e/target changed"},
		{"an added file", func() { w.write("d/plain", fresh()) }, 17, "d/plain changed"},
		{"a file that no step takes", func() { w.write("other", fresh()) }, 0, ""},
		{"an ignored file", func() { w.write("b/ignored.log", fresh()) }, 0, ""},
		{"the time alone", func() { w.do(os.Chtimes(w.path("c/h"), time.Now(), time.Now())) }, 0, ""},
		{"an argument", func() { w.in.Args["V"] = fresh() }, 6, "build argument V is now given"},
		{"an unknown argument", func() { w.in.Args["W"] = fresh() }, 0, ""},
		{"an environment variable", func() { w.replace("ENV E=1", "ENV E="+fresh()) }, 6, "line 3 changed"},
		{"a user", func() { w.replace("USER 10001", "USER 10002") }, 10, "line 9 changed"},
		{"a command", func() { w.replace("cp -r /c /out", "cp -r /c /out && : "+fresh()) }, 8, "line 8 changed"},
		{"a heredoc", func() { w.replace("text\n", fresh()+"\n") }, 17, "line 17 changed"},
		{"a comment", func() { w.in.Text = strings.Replace(w.in.Text, "ARG V=1", "ARG V=1", 1) + "# end\n" }, 0, ""},
		{"the entry point", func() { w.replace(`["/x"]`, `["/y"]`) }, 0, "line 20 changed (no step runs again for it)"},
		{
			"the ignore file", func() { w.ignore("**/*.log\nb/sub\n") }, 7,
			".dockerignore changed: left out now: b/sub/g",
		},
	} {
		e.do()
		after := w.take(before)
		predicted, err := Predict(before, after)
		if err != nil {
			t.Fatal(err)
		}
		steps := b.build(w)
		addBases(after, steps)
		reasons := Explain(before, after, steps)
		b.agree(e.name, steps, reasons, predicted, e.line, e.why)
		if t.Failed() {
			t.Fatalf("edit %d, %s: explained\n%s\npredicted\n%s", i, e.name, text(reasons), text(predicted))
		}
		before = after
	}
}

// builder builds on the BuildKit that the tests are given.
type builder struct {
	t testing.TB
	c *client.Client
}

func newBuilder(t *testing.T) builder {
	address := os.Getenv(verify.BuilderVariable)
	if address == "" {
		t.Fatalf("integration tests need a builder in %s", verify.BuilderVariable)
	}
	c, err := client.New(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return builder{t, c}
}

// build builds and gives the steps as BuildKit names them.
func (b builder) build(w *workspace) []buildinputs.Step {
	b.t.Helper()
	definition := b.t.TempDir()
	w.do(os.WriteFile(filepath.Join(definition, "Dockerfile"), []byte(w.in.Text), 0o644))
	all, err := fsutil.NewFS(w.in.Context.Dir)
	w.do(err)
	files, err := fsutil.NewFilterFS(all, &fsutil.FilterOpt{ExcludePatterns: w.in.Context.Patterns})
	w.do(err)
	dockerfile, err := fsutil.NewFS(definition)
	w.do(err)
	opt := client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{"target": w.in.Target},
		LocalMounts: map[string]fsutil.FS{"context": files, "dockerfile": dockerfile}, SharedKey: w.in.Context.Dir,
	}
	for k, v := range w.in.Args {
		opt.FrontendAttrs["build-arg:"+k] = v
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	status := make(chan *client.SolveStatus)
	seen, drained := map[digest.Digest]buildinputs.Step{}, make(chan struct{})
	go func() {
		defer close(drained)
		for s := range status {
			for _, v := range s.Vertexes {
				seen[v.Digest] = buildinputs.Step{
					Name: v.Name, Cached: v.Cached || seen[v.Digest].Cached,
					Failed: v.Error != "",
				}
			}
		}
	}()
	_, err = b.c.Solve(ctx, nil, opt, status)
	<-drained
	w.do(err)
	return slices.Collect(maps.Values(seen))
}

// agree compares what ran with what is said.
func (b builder) agree(name string, steps []buildinputs.Step, reasons, predicted []Reason, line int, why string) {
	ran := map[string]bool{}
	for _, s := range steps {
		if m := shown.FindStringSubmatch(s.Name); m != nil && !s.Cached && !strings.HasPrefix(m[4], "FROM ") {
			ran[strings.TrimSuffix(s.Name, m[4])] = true
		}
	}
	head := func(r Reason) string { // "[build 4/8] "
		if m := shown.FindStringSubmatch(r.Step); m != nil {
			return strings.TrimSuffix(r.Step, m[4])
		}
		return ""
	}
	for _, r := range reasons {
		if h := head(r); h != "" && !ran[h] {
			b.t.Errorf("%s: %s did not run", name, r.Step)
		}
		if r.Why == lostResult {
			b.t.Errorf("%s: %s ran for no reason", name, r.Step)
		}
	}
	for h := range ran {
		if !slices.ContainsFunc(reasons, func(r Reason) bool { return head(r) == h }) {
			b.t.Errorf("%s: nothing is said of %s", name, h)
		}
		if !slices.ContainsFunc(predicted, func(r Reason) bool { return head(r) == h }) {
			b.t.Errorf("%s: it was not said before that %s would run", name, h)
		}
	}
	switch {
	case why == "" && len(reasons)+len(predicted) > 0:
		b.t.Errorf("%s: nothing should run", name)
	case why != "" &&
		(len(reasons) == 0 || !strings.Contains(reasons[0].Why, why) || line != 0 && reasons[0].Line != line):
		b.t.Errorf("%s: want %q at line %d first", name, why, line)
	case why != "" && (len(predicted) == 0 || predicted[0].Why != reasons[0].Why):
		b.t.Errorf("%s: another reason was said before", name)
	}
}
