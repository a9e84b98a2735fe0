package dockerfiles

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/25eloquence/compose-mage/internal/buildcontext"
	"github.com/25eloquence/compose-mage/internal/buildplan"
	"github.com/25eloquence/compose-mage/internal/composetest"
	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/doctor/fixture"
	"github.com/25eloquence/compose-mage/internal/sources"
)

func said(all []check.Finding) string {
	var lines []string
	for _, f := range all {
		var at []string
		for _, p := range f.Places {
			at = append(at, fmt.Sprint(p.Line))
		}
		lines = append(lines, f.ID+" "+strings.Join(at, ","))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

const fine = "FROM debian:12 AS build\nARG VERSION=1\nENV A=${VERSION}\nWORKDIR /src\nCOPY . .\nEXPOSE 80/tcp\n" +
	"RUN make\nFROM scratch\nCOPY --from=build /src/a /a\nENTRYPOINT [\"/a\"]\n"

// linted are Dockerfiles by what is said of them: rule and lines.
var linted = map[string]string{
	"":                                   fine,
	"lint.StageNameCasing 1":             "FROM scratch AS Build\nENTRYPOINT [\"/a\"]\n",
	"lint.FromAsCasing 1":                "FROM scratch as build\nENTRYPOINT [\"/a\"]\n",
	"lint.NoEmptyContinuation 4":         "FROM debian:12\nRUN make \\\n\n  a\n",
	"lint.ConsistentInstructionCasing 3": "FROM debian:12\nRUN a\nrun b\nENTRYPOINT [\"/a\"]\n",
	"lint.DuplicateStageName 2":          "FROM debian:12 AS a\nFROM debian:12 AS a\nRUN b\n",
	"lint.ReservedStageName 1":           "FROM debian:12 AS context\nRUN a\n",
	"lint.JSONArgsRecommended 2":         "FROM debian:12\nCMD run me\n",
	"lint.MaintainerDeprecated 2":        "FROM debian:12\nMAINTAINER me\n",
	"lint.InvalidDefaultArgInFrom 1\nlint.UndefinedArgInFrom 1\nlint.syntax 1": "FROM ${NOWHERE}\nRUN a\n",
	"lint.WorkdirRelativePath 2":                    "FROM debian:12\nWORKDIR a\n",
	"lint.UndefinedVar 2":                           "FROM debian:12\nCOPY $NOWHERE /a\n",
	"lint.MultipleInstructionsDisallowed 2":         "FROM debian:12\nCMD [\"a\"]\nCMD [\"b\"]\n",
	"lint.LegacyKeyValueFormat 2":                   "FROM debian:12\nENV A b\n",
	"lint.RedundantTargetPlatform 1":                "FROM --platform=$TARGETPLATFORM debian:12\nRUN a\n",
	"lint.SecretsUsedInArgOrEnv 2,3":                "FROM debian:12\nENV DB_PASSWORD=a\nENV DB_PASSWORD=b\n",
	"lint.InvalidDefaultArgInFrom 2\nlint.syntax 2": "ARG V\nFROM debian:${V}\nRUN a\n",
	"lint.FromPlatformFlagConstDisallowed 1":        "FROM --platform=linux/amd64 debian:12\nRUN a\n",
	"lint.ExposeProtoCasing 2":                      "FROM debian:12\nEXPOSE 80/TCP\n",
	"lint.ExposeInvalidFormat 2":                    "FROM debian:12\nEXPOSE 127.0.0.1:80:80\n",
	"lint.syntax 2":                                 "FROM debian:12\nRUNN a\n",
}

func TestLint(t *testing.T) {
	for want, text := range linted {
		found, err := lintFile(t.Context(), Dockerfile{Path: "Dockerfile", Text: []byte(text), Services: []string{"a"}})
		if got := said(found); err != nil || got != want {
			t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
		}
	}
}

func TestCopiedEarly(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"requirements.txt", "package.json", "go.mod"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"FROM a\nCOPY . .\nRUN pip install -r requirements.txt\n":                      "build.copy-early 2,3",
		"FROM a\nCOPY --chown=1 ./ /app/\nRUN cd /app && npm ci && npm run build\n":    "build.copy-early 2,3",
		"FROM a\nCOPY . .\nRUN yarn\n":                                                 "build.copy-early 2,3",
		"FROM a\nCOPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\nRUN go build\n": "",
		"FROM a\nCOPY . .\nRUN --mount=type=cache,target=/root pip install -r r.txt\n": "",
		"FROM a\nCOPY . .\nRUN bundle install\n":                                       "",
		"FROM a\nCOPY . .\nRUN pip install flask\n":                                    "",
		"FROM a AS b\nCOPY . .\nFROM a\nCOPY --from=b . .\nRUN npm ci\n":               "",
		"FROM a\nCOPY src dst\nRUN npm ci\n":                                           "",
		"FROM a\nCOPY . .\nRUN npm install -g pnpm\n":                                  "",
	} {
		d := Dockerfile{Path: "Dockerfile", Text: []byte(text), Context: dir}
		if got := said(copiedEarly(d)); got != want {
			t.Errorf("%s\ngot %s, want %s", text, got, want)
		}
	}
}

// The repository's own Dockerfiles are in order.
func TestShippedDockerfiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sources.Root(t), "docker", "*.Dockerfile"))
	if err != nil || len(files) < 6 {
		t.Fatal(err, files)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := Dockerfile{Path: path, Text: text, Context: sources.Root(t)}
		found, err := lintFile(t.Context(), d)
		if got := said(append(found, copiedEarly(d)...)); err != nil || got != "" {
			t.Errorf("%s: %v %s", path, err, got)
		}
	}
}

// in is a Dockerfile in a folder with these files.
func in(t *testing.T, text string, files ...string) Dockerfile {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("node_modules\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Dockerfile{Path: filepath.Join(dir, "Dockerfile"), Text: []byte(text), Context: dir, Services: []string{"a"}}
}

const whole = "FROM a\nCOPY . /app\nRUN make\n"

func TestUnwanted(t *testing.T) {
	for name, c := range map[string]struct {
		d     Dockerfile
		want  string
		lines string
	}{
		"history": {in(t, whole, ".git/HEAD", "x"), "line 2 copies all of the context, with .git (the history of the " +
			"repository)", ".git"},
		"below": {in(t, whole, "web/node_modules/a/x"), "with web/node_modules (packages", "**/node_modules"},
		"several": {
			in(t, whole, ".env", ".venv/x"), "with .venv (packages installed for another machine), .env (sett",
			".venv .env",
		},
		"ignored":     {in(t, whole, "node_modules/x", ".dockerignore"), "", ""},
		"its own":     {in(t, whole, "node_modules/x", "Dockerfile.dockerignore"), "", ""},
		"a file":      {in(t, whole, "x", "git", ".gitignore", "env"), "", ""},
		"git is run":  {in(t, whole+"RUN git describe\n", ".git/HEAD"), "", ""},
		"it is meant": {in(t, whole+"RUN . .env\n", ".env"), "", ""},
		"a part":      {in(t, "FROM a\nCOPY src /app\n", ".git/HEAD", "src/x"), "", ""},
		"a mount":     {in(t, "FROM a\nRUN --mount=type=bind,target=/src make\n", ".git/HEAD"), "", ""},
		"a stage":     {in(t, "FROM a AS b\nFROM a\nCOPY --from=b . /app\n", ".git/HEAD"), "", ""},
		"elsewhere":   {Dockerfile{Text: []byte(whole)}, "", ""},
	} {
		found, err := contextOf(t.Context(), c.d)
		if err != nil || (len(found) == 1) != (c.want != "") {
			t.Errorf("%s: %v %+v", name, err, found)
			continue
		}
		for _, f := range found {
			e := f.Edits[0]
			if !strings.Contains(f.Evidence, c.want) || strings.Join(e.Lines, " ") != c.lines ||
				e.File != filepath.Join(c.d.Context, ".dockerignore") || f.Fix != check.Asked {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// TestRulesHaveFixtures holds each rule against a Dockerfile in which it finds something and one that is fine.
func TestRulesHaveFixtures(t *testing.T) {
	lintOf := func(text string) []check.Finding {
		found, err := lintFile(t.Context(), Dockerfile{Path: "Dockerfile", Text: []byte(text), Services: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	fixtures := map[string]fixture.Fixture{}
	for want, text := range linted {
		for line := range strings.Lines(want) {
			id, _, _ := strings.Cut(line, " ")
			fixtures[id] = fixture.Of(lintOf(text), lintOf(fine))
		}
	}
	early := in(t, "FROM a\nCOPY . .\nRUN npm ci\n", "package.json")
	late := early
	late.Text = []byte("FROM a\nCOPY package.json .\nRUN npm ci\nCOPY . .\n")
	fixtures["build.copy-early"] = fixture.Of(copiedEarly(early), copiedEarly(late))
	contexts := func(d Dockerfile) []check.Finding {
		found, err := contextOf(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	fixtures["context.unwanted"] = fixture.Of(contexts(in(t, whole, ".git/HEAD")), contexts(in(t, whole, "x")))
	size := func(n int64) buildcontext.Survey {
		return buildcontext.Survey{Bytes: n, Files: 1, Largest: []buildcontext.Entry{{Path: "x", Bytes: n}}}
	}
	fixtures["context.large"] = fixture.Of(large(early, size(1<<30+1), 2), large(early, size(1<<30), 2))
	var rules []check.Rule
	for _, c := range Checks() {
		rules = append(rules, c.Rules...)
	}
	fixture.Hold(t, rules, fixtures)
}

func TestDockerfilesOfAProject(t *testing.T) {
	p := composetest.Load(t, "services:\n  a: {build: {context: ., dockerfile_inline: \"FROM scratch\\n\"}}\n"+
		"  b: {build: {context: 'https://example.test/r.git'}}\n  c: {image: x}\n")
	plan, err := buildplan.Make(p, buildplan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := read(plan)
	if len(files) != 1 || string(files[0].Text) != "FROM scratch\n" || err == nil ||
		!strings.Contains(err.Error(), "the build context of b is on another machine") {
		t.Errorf("%v %+v", err, files)
	}
}
