package solve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
	"github.com/25eloquence/compose-mage/internal/builder"
	"github.com/25eloquence/compose-mage/internal/buildplan"
)

func TestASecondSolveUsesTheCache(t *testing.T) {
	q := Request{SolveOpt: client.SolveOpt{
		FrontendAttrs: map[string]string{"no-cache": "", "target": "t"},
		CacheExports:  []client.CacheOptionsEntry{{Type: "registry"}, {Type: "inline"}},
	}}
	again := q.UsingCache()
	if _, ok := again.FrontendAttrs["no-cache"]; ok || again.FrontendAttrs["target"] != "t" ||
		len(q.FrontendAttrs) != 2 {
		t.Errorf("got %v of %v", again.FrontendAttrs, q.FrontendAttrs)
	}
	named := q.withoutExport()
	if len(named.CacheExports) != 1 || named.CacheExports[0].Type != "inline" || len(named.FrontendAttrs) != 1 ||
		len(q.CacheExports) != 2 {
		t.Errorf("got %v of %v", named.CacheExports, q.CacheExports)
	}
}

func TestPlatformsReachWhatIsNeeded(t *testing.T) {
	need := Request{SolveOpt: client.SolveOpt{FrontendAttrs: map[string]string{"add-hosts": "a=host-gateway"}}}
	q := Request{SolveOpt: client.SolveOpt{FrontendAttrs: map[string]string{}}, needs: map[string]Request{"x": need}}
	q.SetPlatforms("linux/arm64")
	if need.FrontendAttrs["platform"] != "linux/arm64" || q.FrontendAttrs["platform"] != "linux/arm64" {
		t.Errorf("got %v, %v", q.FrontendAttrs, need.FrontendAttrs)
	}
	if err := q.SetHostGateway(&builder.Builder{}); err == nil {
		t.Error("what is needed has no host-gateway, and passes")
	}
	if err := q.SetHostGateway(&builder.Builder{Gateway: "1.2.3.4"}); err != nil ||
		need.FrontendAttrs["add-hosts"] != "a=1.2.3.4" || q.FrontendAttrs["add-hosts"] != "" {
		t.Errorf("got %v, %v", need.FrontendAttrs, err)
	}
}

// builtFiles is a file system that a solve gave.
type builtFiles struct{ gateway.Reference }

func (builtFiles) ToState() (llb.State, error) { return llb.Image("x"), nil }

func TestAnImageIsAContext(t *testing.T) {
	for name, c := range map[string]struct {
		image *gateway.Result
		attrs string
		want  string // the inputs
	}{
		"one platform": {
			&gateway.Result{Ref: builtFiles{}, Metadata: map[string][]byte{"containerimage.config": []byte("{}")}},
			`context:base=input:service-base input-metadata:service-base={"containerimage.config":"e30="}`,
			"service-base",
		},
		"no files, no configuration": {&gateway.Result{}, "context:base=input:service-base", "service-base"},
		"several": {
			&gateway.Result{
				Refs:     map[string]gateway.Reference{"linux/amd64": builtFiles{}, "linux/arm64": nil},
				Metadata: map[string][]byte{"containerimage.config/linux/arm64": []byte("{}")},
			},
			"context:base::linux/amd64=input:service-base::linux/amd64 " +
				"context:base::linux/arm64=input:service-base::linux/arm64 " +
				`input-metadata:service-base::linux/arm64={"containerimage.config":"e30="}`,
			"service-base::linux/amd64 service-base::linux/arm64",
		},
	} {
		attrs, inputs := map[string]string{}, map[string]llb.State{}
		err := asContext("base", c.image, attrs, func(name string, s llb.State) error { inputs[name] = s; return nil })
		var got []string
		for k, v := range attrs {
			got = append(got, k+"="+v)
		}
		slices.Sort(got)
		names := strings.Join(slices.Sorted(maps.Keys(inputs)), " ")
		if err != nil || strings.Join(got, " ") != c.attrs || names != c.want {
			t.Errorf("%s: %v\n%s\n%s", name, err, strings.Join(got, " "), names)
		}
		for input, s := range inputs {
			if filled := s.Output() != nil; filled != (name == "one platform" || strings.HasSuffix(input, "amd64")) {
				t.Errorf("%s: %s has files: %v", name, input, filled)
			}
		}
	}
}

func TestStampChangesWithWhatIsBuiltFrom(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("Dockerfile", "FROM a")
	env := Environment{Lookup: lookup()}
	target := buildplan.Target{Key: "app", Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile")}
	local := func(stamp string) map[string]*LocalContext {
		return map[string]*LocalContext{"context": {dir: dir, stamp: stamp}}
	}
	seen := map[string]string{}
	is := func(what, stamp string) {
		t.Helper()
		if other, twice := seen[stamp]; twice || stamp == "" {
			t.Errorf("%s has the stamp of %q: %q", what, other, stamp)
		}
		seen[stamp] = what
	}
	is("the first", Stamp(target, "p", env, local("1")))
	if Stamp(target, "p", env, local("1")) != slices.Collect(maps.Keys(seen))[0] {
		t.Error("nothing changed, but the stamp did")
	}
	is("another file", Stamp(target, "p", env, local("2")))
	is("another project", Stamp(target, "q", env, local("1")))
	inline := target
	inline.Inline = "FROM b"
	is("an inline Dockerfile", Stamp(inline, "p", env, local("1")))
	needs := target
	needs.Needs = map[string]buildplan.Target{"x": {Key: "lib", Context: dir, Inline: "FROM c"}}
	is("one that needs another", Stamp(needs, "p", env, local("1")))
	needs.Needs = map[string]buildplan.Target{"x": {Key: "lib", Context: dir, Inline: "FROM d"}}
	is("one that needs yet another", Stamp(needs, "p", env, local("1")))
	write("Dockerfile.dockerignore", "x")
	is("an ignore file", Stamp(target, "p", env, local("1")))
	write("Dockerfile", "FROM b")
	is("another Dockerfile", Stamp(target, "p", env, local("1")))
	// What is not known has no stamp.
	needs.Needs = map[string]buildplan.Target{"x": {Key: "lib", Context: "https://example.com/x.git"}}
	for what, stamp := range map[string]string{
		"a context that was not walked to its end": Stamp(target, "p", env, local("")),
		"a remote context": Stamp(buildplan.Target{Context: "https://example.com/x.git"}, "p",
			env, nil),
		"one that needs a remote one": Stamp(needs, "p", env, local("1")),
	} {
		if stamp != "" {
			t.Errorf("%s: %s", what, stamp)
		}
	}
}

func TestAttributesOfAContextElsewhere(t *testing.T) {
	target := buildplan.Target{
		Key: "app", Context: "https://example.com/x.git",
		Build: types.BuildConfig{Dockerfile: "docker/a.Dockerfile", Network: "none"},
	}
	got := attributes(target, "p", Environment{Lookup: lookup()})
	if got["context"] != target.Context || got["filename"] != "docker/a.Dockerfile" ||
		got["force-network-mode"] != "none" {
		t.Errorf("got %v", got)
	}
	if _, ok := got["shm-size"]; ok || got["target"] != "" || len(got) != 5 { // the two labels too
		t.Errorf("more than was said: %v", got)
	}
	target.Inline = "FROM a"
	if got := attributes(target, "p", Environment{Lookup: lookup()}); got["filename"] != "Dockerfile" {
		t.Errorf("inline: %v", got)
	}
	target = buildplan.Target{
		Dockerfile: "/x/web.Dockerfile", Context: "/x",
		Build: types.BuildConfig{Network: "default"},
	}
	if got := attributes(target, "p", Environment{Lookup: lookup()}); got["filename"] != "web.Dockerfile" ||
		got["context"] != "" || got["force-network-mode"] != "" {
		t.Errorf("a file: %v", got)
	}
	args := buildArgs(target, Environment{Lookup: lookup("HTTP_PROXY", "", "http_proxy", "http://p")})
	if len(args) != 1 || args["http_proxy"] != "http://p" {
		t.Errorf("arguments: %v", args)
	}
}

func TestNotesOfASolve(t *testing.T) {
	env := Environment{
		Lookup:  lookup(),
		Secrets: types.Secrets{"one": {Environment: "NOT_SET"}, "file": {File: "f", Environment: "NOT_SET"}},
	}
	target := buildplan.Target{
		Service: "app",
		Build:   types.BuildConfig{Secrets: []types.ServiceSecretConfig{{Source: "one"}, {Source: "file"}}},
	}
	if got := Notes(target, env); len(got) != 1 || !strings.Contains(got[0], "NOT_SET") {
		t.Errorf("got %q", got)
	}
}

func TestSecretsOfAllKinds(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte("bundle"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := Environment{CABundle: ca, Lookup: lookup(), Secrets: types.Secrets{"text": {Content: "given"}, "none": {}}}
	target := buildplan.Target{Build: types.BuildConfig{Secrets: []types.ServiceSecretConfig{
		{Source: "text"},
		{Source: "none"},
	}}}
	target.Needs = map[string]buildplan.Target{"x": target} // the same secret, of the same content
	got, err := buildSecrets(target, env)
	if err != nil || len(got) != 2 || string(got["ca"]) != "bundle" || string(got["text"]) != "given" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWarningsOfContexts(t *testing.T) {
	project, outside := t.TempDir(), t.TempDir()
	inside := filepath.Join(project, "a")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{inside, outside} {
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := &Contexts{}
	for _, dir := range []string{inside, outside, inside} {
		if _, err := c.get(t.Context(), dir, ""); err != nil {
			t.Fatal(err)
		}
	}
	got := c.Warnings(project)
	if len(got) != 1 || !strings.Contains(got[0], outside) || len(c.reads) != 2 {
		t.Errorf("got %q of %d contexts", got, len(c.reads))
	}
	large := &LocalContext{
		dir: inside, surveyed: make(chan struct{}),
		survey: buildcontext.Survey{Dir: inside, Bytes: LargeContext + 1},
	}
	c.reads["large"] = func() *LocalContext { return large }
	if got := c.Warnings(project); len(got) != 1 {
		t.Errorf("of a context that is still walked: %q", got)
	}
	close(large.surveyed)
	if got := strings.Join(c.Warnings(project), "\n"); !strings.Contains(got, "add to .dockerignore") {
		t.Errorf("of a large one: %q", got)
	}
}

func TestASurveyThatFailedIsNone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	lc := &LocalContext{dir: dir, surveyed: make(chan struct{})}
	lc.read(t.Context())
	walked := func() int {
		t.Helper()
		fs, err := lc.fs()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := fs.Walk(t.Context(), "", func(string, os.DirEntry, error) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	// A file that the survey does not have tells which of the two was taken.
	if err := os.WriteFile(filepath.Join(dir, "g"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if n := walked(); n != 1 {
		t.Errorf("a fresh survey was not taken: %d files", n)
	}
	lc.surveyErr = errors.New("it failed")
	if n := walked(); n != 2 {
		t.Errorf("a survey that failed was taken: %d files", n)
	}
}

func TestDefinitionOfADockerfile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "Dockerfile")
	ignore := filepath.Join(dir, ".dockerignore")
	for path, text := range map[string]string{file: "FROM file", ignore: "ignored"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := func(target buildplan.Target, ignoreFile string) string {
		t.Helper()
		state, err := definition(target, "Dockerfile", ignoreFile)
		if err != nil {
			return err.Error()
		}
		d, err := state.Marshal(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%q", d.Def)
	}
	if got := text(buildplan.Target{Dockerfile: file}, ""); !strings.Contains(got, "FROM file") ||
		strings.Contains(got, "ignored") {
		t.Errorf("a file: %s", got)
	}
	if got := text(buildplan.Target{Dockerfile: file, Inline: "FROM inline"}, ignore); !strings.Contains(got,
		"FROM inline") || !strings.Contains(got, "ignored") {
		t.Errorf("inline: %s", got)
	}
	if got := text(buildplan.Target{Dockerfile: file + ".gone"}, ""); !strings.Contains(got, "reading the Dockerfile") {
		t.Errorf("a file that is gone: %s", got)
	}
	if got := text(buildplan.Target{Dockerfile: file}, ignore+".gone"); !strings.Contains(got,
		"reading the ignore file") {
		t.Errorf("an ignore file that is gone: %s", got)
	}
}

func TestWhatTheBuilderMayAskBackFor(t *testing.T) {
	target := buildplan.Target{Build: types.BuildConfig{}}
	if got, err := attachables(target, Environment{}); err != nil || len(got) != 2 {
		t.Errorf("without keys: %d, %v", len(got), err)
	}
	target.Build.SSH = types.SSHConfig{{ID: "git", Path: filepath.Join(t.TempDir(), "gone")}}
	if _, err := attachables(target, Environment{}); err == nil ||
		!strings.Contains(err.Error(), "offering the SSH agent") {
		t.Errorf("a key that is gone: %v", err)
	}

	t.Setenv("SSH_AUTH_SOCK", "")
	target.Build.SSH = types.SSHConfig{{ID: "default"}}
	if _, err := attachables(target, Environment{}); err == nil {
		t.Error("there is no agent, and it is offered")
	}
}
