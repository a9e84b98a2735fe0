package explain

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/buildinputs"
	"github.com/25eloquence/compose-mage/internal/dockerfile"
	"github.com/25eloquence/compose-mage/internal/golden"
)

// shownSteps are the names that BuildKit gave the steps of goDockerfile; those whose number is in ran did run.
func shownSteps(digest string, ran ...int) []buildinputs.Step {
	names := []string{
		"[internal] load build definition from Dockerfile",
		"[build 1/8] FROM docker.io/library/golang:1.26-bookworm@" + digest,
		"[build 2/8] WORKDIR /src",
		"[build 3/8] COPY services/go.mod services/go.sum ./",
		"[build 4/8] RUN go mod download",
		"[build 5/8] COPY services/internal internal",
		"[build 6/8] RUN go build ./internal/...",
		"[build 7/8] COPY services/api api",
		"[build 8/8] RUN --mount=type=cache,target=/root/.cache     go build     -o /out/ ./api",
		"[stage-1 1/1] COPY --from=build /out/ /",
		"exporting to image",
	}
	var out []buildinputs.Step
	for i, name := range names {
		s := buildinputs.Step{Name: name, Cached: true}
		for _, n := range ran {
			if n == i {
				s.Cached, s.Seconds = false, float64(i)
			}
		}
		out = append(out, s)
	}
	return out
}

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// remember is a build whose steps did that, in a run of its own.
func (w *workspace) remember(dir string, steps []buildinputs.Step) string {
	w.t.Helper()
	s := NewStore(dir)
	s.Inputs.Unchanged(context.Background(), w.in)
	w.do(s.Remember(context.Background(), w.in, steps))
	b, err := s.Last(w.in.Project, w.in.Service)
	w.do(err)
	return text(b.Reasons)
}

func TestExplain(t *testing.T) {
	w, dir := newWorkspace(t, goDockerfile, goFiles()), t.TempDir()
	is := func(name, got, want string) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
	first := w.remember(dir, shownSteps(digestA, 2, 3, 4, 5, 6, 7, 8, 9))
	if strings.Count(first, ": "+firstBuild+"\n") != 8 || strings.Count(first, "\n") != 8 {
		t.Fatal(first)
	}
	is("unchanged", w.remember(dir, shownSteps(digestA)), "")

	w.write("services/api/main.go", "new")
	is("a file", w.remember(dir, shownSteps(digestA, 7, 8, 9)),
		"11 [build 7/8] COPY services/api api: services/api/main.go changed\n"+fromAPI)

	w.write("services/api/main.go", "package main")
	is("a file as it was: the copy was at hand, what it makes is gone", w.remember(dir, shownSteps(digestA, 8, 9)),
		"12 [build 8/8] RUN go build -o /out/ ./api: follows from line 11: services/api/main.go changed\n"+
			"17 [stage-1 1/1] COPY --from=build /out/ /: follows from line 12\n")

	is("a pruned builder", w.remember(dir, shownSteps(digestA, 4, 5)), "8 [build 4/8] RUN go mod download: "+lostResult+
		"\n9 [build 5/8] COPY services/internal internal: follows from line 8\n")

	is("a base that moved, of which the steps alone tell", w.remember(dir, shownSteps(digestB, 2, 3)),
		"6 [build 2/8] WORKDIR /src: base golang:1.26-bookworm moved from sha256:aaaaaaaaaaaa to sha256:bbbbbbbbbbbb\n"+
			"7 [build 3/8] COPY services/go.mod services/go.sum ./: follows from line 6\n")

	w.in.NoCache = true
	is("without the cache", w.remember(dir, shownSteps(digestB, 2, 3)), "6 [build 2/8] WORKDIR /src: "+withoutIt+
		"\n7 [build 3/8] COPY services/go.mod services/go.sum ./: "+withoutIt+"\n")
	w.in.NoCache = false

	w.write("services/internal/a/a.go", "broken")
	failing := shownSteps(digestB, 5, 6)
	failing[6].Failed = true
	is("a build that fails", w.remember(dir, failing[:7]),
		"9 [build 5/8] COPY services/internal internal: services/internal/a/a.go changed\n10 [build 6/8] RUN go "+
			"build ./internal/...: follows from line 9\n")
	is("again, and what comes after", w.remember(dir, shownSteps(digestB, 6, 9)),
		"10 [build 6/8] RUN go build ./internal/...: "+failedThen+
			"\n17 [stage-1 1/1] COPY --from=build /out/ /: follows from line 10\n")

	w.in.Target, w.in.Platform = "build", "linux/amd64"
	w.remember(dir, shownSteps(digestB))
	w.in.Target = ""
	is("a step that the last build did not need", w.remember(dir, shownSteps(digestB, 9)),
		"17 [stage-1 1/1] COPY --from=build /out/ /: target changed from \"build\" to the last stage\n")
}

func TestStepsAfterAFailure(t *testing.T) {
	w, dir := newWorkspace(t, "FROM scratch\nCOPY a /a\nCOPY b /b\n", map[string]string{"a": "1", "b": "1"}),
		t.TempDir()
	w.remember(dir, []buildinputs.Step{{Name: "[1/2] COPY a /a"}})
	w.remember(dir, []buildinputs.Step{{Name: "[1/2] COPY a /a", Failed: true}})
	want := "3 [2/2] COPY b /b: " + endedBefore + "\n"
	if got := w.remember(dir,
		[]buildinputs.Step{{Name: "[1/2] COPY a /a", Cached: true}, {Name: "[2/2] COPY b /b"}}); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// What an address serves may change without anything here telling so.
func TestRemoteSource(t *testing.T) {
	w, dir := newWorkspace(t, "FROM scratch\nADD https://example.com/x /\n", nil), t.TempDir()
	step := []buildinputs.Step{{Name: "[1/1] ADD https://example.com/x /"}}
	w.remember(dir, step)
	if got := w.remember(dir, step); !strings.Contains(got, "https://example.com/x gave something else, or ") {
		t.Fatal(got)
	}
}

// Names as BuildKit writes them for several platforms, two digits, ONBUILD steps and linked copies.
func TestNamesOfSteps(t *testing.T) {
	text := "FROM a AS one\nWORKDIR /\n" + strings.Repeat("RUN true\n", 9) + "FROM one\nCOPY --link x /\n"
	p, err := dockerfile.Parse(text, dockerfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]int{
		"[one  1/11] FROM docker.io/library/a": 1, "[one  2/11] RUN true": 3, "[linux/amd64 one 10/11] RUN true": 11,
		"[linux/arm64->amd64 one  3/11] RUN true": 4,
		"[stage-1 1/1] LINK COPY --link x /":      13, "[one  2/12] ONBUILD RUN true": 0, "[one  3/12] RUN true": 3,
		"[one  3/11] COPY x y": 0,
		"[other 3/9] RUN true": 3, "[other 3/9] RUN false": 0, "[x 1/9] FROM docker.io/library/a:latest@" + digestA: 1,
		"[x 1/9] FROM docker.io/library/b:latest@" + digestA: 0,
		"[two 1/1] RUN yes": 0, "[internal] load metadata": 0, "exporting": 0,
		"[one  9999999999999999999999/2] RUN no": 0,
	} {
		n := find(p, name)
		if (n == nil) != (line == 0) || n != nil && n.Line != line {
			t.Errorf("%q is %+v, want line %d", name, n, line)
		}
	}
	alone, err := dockerfile.Parse("FROM a\nRUN true\n", dockerfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"[2/2] RUN true", "[linux/amd64 2/2] RUN true", "[stage-0 2/2] RUN true"} {
		if n := find(alone, name); n == nil || n.Line != 2 {
			t.Errorf("%q is %+v", name, n)
		}
	}
}

// Images of one stack share steps, which BuildKit then shows with the numbers and variables of one of their
// Dockerfiles.
func TestSharedSteps(t *testing.T) {
	text := "FROM base\nARG V=1\nWORKDIR /w/$V\nCOPY  a   /b\nRUN --mount=type=cache,target=/c \\\n   echo \"$V\" " +
		"'$HOME'\nRUN <<end\nfirst\nsecond\nend\n"
	p, err := dockerfile.Parse(text, dockerfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]int{
		"[build 7/9] WORKDIR /w/1": 3, "[build 7/9] COPY a /b": 4, "[build 7/9] COPY a /c": 0,
		`[build 7/9] RUN --mount=type=cache,target=/c    echo "1" '$HOME'`: 5, "[build 7/9] RUN <<end (first...)": 7,
	} {
		n := find(p, name)
		if (n == nil) != (line == 0) || n != nil && n.Line != line {
			t.Errorf("%q is %+v, want line %d", name, n, line)
		}
	}
	_,
		others := assign(p,
		[]buildinputs.Step{
			{Name: "[build 7/9] RUN other"},
			{Name: "[build 1/9] FROM other@" + digestA},
			{Name: "[build 8/9] RUN x", Cached: true},
		})
	if len(others) != 1 || others[0].Name != "[build 7/9] RUN other" {
		t.Errorf("others: %v", others)
	}
}

// A run that finds nothing to do only notes that: with a stamp, the contexts are not even looked at.
func TestStampSparesTheContexts(t *testing.T) {
	w, dir := newWorkspace(t, goDockerfile, goFiles()), t.TempDir()
	w.in.Stamp = "1"
	w.remember(dir, shownSteps(digestA, 8))
	s := NewStore(dir)
	w.in.Context.Dir = filepath.Join(w.in.Context.Dir, "gone")
	w.do(s.Remember(context.Background(), w.in, shownSteps(digestA)))
	b, err := s.Last("p", "api")
	if err != nil || b.Ran != 0 || b.Steps != 8 || b.Earlier == nil || b.Earlier.Ran != 1 ||
		len(b.Earlier.Reasons) != 1 {
		t.Fatalf("%+v %v", b, err)
	}
	w.do(os.Chtimes(s.lastPath("p", "api"), w.now, w.now))
	w.do(s.Remember(context.Background(), w.in, shownSteps(digestA)))
	if c, err := s.Last("p", "api"); err != nil || time.Since(c.Time) > time.Minute || c.Steps != 8 ||
		c.Earlier == nil || !c.Earlier.Time.Equal(b.Earlier.Time) {
		t.Fatalf("%+v %v", c, err)
	}
	failed := shownSteps(digestA, 8)
	failed[8].Failed = true
	w.in.Context.Dir = t.TempDir()
	w.remember(dir, failed)
	w.remember(dir, shownSteps(digestA))
	if NewStore(dir).Inputs.Last("p", "api").Failed {
		t.Error("a build that ended well leaves the one that failed in place")
	}
	w.in.Context.Dir = filepath.Join(w.in.Context.Dir, "gone")
	w.in.Stamp = "2"
	if err := NewStore(dir).Remember(context.Background(), w.in, shownSteps(digestA)); err == nil ||
		!strings.Contains(err.Error(), `"api"`) {
		t.Error("another stamp looks at the context again:", err)
	}
}

// Whatever is in the store, a build is remembered.
func TestDamagedStore(t *testing.T) {
	for _, content := range []string{"", "{", "null", `{"version":99}`, `{"version":1,"text":"COPPY"}`, "[1]"} {
		w, dir := newWorkspace(t, goDockerfile, goFiles()), t.TempDir()
		for _, name := range []string{"p/api.json", "p/last/api.json"} {
			w.do(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			w.do(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
		}
		if got := w.remember(dir, shownSteps(digestA, 8)); !strings.HasPrefix(got, "12 [build 8/8] RUN") {
			t.Errorf("%q: %s", content, got)
		}
	}
	s := NewStore(t.TempDir())
	if _, err := s.Last("p", "api"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _,
		err := s.Since(context.Background(),
		buildinputs.Inputs{Project: "p", Service: "api", Text: "FROM scratch"}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := s.Remember(context.Background(), buildinputs.Inputs{Project: "p", Service: "elsewhere"},
		nil); err != nil {
		t.Error("a remote Dockerfile is no error:", err)
	}
}

// Nothing that is secret is kept or shown.
func TestSecrets(t *testing.T) {
	w,
		dir := newWorkspace(t,
		"FROM scratch\nARG NPM_TOKEN\nARG API_KEY=hunter1\nENV DB_PASSWORD hunter2\nRUN use \"$NPM_TOKEN\" "+
			"x_secret='hunter3' TOKEN=hunter4\n", nil), t.TempDir()
	w.in.Args["NPM_TOKEN"] = "hunter5"
	w.in.Secrets = []string{"ca"}
	w.remember(dir, []buildinputs.Step{{Name: "[stage-0 1/1] RUN use"}})
	w.in.Args["NPM_TOKEN"] = "hunter6"
	w.replace("hunter1", "hunter7")
	w.replace("hunter2", "hunter8")
	w.replace("hunter4", "hunter9")
	got := w.remember(dir, []buildinputs.Step{{Name: "[1/1] RUN use"}})
	for _, want := range []string{
		"build argument NPM_TOKEN changed\n", "line 3 changed", "line 4 changed",
		"line 5 changed",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not told:\n%s", want, got)
		}
	}
	shown, err := os.ReadFile(filepath.Join(dir, "p", "last", "api.json"))
	w.do(err)
	if m := regexp.MustCompile(`hunter\d`).FindString(got + string(shown)); m != "" {
		t.Errorf("%s is shown:\n%s", m, got)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "p", "api.json"))
	w.do(err)
	for _, secret := range []string{"hunter5", "hunter6"} {
		if strings.Contains(string(kept), secret) {
			t.Errorf("%s is kept: %s", secret, kept)
		}
	}
	var rec buildinputs.Record
	w.do(json.Unmarshal(kept, &rec))
	if len(rec.Secrets) != 1 || rec.Secrets[0] != "ca" {
		t.Errorf("secrets %q", rec.Secrets)
	}
	info, err := os.Stat(filepath.Join(dir, "p", "api.json"))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

var clock = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

func TestPrint(t *testing.T) {
	w, dir := newWorkspace(t, goDockerfile, goFiles()), t.TempDir()
	var out strings.Builder
	show := func(title string) {
		t.Helper()
		s := NewStore(dir)
		b, err := s.Last("p", "api")
		w.do(err)
		since, err := s.Since(context.Background(), w.in)
		w.do(err)
		out.WriteString("# " + title + "\n")
		b.Print(&out)
		PrintSince(&out, since)
	}
	w.remember(dir, shownSteps(digestA, 2, 3, 4, 5, 6, 7, 8, 9))
	show("first build")
	for _, name := range []string{"b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"} {
		w.write("services/api/"+name+".go", name)
	}
	w.replace("go mod download", "go mod download -x")
	show("edited")
	w.remember(dir, shownSteps(digestA, 4, 5, 6, 7, 8, 9))
	show("built")
	w.remember(dir, shownSteps(digestA))
	w.remember(dir, shownSteps(digestA))
	show("built twice more, nothing to do")
	failed := shownSteps(digestA, 8)
	failed[8].Failed = true
	w.remember(dir, failed)
	show("failed")
	golden.Check(t, "print.txt", clock.ReplaceAllString(out.String(), "2026-11-24 10:00:00"))
}
